"""The agent's one writer: takes events one by one, asks the core, carries out its actions in their order.

The only place that touches `NodeState` while it changes. A save is awaited before the next action, so nothing is done
or acknowledged on a word that a crash would forget; heartbeats do not pass here. Started by `app`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import assert_never

from nodeagent.core.events import (
    Action,
    Event,
    Memory,
    Note,
    Now,
    Probe,
    Relook,
    Run,
    SaveMemory,
    SaveTask,
    Send,
    Woke,
)
from nodeagent.core.node import NodeState
from nodeagent.core.steps import Step
from nodeagent.journal import Journal

EVENTS_MAX = 4096
"""Events that wait; beyond, whoever posts waits too."""
SAVE_AGAIN_S = 10.0

log = logging.getLogger(__name__)


def clock() -> Now:
    """The machine's clocks. `mono` is the event loop's, as `asyncio` waits by it."""
    return Now(asyncio.get_running_loop().time(), time.time())  # noqa: TID251  the edge: Docker stamps wall time


class Loop:
    """`begin` starts a step, `send` puts a message on its session, `relook` asks for a list of all containers, `probe`
    says what is to be probed.
    """

    def __init__(
        self,
        state: NodeState,
        journal: Journal,
        *,
        begin: Callable[[Step], None],
        send: Callable[[Send], None],
        relook: Callable[[], None],
        probe: Callable[[Probe], None],
        now: Callable[[], Now] = clock,
    ) -> None:
        self.state = state
        self.kept: Memory = state.memory()
        """What is on disk: the newest word that may be called obeyed."""
        self._journal = journal
        self._begin = begin
        self._send = send
        self._relook = relook
        self._probe = probe
        self._now = now
        self._inbox: asyncio.Queue[Event] = asyncio.Queue(EVENTS_MAX)
        self._unsaved: Memory | None = None
        self._save_at = 0.0

    async def post(self, event: Event) -> None:
        """Hand an event over; waits while the inbox is full."""
        await self._inbox.put(event)

    async def run(self) -> None:
        """Decide and act for ever."""
        while True:
            event = await self._next()
            for action in self.state.handle(event, self._now()):
                await self._carry_out(action)
            if self._unsaved is not None and self._now().mono >= self._save_at:
                await self._save(self._unsaved)

    async def _next(self) -> Event:
        wake_at = self.state.wake_at if self._unsaved is None else min(self.state.wake_at, self._save_at)
        try:
            async with asyncio.timeout(max(0.0, wake_at - self._now().mono) if wake_at < float("inf") else None):
                return await self._inbox.get()
        except TimeoutError:
            return Woke()

    async def _carry_out(self, action: Action) -> None:
        match action:
            case Send():
                self._send(action)
            case Run(step=step):
                self._begin(step)
            case Probe():
                self._probe(action)
            case SaveMemory(memory=memory):
                await self._save(memory)
            case SaveTask(record=record):
                try:
                    await self._journal.save_task(record)
                except OSError as error:
                    log.error("task %s is not on disk: %s", record.task, error)
            case Relook():
                self._relook()
            case Note(text=text, warning=warning):
                log.log(logging.WARNING if warning else logging.INFO, "%s", text)
            case _:
                assert_never(action)

    async def _save(self, memory: Memory) -> None:
        try:
            await self._journal.save_memory(memory)
        except OSError as error:
            # Containers are healed all the same; without the file a restart waits for the Center's word.
            log.error("cannot keep the desired state: %s", error)
            self._unsaved, self._save_at = memory, self._now().mono + SAVE_AGAIN_S
        else:
            self.kept, self._unsaved = memory, None
