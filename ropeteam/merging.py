"""Lines of many copies in the order of their time. Pure; keeps no more than it must to know the order.

Each source is in order by itself, and may send the end of what was sent before again: a copy's lines are known by
their time. Two ways: to the end, when all sources end; and live, where a line waits a moment for an older one.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from protocol.loglines import Lines, LogLine, parse


class Copy(NamedTuple):
    """Whose lines: a copy of a replica on a node."""

    project: str
    service: str
    replica: int
    epoch: int
    node: str


class Entry(NamedTuple):
    """A line of a copy."""

    line: LogLine
    copy: Copy


class _Source:
    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.lines = Lines()
        self.waiting: deque[Entry] = deque()
        self.over = False


class Merge:
    """Feed it sources; take out entries."""

    def __init__(self) -> None:
        self._sources: dict[int, _Source] = {}
        self._last: dict[tuple[Copy, bool], int] = {}
        """When the newest line of each copy and channel was written: Docker reads the channels side by side."""

    def begin(self, number: int, copy: Copy) -> None:
        """A new source."""
        self._sources[number] = _Source(copy)

    def feed(self, number: int, data: bytes) -> int:
        """Bytes of a source; how many lines they completed."""
        source = self._sources.get(number)
        if source is None:
            return 0
        count = 0
        for raw in source.lines.feed(data):
            line = parse(raw)
            last_ns = self._last.get((source.copy, line.stderr), 0)
            if line.at_ns and line.at_ns <= last_ns:
                continue
            self._last[source.copy, line.stderr] = max(line.at_ns, last_ns)
            source.waiting.append(Entry(line, source.copy))
            count += 1
        return count

    def end(self, number: int) -> None:
        """The source is complete."""
        if (source := self._sources.get(number)) is not None:
            source.over = True

    def waiting(self, number: int) -> int:
        """Lines of a source that wait."""
        source = self._sources.get(number)
        return len(source.waiting) if source is not None else 0

    def newest_ns(self) -> int:
        """When the newest line of all was written, 0 = no line yet."""
        return max(self._last.values(), default=0)

    def certain(self) -> Iterator[Entry]:
        """Entries that nothing older can come before: while each source that goes on has one waiting."""
        heap: list[tuple[int, int]] = []
        for number, source in self._sources.items():
            if source.waiting:
                heappush(heap, (source.waiting[0].line.at_ns, number))
            elif not source.over:
                return
        while heap:
            _, number = heappop(heap)
            source = self._sources[number]
            yield source.waiting.popleft()
            if source.waiting:
                heappush(heap, (source.waiting[0].line.at_ns, number))
            elif not source.over:
                return

    def everything(self) -> list[Entry]:
        """All that waits, in order; nothing is waited for."""
        found = [entry for source in self._sources.values() for entry in source.waiting]
        for number in [n for n, s in self._sources.items() if s.over]:
            del self._sources[number]
        for source in self._sources.values():
            source.waiting.clear()
        return sorted(found, key=lambda entry: entry.line.at_ns)


class Newest:
    """The last lines of each replica, whichever copies wrote them; -1 = all. Those from `fresh_ns` on are all kept."""

    def __init__(self, count: int, fresh_ns: int = 1 << 63) -> None:
        self._count = count
        self._fresh_ns = fresh_ns
        self._old: dict[tuple[str, str, int], deque[Entry]] = {}
        self._fresh: dict[tuple[str, str, int], list[Entry]] = {}

    def add(self, entries: Iterable[Entry]) -> None:
        """Entries, those of each replica in order."""
        for entry in entries:
            key = (entry.copy.project, entry.copy.service, entry.copy.replica)
            if entry.line.at_ns >= self._fresh_ns:
                self._fresh.setdefault(key, []).append(entry)
                continue
            old = self._old.get(key)
            if old is None:
                old = self._old[key] = deque(maxlen=self._count if self._count >= 0 else None)
            old.append(entry)

    def take(self) -> list[Entry]:
        """Those of all replicas, in order of time."""
        found: list[Entry] = []
        for key in self._old.keys() | self._fresh.keys():
            old = sorted(self._old.get(key, ()), key=lambda entry: entry.line.at_ns)
            fresh = self._fresh.get(key, [])
            room = len(old) if self._count < 0 else max(0, self._count - len(fresh))
            found += [*old[len(old) - min(room, len(old)) :], *fresh]
        self._old.clear()
        self._fresh.clear()
        return sorted(found, key=lambda entry: entry.line.at_ns)
