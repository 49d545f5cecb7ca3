"""Figures over time, by hand."""

from collections.abc import Mapping, Sequence

from controlplane.store.ring_file import Subject
from controlplane.store.rings import COARSE_S, FINE_S, HOUR, WEEK, Series


class FakeRings:
    """What a test put into `hours` and `weeks`: the newest figures, the rest are gaps."""

    def __init__(self) -> None:
        self.newest = 0
        self.hours: dict[Subject, tuple[float | None, ...]] = {}
        self.weeks: dict[Subject, tuple[float | None, ...]] = {}

    def hour(self, subject: Subject, wall: float) -> Series:
        """See `RingTable.hour`. Memory is ten times the CPU."""
        return _series(self.hours.get(subject, ()), HOUR, FINE_S, wall)

    async def week(self, subject: Subject, wall: float) -> Series:
        """See `RingTable.week`."""
        return _series(self.weeks.get(subject, ()), WEEK, COARSE_S, wall)

    async def outline(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[float | None, ...]]:
        """See `RingTable.outline`."""
        return {s: (*[None] * (20 - len(self.hours.get(s, ()))), *self.hours.get(s, ())) for s in subjects}


def _series(newest: tuple[float | None, ...], steps: int, step_s: int, wall: float) -> Series:
    cpu = (*[None] * (steps - len(newest)), *newest)
    start = (int(wall) // step_s - steps + 1) * step_s
    memory = tuple(None if c is None else c * 10 for c in cpu)
    return Series(start=start, step_s=step_s, cpu=cpu, memory_mb=memory)
