"""A deployment as it goes: one state after the other, from now to its end. By the Center's socket; by asking every
half second where no socket gets through. A Center that is away for a while is waited for; the deployment goes on there.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection

from protocol import live
from protocol.api import DeploymentView, TaskView
from ropeteam.client import Client, Refusal
from ropeteam.dialing import decode, dial_live, encode, fault_of
from ropeteam.fault import Unreachable
from ropeteam.output import note
from ropeteam.stream import lost

POLL_S = 0.5
POLL_MAX_S = 4.0
"""Between tries while the Center does not answer."""

ENDED = frozenset({"succeeded", "failed", "rolled_back", "cancelled", "superseded"})

_NO_SOCKETS = frozenset({400, 403, 404, 405, 426})
"""What a proxy answers that passes no sockets on."""


class Seen(NamedTuple):
    """A deployment, and the tasks of its steps that are known."""

    deployment: DeploymentView
    tasks: tuple[TaskView, ...] = ()


def states(center: Client, deployment: DeploymentView, until: float) -> Iterator[Seen]:
    """Every state that is told, the last one with an end, unless monotonic `until` passes first. Raises Fault."""
    seen = Seen(deployment)
    yield seen
    tries = 0
    while seen.deployment.state not in ENDED and time.monotonic() < until:
        try:
            with dial_live(center) as socket:
                if tries:
                    note("connected again", dim=True)
                tries = 0
                for seen in _told(socket, deployment.id, until):
                    yield seen
                if seen.deployment.state not in ENDED and time.monotonic() < until:
                    tries = lost(tries)  # closed in good order, as by a Center that restarts
        except (Refusal, InvalidHandshake) as error:
            if isinstance(error, Refusal) and error.status not in _NO_SOCKETS:
                raise
            yield from _asked(center, seen, until)
            return
        except (OSError, ConnectionClosed):
            tries = lost(tries)


def _told(socket: ClientConnection, number: int, until: float) -> Iterator[Seen]:
    socket.send(encode(live.Deployment(id=1, deployment=number)))
    while (left_s := until - time.monotonic()) > 0:
        try:
            frame = decode(socket.recv(timeout=left_s))
        except TimeoutError:
            return
        match frame:
            case live.Progress():
                yield Seen(frame.deployment, frame.tasks)
            case live.Over():
                if frame.error:
                    raise fault_of(frame)
                return
            case _:
                pass  # a sign of life


def _asked(center: Client, seen: Seen, until: float) -> Iterator[Seen]:
    wait_s = POLL_S
    while seen.deployment.state not in ENDED and time.monotonic() < until:
        time.sleep(wait_s)
        try:
            deployment = center.get(f"deployments/{seen.deployment.id}", DeploymentView)
            seen = Seen(deployment, _tasks(center, deployment))
        except (Unreachable, Refusal) as error:
            if isinstance(error, Refusal) and not error.passes:
                raise
            if wait_s == POLL_S:
                note(f"{error.what}; trying again", dim=True)
            wait_s = min(POLL_MAX_S, wait_s * 2)
            continue
        if wait_s > POLL_S:
            note("the Center answers again", dim=True)
        wait_s = POLL_S
        yield seen


def _tasks(center: Client, deployment: DeploymentView) -> tuple[TaskView, ...]:
    running = {s.task for s in deployment.steps if s.task and s.state == "running"}
    if not running:
        return ()
    try:
        found = center.get("tasks", list[TaskView], project=deployment.project, state="running")
    except (Unreachable, Refusal):
        return ()  # how far a pull is can wait
    return tuple(task for task in found if task.id in running)
