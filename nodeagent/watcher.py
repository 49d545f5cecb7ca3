"""Keeps the core's picture of Docker true: events as hints, a full list at every (re)connect and every minute.

Changes nothing. Asks the engine every few seconds whether it is there, so that one that hangs is noticed. Posts
Listed, Inspected, EngineSeen and EngineSilent; started by `app`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from nodeagent.core.container import Docker, DockerEvent, DockerFault
from nodeagent.core.events import EngineSeen, EngineSilent, Event, Inspected, Listed

LIST_EVERY_S = 60.0
ASK_EVERY_S = 5.0
ASK_AGAIN_S = 1.0
"""After a question without an answer: three of them make an engine that hangs known within about 16 s."""
ASK_S = 3.0
"""An engine that has not said its name after so long counts as silent."""
LIST_S = 30.0
GATHER_S = 0.02
"""Hints within so many seconds are looked at together: a start makes three of them."""
HINTS_MAX = 64
"""Containers looked at one by one; more hints than that become one list."""
LOOKS_MAX = 4


class Watcher:
    """`post` takes the events. The list and the question whether the engine is there can be asked for from outside."""

    def __init__(self, docker: Docker, post: Callable[[Event], Awaitable[None]]) -> None:
        self._docker = docker
        self._post = post
        self._list_due = asyncio.Event()
        self._broke = True
        self._silent = False
        self.looked = asyncio.Event()
        """Set once the first list was answered or failed: what is known of the engine has been posted."""
        self._hints: dict[str, None] = {}
        self._hinted = asyncio.Event()

    def relist(self) -> None:
        """List everything again soon."""
        self._list_due.set()

    async def run(self) -> None:
        """Watch for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="docker events")
            group.create_task(self._look_at_hints(), name="docker hints")
            group.create_task(self._list_again(), name="docker list")
            group.create_task(self._ask(), name="docker ping")

    async def _listen(self) -> None:
        async with aclosing(self._docker.events()) as events:
            async for event in events:
                self._take(event)

    def _take(self, event: DockerEvent) -> None:
        if event.action == "lost":
            self._broke = True
            self._list_due.set()
        elif len(self._hints) >= HINTS_MAX:
            self._list_due.set()
        else:
            self._hints[event.container_id] = None
            self._hinted.set()

    async def _look_at_hints(self) -> None:
        while True:
            await self._hinted.wait()
            await asyncio.sleep(GATHER_S)
            self._hinted.clear()
            hints, self._hints = self._hints, {}
            places = asyncio.Semaphore(LOOKS_MAX)
            async with asyncio.TaskGroup() as group:
                for container_id in hints:
                    group.create_task(self._look(container_id, places))

    async def _look(self, container_id: str, places: asyncio.Semaphore) -> None:
        async with places:
            asked_at = _now()
            try:
                container = await self._docker.inspect(container_id)
            except DockerFault:
                self._list_due.set()
                return
            await self._post(Inspected(container_id=container_id, container=container, asked_at=asked_at))

    async def _list_again(self) -> None:
        while True:
            await self._list()
            try:
                async with asyncio.timeout(ASK_EVERY_S if self._silent else LIST_EVERY_S):
                    await self._list_due.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER_S)

    async def _list(self) -> None:
        self._list_due.clear()
        asked_at, after_break = _now(), self._broke
        self._broke = False
        try:
            async with asyncio.timeout(LIST_S):
                containers = await self._docker.containers()
        except (DockerFault, TimeoutError) as error:
            self._broke = True
            await self._silence(error)
            self.looked.set()
            return
        self._silent = False
        await self._post(Listed(containers=containers, asked_at=asked_at, after_break=after_break))
        self.looked.set()

    async def _ask(self) -> None:
        while True:
            pause_s = ASK_EVERY_S
            try:
                async with asyncio.timeout(ASK_S):
                    info = await self._docker.info()
            except (DockerFault, TimeoutError) as error:
                pause_s = ASK_AGAIN_S
                await self._silence(error)
            else:
                await self._post(EngineSeen(info=info))
                if self._silent:
                    self._broke = True
                    self._list_due.set()
            await asyncio.sleep(pause_s)

    async def _silence(self, error: Exception) -> None:
        self._silent = True
        reason = str(error) or "no answer in time"
        await self._post(EngineSilent(reason=reason))


def _now() -> float:
    return asyncio.get_running_loop().time()
