"""`WebSocket /api/v1/stream?after=SEQ`: events from `after` on, then live, and objects as they change.

One socket = one TaskGroup: a reader that only notices the end, a writer, and a collector that turns commits into what
is still to be sent. A slow reader costs a bounded `Outbox`: objects are sent as they are when their turn comes, events
beyond the bound are dropped and counted. Nothing is asked over this socket: for that there is `multiplex`.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from controlplane.core.addresses import addresses_view
from controlplane.core.cluster import Changes, Cluster
from controlplane.core.deployment import Deployment
from controlplane.core.journal import Event
from controlplane.core.node import Node
from controlplane.core.project import Project
from controlplane.core.replica import Replica
from controlplane.core.standing import standing
from controlplane.core.views import deployment_view, event_view, node_view, project_view
from controlplane.web.answers import Rejected
from controlplane.web.door import Door, Subscription
from controlplane.web.history import Wanted, following
from protocol.api import StreamFrame

EVENTS_MAX = 1000
"""Events that wait for one reader."""
SEND_S = 10.0
"""A frame that is not taken within so many seconds ends the stream."""
PAUSE_S = 0.1
"""Between two rounds of objects to one reader, so that a burst of changes is sent once."""
STREAMS_MAX = 256
BEAT_S = 15.0
"""A stream with nothing to tell says so this often: proxies keep it open, and a reader that vanished is noticed."""
SETTLE_S = 1.0
"""A project that is not well is looked at so often: it may be well by the passing of time alone."""
_WELL = frozenset({"running", "stopped"})

_ENCODER = msgspec.json.Encoder()


class Outbox:
    """What one reader is still to be told."""

    def __init__(self, events_max: int = EVENTS_MAX) -> None:
        self._events: deque[Event] = deque()
        self._events_max = events_max
        self._dropped = 0
        self._nodes: dict[str, None] = {}
        self._projects: dict[str, None] = {}
        self._deployments: dict[int, None] = {}
        self.woken = asyncio.Event()

    def put(self, changes: Changes, cluster: Cluster) -> None:
        """Note what a commit changed; `cluster` is as it is after it."""
        for event in changes.events:
            if len(self._events) == self._events_max:
                self._events.popleft()
                self._dropped += 1
            self._events.append(event)
        for record in (*changes.puts, *changes.drops):
            match record:
                case Node():
                    self._nodes[record.name] = None
                case Project():
                    self._projects[record.code] = None
                case Deployment():
                    self._deployments[record.id] = None
                    self._projects[record.project] = None
                case Replica():
                    self._projects[record.id.project] = None
                    self._nodes.update(dict.fromkeys(a.node for a in record.assignments))
                case _:
                    pass
        self.woken.set()

    def skipped(self, cluster: Cluster) -> None:
        """Commits were missed: count the events in them as dropped, and show every object anew."""
        self._dropped += 1
        self._nodes.update(dict.fromkeys(cluster.nodes))
        self._projects.update(dict.fromkeys(cluster.projects))
        self._deployments.update(dict.fromkeys(cluster.open_deployments))
        self.woken.set()

    def again(self, projects: Iterable[str]) -> None:
        """Show these projects anew."""
        self._projects.update(dict.fromkeys(projects))

    def take_events(self) -> tuple[int, list[Event]]:
        """How many were dropped, and the events that follow them."""
        dropped, events = self._dropped, list(self._events)
        self._dropped = 0
        self._events.clear()
        return dropped, events

    def take_objects(self) -> tuple[list[str], list[str], list[int]]:
        """Names of nodes and projects, ids of deployments that changed."""
        taken = list(self._nodes), list(self._projects), list(self._deployments)
        for names in (self._nodes, self._projects, self._deployments):
            names.clear()
        return taken


class Streams:
    """The open streams; there is a limit to them."""

    def __init__(self, door: Door, streams_max: int = STREAMS_MAX) -> None:
        self._door = door
        self._max = streams_max
        self.open = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """One more stream while the context lasts, of whatever kind. Raises Rejected(busy)."""
        if self.open >= self._max:
            raise Rejected("busy", f"{self._max} streams are open; close one")
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    async def serve(self, socket: WebSocket, after: int | None) -> None:
        """Serve one accepted reader until it leaves or is too slow. Raises Rejected(busy) before it accepts."""
        with self.place(), self._door.feed.subscribe() as subscription:
            await socket.accept()
            await _Stream(self._door, socket, subscription).run(after)


class _Stream:
    def __init__(self, door: Door, socket: WebSocket, subscription: Subscription) -> None:
        self._door = door
        self._socket = socket
        self._subscription = subscription
        self._outbox = Outbox()
        self._sent = 0
        self._beat_at = 0.0
        self._unsettled: dict[str, tuple[str, str, str]] = {}
        """Projects that were shown as not well: state and message, and the version of their addresses."""
        self._addresses: dict[str, str] = {}
        """Project -> version of the addresses that were sent last."""

    async def run(self, after: int | None) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                collector = tasks.create_task(self._collect())
                writer = tasks.create_task(self._write(after))
                await self._read()
                collector.cancel()
                writer.cancel()
        except* (WebSocketDisconnect, TimeoutError):
            pass  # the reader is gone, or too slow; it asks again with `after`

    async def _read(self) -> None:
        while (await self._socket.receive())["type"] != "websocket.disconnect":
            pass  # nothing is asked over this socket; what comes is ignored

    async def _collect(self) -> None:
        cluster = self._door.controller.cluster
        while True:
            changes = await self._subscription.next()
            if changes is None:
                self._outbox.skipped(cluster)
            else:
                self._outbox.put(changes, cluster)

    async def _write(self, after: int | None) -> None:
        self._sent = self._door.controller.cluster.meta.event_seq if after is None else after
        while page := await following(self._door.journal, self._sent, EVENTS_MAX, Wanted()):
            await self._send_events(page)
        while True:
            await self._wait()
            dropped, events = self._outbox.take_events()
            if dropped:
                self._door.measures.stream_dropped.inc(dropped)
                await self._send(StreamFrame(kind="dropped", dropped=dropped))
            await self._send_events(events)
            await self._send_objects()
            await asyncio.sleep(PAUSE_S)

    async def _wait(self) -> None:
        """Until there is something to tell, or may be."""
        try:
            async with asyncio.timeout(SETTLE_S if self._unsettled else BEAT_S):
                await self._outbox.woken.wait()
            self._outbox.woken.clear()
        except TimeoutError:
            self._outbox.again(code for code, shown in self._unsettled.items() if self._stands(code) != shown)
            if asyncio.get_running_loop().time() >= self._beat_at:
                await self._send(StreamFrame(kind="beat"))

    def _stands(self, code: str) -> tuple[str, str, str] | None:
        project = self._door.controller.cluster.projects.get(code)
        if project is None:
            return None
        cluster, wall = self._door.controller.cluster, self._door.now().wall
        now = standing(cluster, project, wall)
        return now.state, now.message, addresses_view(cluster, project, wall).version

    async def _send_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.seq > self._sent:  # the journal and the feed overlap where one takes over from the other
                await self._send(StreamFrame(kind="event", event=event_view(event)))
                self._sent = event.seq

    async def _send_objects(self) -> None:
        cluster, figures = self._door.controller.cluster, self._door.figures
        nodes, projects, deployments = self._outbox.take_objects()
        for name in nodes:
            if (node := cluster.nodes.get(name)) is not None:
                view = node_view(cluster, node, figures.figures(name), self._door.now())
                await self._send(StreamFrame(kind="node", node=view))
        for code in projects:
            self._unsettled.pop(code, None)
            if (project := cluster.projects.get(code)) is not None:
                now = self._door.now()
                shown, reached = project_view(cluster, project, now), addresses_view(cluster, project, now.wall)
                if shown.state not in _WELL:
                    self._unsettled[code] = shown.state, shown.message, reached.version
                await self._send(StreamFrame(kind="project", project=shown))
                if self._addresses.get(code) != reached.version:
                    self._addresses[code] = reached.version
                    await self._send(StreamFrame(kind="addresses", addresses=reached))
            else:
                self._addresses.pop(code, None)
        for number in deployments:
            if (deployment := cluster.deployments.get(number)) is not None:
                await self._send(StreamFrame(kind="deployment", deployment=deployment_view(deployment)))

    async def _send(self, frame: StreamFrame) -> None:
        async with asyncio.timeout(SEND_S):
            await self._socket.send_text(_ENCODER.encode(frame).decode())
        self._beat_at = asyncio.get_running_loop().time() + BEAT_S
