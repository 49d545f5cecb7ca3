"""What happens, for one subscription of `multiplex`: events as they are written, a deployment as it goes.

A slow reader costs a bounded queue: events beyond it are dropped and counted, of a deployment only the last state is
sent. Changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from controlplane.core.deployment import ENDED, Deployment
from controlplane.core.journal import Event
from controlplane.core.task import Task
from controlplane.core.views import deployment_view, event_view, task_view
from controlplane.web import history
from controlplane.web.answers import Rejected
from controlplane.web.door import Door, Subscription
from controlplane.web.history import Wanted, following
from controlplane.web.stream import EVENTS_MAX, Outbox
from protocol import live
from protocol.live import Dropped, Over, Progress, Told

PAUSE_S = 0.2
"""Between two states of a deployment, so that a burst of changes is sent once."""

Send = Callable[[live.FromCenter], Awaitable[None]]


class Telling:
    """Events from a sequence number on."""

    def __init__(self, door: Door, asked: live.Events, send: Send) -> None:
        self._door = door
        self._asked = asked
        self._send = send
        self._outbox = Outbox()
        self._wanted = Wanted(project=asked.project, node=asked.node)
        self._sent = 0

    async def run(self) -> Over:
        """Tell for ever."""
        with self._door.feed.subscribe() as subscription:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._collect(subscription))
                await self._tell()
        return Over(id=self._asked.id)

    def take(self, message: live.Input | live.Resize | live.Credit) -> None:
        """There is nothing to say to it."""

    async def _collect(self, subscription: Subscription) -> None:
        cluster = self._door.controller.cluster
        while True:
            changes = await subscription.next()
            if changes is None:
                self._outbox.skipped(cluster)
            else:
                self._outbox.put(changes, cluster)

    async def _tell(self) -> None:
        after = self._asked.after
        self._sent = self._door.controller.cluster.meta.event_seq if after is None else after
        while page := await following(self._door.journal, self._sent, EVENTS_MAX, self._wanted):
            await self._events(page)
        while True:
            await self._outbox.woken.wait()
            self._outbox.woken.clear()
            self._outbox.take_objects()
            dropped, events = self._outbox.take_events()
            if dropped:
                await self._send(Dropped(id=self._asked.id, count=dropped))
            await self._events([event for event in events if history.fits(event, self._wanted)])

    async def _events(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.seq > self._sent:  # the journal and the feed overlap where one takes over from the other
                await self._send(Told(id=self._asked.id, event=event_view(event)))
                self._sent = event.seq


class Following:
    """One deployment, to its end."""

    def __init__(self, door: Door, asked: live.Deployment, send: Send) -> None:
        self._door = door
        self._asked = asked
        self._send = send

    async def run(self) -> Over:
        """Tell each state, but not each between two looks. Raises Rejected(not_found)."""
        number = self._asked.deployment
        with self._door.feed.subscribe() as subscription:
            while True:
                found = self._door.controller.cluster.deployments.get(number)
                if found is None:
                    raise Rejected("not_found", f"there is no deployment {number}")
                tasks = self._door.controller.cluster.tasks
                running = tuple(task_view(t) for s in found.steps if (t := tasks.get(s.task or "")) is not None)
                await self._send(Progress(id=self._asked.id, deployment=deployment_view(found), tasks=running))
                if found.state in ENDED:
                    return Over(id=self._asked.id)
                await asyncio.sleep(PAUSE_S)
                await self._changed(subscription, number)

    def take(self, message: live.Input | live.Resize | live.Credit) -> None:
        """There is nothing to say to it."""

    async def _changed(self, subscription: Subscription, number: int) -> None:
        while True:
            changes = await subscription.next()
            if changes is None:
                return
            for record in changes.puts:
                if isinstance(record, Deployment) and record.id == number:
                    return
                if isinstance(record, Task) and record.deployment == number:
                    return
