"""Logs of a project, a service or a replica, for one subscription of `multiplex`: a source for each copy, side by side.

Copies that live are read from their agents, older ones and those of nodes that are away from what the Center keeps.
Each source is bounded by the credit that the person gave it, and fails alone. Contents are not looked into.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from controlplane.core.cluster import Changes
from controlplane.core.project import Project
from controlplane.core.record import Record, Refused
from controlplane.core.replica import Replica, ref
from controlplane.web.answers import Rejected
from controlplane.web.door import Door, Stream
from protocol import live
from protocol.live import CREDIT_MAX, Data, Logs, Over, Source, SourceOver
from protocol.loglines import last_lines, last_stamp_ns
from protocol.names import ReplicaId

SOURCES_MAX = 400
"""Copies that are read at one time for one subscription."""
DATA_MAX = 32 * 1024
"""Bytes of logs in one frame."""
LOOK_S = 1.0
"""How often it is looked whether a node is back."""
OVERLAP_NS = 10 * 10**9
"""How much of what was sent before a break is sent again; the person's side knows lines by their time."""

Send = Callable[[live.FromCenter], Awaitable[None]]


class _Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of a replica whose lines are wanted. `alive`: it has an assignment."""

    replica: ReplicaId
    epoch: int
    node: str
    alive: bool


class _Feed:
    """What comes from one copy, until it is sent; never more than the person's credit."""

    def __init__(self, number: int, copy: _Copy, wake: Callable[[], None]) -> None:
        self.number = number
        self.copy = copy
        self.stream: Stream | None = None
        self.over: str | None = None
        self.granted = 0
        """Bytes granted beyond those at first."""
        self.sent = False
        self._waiting: deque[bytes] = deque()
        self._wake = wake

    def data(self, data: bytes, channel: int) -> None:
        """See `Reader.data`."""
        self._waiting.append(data)
        self._wake()

    def room(self) -> None:
        """Logs take no input."""

    def ended(self, reason: str, code: int | None) -> None:
        """See `Reader.ended`."""
        self.over = reason
        self._wake()

    def take(self) -> bytes:
        """What waits, at most a frame of it."""
        parts, size = [], 0
        while self._waiting and size < DATA_MAX:
            part = self._waiting.popleft()
            if size + len(part) > DATA_MAX:
                self._waiting.appendleft(part[DATA_MAX - size :])
                part = part[: DATA_MAX - size]
            parts.append(part)
            size += len(part)
        return b"".join(parts)


