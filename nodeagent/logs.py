"""What a container wrote: the last lines of one that is given up, for the report that asks to move it.

Live streams of logs are not here yet; they will use the session's bulk lane. Called by `loop`.
"""

import asyncio
from collections.abc import Awaitable, Callable

from nodeagent.core.container import Docker, DockerFault
from nodeagent.core.events import Event, TailRead
from nodeagent.core.reports import TAIL_LINES_MAX
from nodeagent.core.steps import ReadTail


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
