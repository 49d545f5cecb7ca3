"""Docker's events as hints, for ever: reconnects after every break. Used by `LocalDocker.events`.

Does not list anything: whoever reads a `lost` lists everything again. aiodocker's own event stream ends with the first
break and never comes back.
"""

import asyncio
import random  # noqa: TID251  this is the edge: jitter for the reconnect
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from nodeagent.core.container import DockerEvent, DockerFault
from nodeagent.docker.connection import Connection
from nodeagent.docker.text import clean
from protocol import names

ACTIONS = (
    "create", "start", "restart", "die", "oom", "kill", "stop", "pause", "unpause", "rename", "destroy",
    "health_status",
)  # fmt: skip
"""What is listened to. Not `exec_*`: every health check makes three of them."""

IDLE_S = 300.0
"""Silence after which the stream is opened anew: a dead TCP connection looks just like a quiet engine."""

OPEN_S = 10.0
"""Deadline for the beginning of the stream."""

BACKOFF_S = 0.2
BACKOFF_MAX_S = 5.0

LOST = DockerEvent(action="lost")


class _Actor(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="ID", default="")


class _Line(msgspec.Struct, frozen=True, rename="pascal"):
    action: str = ""
    actor: _Actor = _Actor()


async def listen(connection: Connection, cluster: str, node: str) -> AsyncGenerator[DockerEvent, None]:
    """Events of this cluster's and node's containers. Yields `lost` whenever the stream has opened (what happened
    before it did is unknown) and once when it breaks (the engine may be down). Never ends by itself.
    """
    failures = 0
    while True:
        try:
            async with aclosing(_one_stream(connection, cluster, node)) as stream:
                async for event in stream:
                    failures = 0
                    yield event
            continue
        except DockerFault:
            if failures == 0:
                yield LOST
        failures += 1
        await asyncio.sleep(backoff_s(failures, random.random()))  # noqa: S311  jitter, not a secret


def backoff_s(failures: int, chance: float) -> float:
    """Seconds before the next try after `failures` breaks in a row; `chance` in [0, 1)."""
    return min(BACKOFF_MAX_S, BACKOFF_S * 2.0 ** min(failures - 1, 16)) * (0.5 + chance / 2)


async def _one_stream(connection: Connection, cluster: str, node: str) -> AsyncGenerator[DockerEvent, None]:
    """One stream from its opening to its break (DockerFault) or to a long silence (the end)."""
    filters = {
        "type": ["container"],
        "event": ACTIONS,
        "label": [f"{names.LABEL_CLUSTER}={cluster}", f"{names.LABEL_NODE}={node}"],
    }
    params = {"filters": msgspec.json.encode(filters).decode()}
    async with connection.stream("GET", "events", params=params, deadline_s=OPEN_S) as stream:
        yield LOST
        while True:
            try:
                line = await stream.line(IDLE_S)
            except DockerFault as fault:
                if fault.kind == "timeout":
                    return
                raise
            if line is None:
                raise DockerFault("engine_down", "Docker ended its event stream")
            event = read_event(line)
            if event is not None:
                yield event


def read_event(line: bytes) -> DockerEvent | None:
    """The hint in a line of the stream; None when it is none."""
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    action = read.action.partition(":")[0].strip()
    return DockerEvent(action=action, container_id=clean(read.actor.id, 64)) if action in ACTIONS else None