class LogReading:
    """One subscription to logs."""

    def __init__(self, door: Door, asked: Logs, send: Send) -> None:
        self._door = door
        self._asked = asked
        self._send = send
        self._feeds: dict[int, _Feed] = {}
        self._known: set[tuple[ReplicaId, int]] = set()
        self._away: list[tuple[_Copy, int]] = []
        """Copies on nodes without a session, with the wall nanoseconds from which on their lines are missing."""
        self._numbers = 0
        self._woken = asyncio.Event()
        self._began_ns = int(door.now().wall * 10**9)

    async def run(self) -> Over:
        """Read to the end, or for ever. Raises Rejected(not_found)."""
        try:
            return await self._run()
        finally:
            for feed in self._feeds.values():
                if feed.stream is not None and feed.over is None:
                    feed.stream.close()

    def take(self, message: live.Input | live.Resize | live.Credit) -> None:
        """Credit for a source. Raises Rejected for too much of it."""
        feed = self._feeds.get(message.source) if isinstance(message, live.Credit) else None
        if feed is None or feed.stream is None or not isinstance(message, live.Credit):
            return
        if not 0 < message.credit <= CREDIT_MAX:
            raise Rejected("bad_request", f"credit is from 1 to {CREDIT_MAX}")
        if feed.over is None:
            feed.stream.grant(message.credit)

    async def _run(self) -> Over:
        asked = self._asked
        if not 0 < asked.credit <= CREDIT_MAX:
            raise Rejected("bad_request", f"credit is from 1 to {CREDIT_MAX}")
        with self._door.feed.subscribe() as subscription:
            copies = await self._copies()
            if not copies and asked.project not in self._door.controller.cluster.projects:
                raise Rejected("not_found", f"there is no project {asked.project!r}, and no lines of it")
            if not copies and not asked.follow:
                raise Rejected("not_found", f"nothing of {asked.project} fits")
            for copy in copies:
                await self._begin(copy, asked.lines, asked.since_ns)
            if not asked.follow:
                while self._feeds:
                    await self._relay()
                return Over(id=asked.id)
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(subscription.next))
                while self._feeds or asked.project in self._door.controller.cluster.projects:
                    await self._relay()
                watching.cancel()
            return Over(id=asked.id)

    # -- which copies -----------------------------------------------------------------------------------------------

    async def _copies(self) -> list[_Copy]:
        """Those that live first, then those of which lines are kept."""
        asked = self._asked
        living = self._living()
        there = {(copy.replica, copy.epoch) for copy in living}
        kept = await self._door.tails.copies(asked.project, asked.service, asked.replica)
        gone = [
            _Copy(replica=copy.replica, epoch=copy.epoch, node=copy.node, alive=False)
            for copy in kept
            if (copy.replica, copy.epoch) not in there
            and asked.node in ("", copy.node)
            and not (copy.last_ns and copy.last_ns < asked.since_ns)
        ]
        return living + gone

    def _living(self) -> list[_Copy]:
        asked, cluster = self._asked, self._door.controller.cluster
        found = []
        for key in sorted(cluster.of_project.get(asked.project, ())):
            replica = cluster.replicas[key]
            if asked.service in ("", key.service) and asked.replica in (0, key.index):
                found += [
                    _Copy(replica=key, epoch=a.epoch, node=a.node, alive=True)
                    for a in replica.assignments
                    if asked.node in ("", a.node)
                ]
        return found

    # -- sources ----------------------------------------------------------------------------------------------------

    async def _begin(self, copy: _Copy, lines: int, since_ns: int) -> None:
        """Read a copy; one line says so when that is not possible now."""
        self._known.add((copy.replica, copy.epoch))
        if not copy.alive:
            await self._tell_kept(copy, lines, since_ns, "")
            return
        if len(self._feeds) >= SOURCES_MAX:
            await self._tell_kept(copy, lines, since_ns, f"more than {SOURCES_MAX} copies: its last lines")
            return
        feed = self._feed(copy)
        try:
            feed.stream = self._door.relay.logs(
                copy.node,
                ref(copy.replica, copy.epoch),
                feed,
                follow=self._asked.follow,
                lines=lines,
                since_ns=since_ns,
                credit=self._asked.credit,
            )
        except Refused as refused:
            del self._feeds[feed.number]
            shown_ns = await self._tell_kept(copy, lines, since_ns, f"{refused.message}: its last lines")
            self._away.append((copy, max(since_ns, shown_ns + 1)))
            return
        await self._send(self._source(feed, ""))

    def _feed(self, copy: _Copy) -> _Feed:
        self._numbers += 1
        feed = self._feeds[self._numbers] = _Feed(self._numbers, copy, self._woken.set)
        return feed

    async def _tell_kept(self, copy: _Copy, lines: int, since_ns: int, note: str) -> int:
        """Send what the Center keeps of a copy, as a source that is over at once; when its last line was written."""
        feed = self._feed(copy)
        del self._feeds[feed.number]
        kept = await self._door.tails.lines(copy.replica, copy.epoch)
        found = last_lines(kept, lines, since_ns)
        await self._send(self._source(feed, note))
        for start in range(0, len(found), DATA_MAX):
            await self._send(Data(id=self._asked.id, source=feed.number, data=found[start : start + DATA_MAX]))
        await self._send(SourceOver(id=self._asked.id, source=feed.number, again=bool(note) and self._asked.follow))
        return last_stamp_ns(kept)

    def _source(self, feed: _Feed, note: str) -> Source:
        copy = feed.copy
        return Source(
            id=self._asked.id,
            source=feed.number,
            project=copy.replica.project,
            service=copy.replica.service,
            replica=copy.replica.index,
            epoch=copy.epoch,
            node=copy.node,
            note=note,
        )

    async def _relay(self) -> None:
        """Send what waits, of each source in turn; then wait for more."""
        await self._woken.wait()
        self._woken.clear()
        for feed in list(self._feeds.values()):
            over = feed.over
            if data := feed.take():
                feed.sent = True
                self._woken.set()  # there may be more than a frame
                await self._send(Data(id=self._asked.id, source=feed.number, data=data))
            elif over is not None:
                await self._finish(feed, over)

    async def _finish(self, feed: _Feed, reason: str) -> None:
        del self._feeds[feed.number]
        copy, away = feed.copy, reason == f"{feed.copy.node} is away"
        if reason and not feed.sent and not away:  # the node has nothing of it; perhaps there is something here
            await self._send(SourceOver(id=self._asked.id, source=feed.number))
            await self._tell_kept(copy, self._asked.lines, self._asked.since_ns, "")
            return
        again = away and self._asked.follow
        await self._send(SourceOver(id=self._asked.id, source=feed.number, reason=reason, again=again))
        if again:
            now_ns = int(self._door.now().wall * 10**9)
            self._away.append((copy, (now_ns if feed.sent else self._began_ns) - OVERLAP_NS))

    # -- what changes -----------------------------------------------------------------------------------------------

    async def _watch(self, next_changes: Callable[[], Awaitable[Changes | None]]) -> None:
        """Begin new copies as they are placed, and those of nodes that are back."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_nodes())
            while True:
                changes = await next_changes()
                if changes is not None and not any(map(self._is_mine, (*changes.puts, *changes.drops))):
                    continue
                self._woken.set()
                for copy in self._living():
                    if (copy.replica, copy.epoch) not in self._known:
                        await self._begin(copy, -1, self._asked.since_ns or self._began_ns)

    def _is_mine(self, record: Record) -> bool:
        match record:
            case Replica():
                return record.id.project == self._asked.project
            case Project():
                return record.code == self._asked.project
            case _:
                return False

    async def _watch_nodes(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            living = {(copy.replica, copy.epoch) for copy in self._living()}
            back = [(c, at) for c, at in self._away if self._door.figures.figures(c.node).connected]
            self._away = [(c, at) for c, at in self._away if (c, at) not in back and (c.replica, c.epoch) in living]
            for copy, since_ns in back:
                await self._begin(copy, -1, since_ns)
