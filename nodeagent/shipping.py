"""Ships last lines of containers to the Center, so that they survive this machine; keeps those of removed ones here.

A running container that writes is asked every 10 s, a quiet one ever less often, to 40 s: one question to Docker costs
about as much as its figures. At most 100 lines and 8 KiB go each time; after an end and before a removal at once. Goes
by the bulk lane, behind every stream. Told of removals by `executor`, run by `streams` while a session is open.
"""

import asyncio
import logging
import zlib
from collections.abc import Callable
from contextlib import aclosing, suppress

from nodeagent.bulk import Bulk
from nodeagent.core.container import Container, Docker, DockerFault
from nodeagent.core.steps import Remove
from nodeagent.ring import FILE_BYTES, Ring
from protocol.loglines import cut_front, last_lines, last_stamp_ns
from protocol.messages import ContainerRef
from protocol.streams import Tail

LINES_MAX = 100
TAIL_BYTES = 8 * 1024
"""Lines and bytes of one shipment: on a line of 64 kbit/s one container's is gone in 1.5 s."""
EVERY_S = 10.0
QUIET_EVERY_S = 40.0
LOOK_S = 1.0
READ_S = 5.0
"""Deadline of one question; before a removal nothing waits longer for the lines of what is removed."""
RING_LINES = 5000

log = logging.getLogger(__name__)


class _Mark:
    """How far a container's lines are shipped."""

    def __init__(self, due: float) -> None:
        self.due = due
        self.every_s = EVERY_S
        self.at_ns = 0
        """The last line that was sent …"""
        self.before_ns = 0
        """… and the last one of the shipment before: so much is certain to have arrived when the session breaks."""
        self.ended_at = 0.0
        """The end that was told."""


class Shipper:
    """`containers`: those the agent knows of, without asking Docker."""

    def __init__(self, docker: Docker, ring: Ring, containers: Callable[[], tuple[Container, ...]]) -> None:
        self._docker = docker
        self._ring = ring
        self._containers = containers
        self._marks: dict[ContainerRef, _Mark] = {}
        self._bulk: Bulk | None = None

    async def run(self, bulk: Bulk) -> None:
        """Ship on this session until cancelled."""
        self._bulk = bulk
        now = _now()
        for ref, mark in self._marks.items():
            mark.at_ns = mark.before_ns
            mark.due = now + _spread(ref)
        try:
            while True:
                await self._round(bulk)
                await asyncio.sleep(LOOK_S)
        finally:
            self._bulk = None

    async def removing(self, step: Remove) -> None:
        """Keep the lines of a container that is about to be removed, here and in the Center. Never raises, takes at
        most `READ_S`.
        """
        try:
            lines = await self._read(step.container_id, RING_LINES, 0)
            if lines:
                await asyncio.to_thread(self._ring.keep, step.ref, cut_front(lines, FILE_BYTES))
        except (DockerFault, OSError, TimeoutError) as error:
            log.warning("the last lines of %s are not kept: %s", step.ref.id, error or "no answer in time")
            return
        mark = self._marks.pop(step.ref, None)
        newer = _newer(lines, mark.at_ns if mark else 0)
        if newer and self._bulk is not None:
            self._bulk.offer(Tail(target=step.ref, lines=cut_front(newer, TAIL_BYTES), ended=True))

    async def _round(self, bulk: Bulk) -> None:
        containers = self._containers()
        known = {container.ref for container in containers}
        for ref in [ref for ref in self._marks if ref not in known]:
            del self._marks[ref]
        for container in containers:
            mark = self._marks.get(container.ref)
            if mark is None:
                mark = self._marks[container.ref] = _Mark(_now() + _spread(container.ref))
            ended = container.status in ("exited", "dead") and container.finished_at != mark.ended_at
            if ended or (_now() >= mark.due and container.status == "running"):
                with suppress(DockerFault, TimeoutError):  # asked again in a while
                    await self._ship(bulk, container, mark, ended=ended)
                mark.due = _now() + mark.every_s

    async def _ship(self, bulk: Bulk, container: Container, mark: _Mark, *, ended: bool) -> None:
        mark.every_s = min(QUIET_EVERY_S, mark.every_s * 2)
        lines = cut_front(await self._read(container.id, LINES_MAX, mark.at_ns + 1), TAIL_BYTES)
        if ended:
            mark.ended_at = container.finished_at
        if lines or ended:
            if not bulk.offer(Tail(target=container.ref, lines=lines, ended=ended)):
                return
            mark.before_ns, mark.at_ns = mark.at_ns, last_stamp_ns(lines) or mark.at_ns
            mark.every_s = EVERY_S

    async def _read(self, container_id: str, count: int, since_ns: int) -> bytes:
        found = b""
        async with asyncio.timeout(READ_S), aclosing(
            self._docker.read_logs(container_id, lines=count, since_ns=since_ns if since_ns > 1 else 0)
        ) as pieces:  # fmt: skip
            async for piece in pieces:
                found = cut_front(found + piece, FILE_BYTES)
        return found


def _newer(lines: bytes, than_ns: int) -> bytes:
    return last_lines(lines, LINES_MAX, than_ns + 1)


def _spread(ref: ContainerRef) -> float:
    """Seconds: not all containers of a node at once."""
    return 1.0 + zlib.crc32(f"{ref.id} {ref.epoch}".encode()) % 1000 / 1000 * (EVERY_S / 2)


def _now() -> float:
    return asyncio.get_running_loop().time()
