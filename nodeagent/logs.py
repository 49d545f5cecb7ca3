"""What containers wrote: streams for people, and the last lines of one that is given up for the report.

Living containers are read from Docker, those that were removed from the ring on disk. Called by `loop` and `streams`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from nodeagent.copies import Copies
from nodeagent.core.container import Container, Docker, DockerFault
from nodeagent.core.events import Event, TailRead
from nodeagent.core.reports import TAIL_LINES_MAX
from nodeagent.core.steps import ReadTail
from nodeagent.ring import Ring
from protocol.loglines import last_stamp_ns
from protocol.messages import ContainerRef
from protocol.streams import OpenLogs

LOOK_AGAIN_S = 0.25
"""Between two looks whether a container that is followed was started again."""
NEWS_LOOKS = 8
"""So many looks a copy that nobody knows of is waited for."""
ENGINE_AGAIN_S = 1.0
OVERLAP_NS = 10**9
"""So much is read again after a restart: the two channels of a container have times of their own. Who reads knows
lines by their time.
"""

Write = Callable[[bytes], Awaitable[None]]


class Tails:
    """Reads last lines. `group`: where the reads run. `post`: takes the result."""

    def __init__(self, docker: Docker, group: asyncio.TaskGroup, post: Callable[[Event], Awaitable[None]]) -> None:
        self._docker = docker
        self._group = group
        self._post = post

    def begin(self, step: ReadTail) -> None:
        """Start a read; a container whose lines cannot be read has none."""
        self._group.create_task(self._read(step), name="read tail")

    async def _read(self, step: ReadTail) -> None:
        try:
            lines = await self._docker.logs(step.container_id, TAIL_LINES_MAX)
        except DockerFault:
            lines = ()
        await self._post(TailRead(ref=step.ref, lines=lines))


class Logs:
    """`ring`: the lines of containers that were removed."""

    def __init__(self, docker: Docker, ring: Ring, copies: Copies) -> None:
        self._docker = docker
        self._ring = ring
        self._copies = copies

    async def stream(self, order: OpenLogs, write: Write) -> tuple[str, int | None]:
        """Write what was logged, and when followed what is; gives (why there is nothing or "", None). Restarts of the
        container are followed, to its removal. Raises DockerFault.
        """
        container = self._copies.container(order.target)
        looks = 0
        while container is None and order.follow and (looks < NEWS_LOOKS or self._copies.wanted(order.target)):
            # The Center may ask before the core has read that it shall run the copy.
            looks += 1
            await asyncio.sleep(LOOK_AGAIN_S)
            container = self._copies.container(order.target)
        if container is None:
            kept = await asyncio.to_thread(self._ring.read, order.target, order.lines, order.since_ns)
            if kept is None:
                return "this node has no lines of it", None
            await write(kept)
            return "", None
        await self._follow(order, container, write)
        return "", None

    async def _follow(self, order: OpenLogs, container: Container, write: Write) -> None:
        lines, since_ns = order.lines, order.since_ns
        while True:
            started_at = container.started_at
            read = self._docker.read_logs(container.id, lines=lines, since_ns=since_ns, follow=order.follow)
            try:
                async with aclosing(read) as pieces:
                    async for piece in pieces:
                        await write(piece)
                        lines, since_ns = -1, max(since_ns, last_stamp_ns(piece) - OVERLAP_NS)
            except DockerFault as fault:
                if not order.follow or fault.kind == "not_found":
                    raise
                await asyncio.sleep(ENGINE_AGAIN_S)  # the engine restarts; its containers may go on
                started_at = 0.0
            else:
                lines = -1
            if not order.follow:
                return
            again = await self._restarted(order.target, started_at)
            if again is None:
                return
            container = again

    async def _restarted(self, target: ContainerRef, started_at: float) -> Container | None:
        """The container once it runs again; None when it is gone."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            container = self._copies.container(target)
            if container is None:
                return None
            if container.status == "running" and container.started_at != started_at:
                return container
