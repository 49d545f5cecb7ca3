"""Figures over time as charts: heights, axes and words, for the partial `_charts`. Knows no language.

The small ones without axes on the cards are in `trend.py`. Used by `board.py` (the last hour, live) and `pages.py`.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from controlplane.core.views import MIB
from controlplane.store.ring_file import Subject
from controlplane.store.rings import FINE_S, Series
from controlplane.web.door import Door

HEIGHT = 100
POINTS_MAX = 360
"""Of longer series so many neighbours are put together that there are at most so many."""
REMEMBERED = 256
"""Charts of nodes and projects that are looked at now."""

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""An axis ends at one of these times a power of ten."""
_UNITS = ("MiB", "GiB", "TiB")


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One figure over time, in a box of `width` x `HEIGHT`: a unit of width is a step of time, now is right."""

    name: str
    """`CPU` or `Memory`."""
    hours: int
    width: int
    unit: str
    """`%`, `MiB`, `GiB`, `TiB`: what the texts are in."""
    axis: tuple[str, str, str]
    """Texts at the top, the middle and the bottom."""
    lines: tuple[str, ...]
    """Points of polylines, one for each stretch with figures."""
    areas: tuple[str, ...]
    """The same down to the bottom, as polygons."""
    gaps: tuple[tuple[int, int], ...]
    """(from, width) of the stretches without figures."""
    last: str
    """The newest figure, "" = there is none now."""
    mean: str
    peak: str
    silent_min: int
    """Minutes without figures between others, and at the end."""

    @property
    def empty(self) -> bool:
        """There is no figure at all."""
        return not self.lines


def charts(series: Series, memory_mb: float = 0.0, *, whole: bool) -> tuple[Chart, Chart]:
    """CPU and memory. `whole`: percent are of the whole machine, so that the axis ends at 100. `memory_mb`: of the
    machine, where the axis ends; 0 = above the highest figure.
    """
    return (
        _chart("CPU", series, series.cpu, 100.0 if whole else 0.0, memory=False),
        _chart("Memory", series, series.memory_mb, memory_mb, memory=True),
    )


def _chart(name: str, series: Series, figures: Sequence[float | None], limit: float, *, memory: bool) -> Chart:
    known = [f for f in figures if f is not None]
    peak = max(known, default=0.0)
    unit, per = _unit(max(peak, limit)) if memory else ("%", 1.0)
    top = limit if limit >= peak and limit > 0 else _ceiling(peak / per) * per
    each = math.ceil(len(figures) / POINTS_MAX)
    points = _means(figures, each)
    stretches = list(_stretches(points))
    return Chart(
        name=name,
        hours=len(figures) * series.step_s // 3600,
        width=len(points),
        unit=unit,
        axis=(_text(top / per), _text(top / 2 / per), "0"),
        lines=tuple(_line(first, part, top) for first, part in stretches if part),
        areas=tuple(_area(first, part, top) for first, part in stretches if part),
        gaps=tuple((first, length) for first, length in _silences(points)),
        last=_text(figures[-1] / per) if figures and figures[-1] is not None else "",
        mean=_text(sum(known) / len(known) / per) if known else "",
        peak=_text(peak / per) if known else "",
        silent_min=_silent_s(figures, series.step_s) // 60,
    )


def _means(figures: Sequence[float | None], each: int) -> list[float | None]:
    if each <= 1:
        return list(figures)
    found: list[float | None] = []
    for first in range(0, len(figures), each):
        known = [f for f in figures[first : first + each] if f is not None]
        found.append(sum(known) / len(known) if known else None)
    return found


def _stretches(points: Sequence[float | None]) -> Iterator[tuple[int, list[float]]]:
    """Where each stretch with figures begins, and its figures."""
    first = 0
    for heard, group in groupby(points, key=lambda p: p is not None):
        part = list(group)
        if heard:
            yield first, [p for p in part if p is not None]
        first += len(part)


def _silences(points: Sequence[float | None]) -> Iterator[tuple[int, int]]:
    first = 0
    for heard, group in groupby(points, key=lambda p: p is not None):
        length = len(list(group))
        if not heard:
            yield first, length
        first += length


def _silent_s(figures: Sequence[float | None], step_s: int) -> int:
    """What is before the first figure is no silence: there was nobody."""
    begun = next((n for n, f in enumerate(figures) if f is not None), len(figures))
    return sum(f is None for f in figures[begun:]) * step_s


def _line(first: int, part: Sequence[float], top: float) -> str:
    """Each figure counts to the end of its step, so that a single one is seen, too."""
    drawn = [f"{first + n},{_y(f, top)}" for n, f in enumerate(part)]
    return " ".join([*drawn, f"{first + len(part)},{_y(part[-1], top)}"])


def _area(first: int, part: Sequence[float], top: float) -> str:
    return f"{first},{HEIGHT} {_line(first, part, top)} {first + len(part)},{HEIGHT}"


def _y(figure: float, top: float) -> str:
    return f"{HEIGHT - min(max(figure / top, 0.0), 1.0) * HEIGHT:.1f}".removesuffix(".0")


def _ceiling(figure: float) -> float:
    """The end of an axis that shows this figure: at least 1."""
    power = 10.0 ** math.floor(math.log10(max(figure, 1.0)))
    return next(step * power for step in _STEPS if step * power >= max(figure, 1.0))


def _unit(mib: float) -> tuple[str, float]:
    """The unit that fits, and how many MiB it is."""
    per = 1.0
    for unit in _UNITS[:-1]:
        if mib < 1024 * per:
            return unit, per
        per *= 1024
    return _UNITS[-1], per


def _text(figure: float) -> str:
    return f"{figure:.0f}" if figure >= 100 or figure == round(figure) else f"{figure:.1f}"


class Charts:
    """Charts of nodes and projects, the live ones made anew only when time has gone a step further."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._made: dict[Subject, tuple[int, tuple[Chart, ...]]] = {}

    def hour(self, subject: Subject) -> tuple[Chart, ...]:
        """Of the last hour; the same object while nothing is new."""
        rings, wall = self._door.rings, self._door.now().wall
        at = max(rings.newest, int(wall) // FINE_S - 1)
        known = self._made.get(subject)
        if known is not None and known[0] == at:
            return known[1]
        if len(self._made) >= REMEMBERED:
            self._made.clear()
        made = self._charts(subject, rings.hour(subject, wall))
        self._made[subject] = at, made
        return made

    async def week(self, subject: Subject) -> tuple[Chart, ...]:
        """Of the last seven days."""
        return self._charts(subject, await self._door.rings.week(subject, self._door.now().wall))

    def _charts(self, subject: Subject, series: Series) -> tuple[Chart, ...]:
        node = self._door.controller.cluster.nodes.get(subject[1]) if subject[0] == "node" else None
        return charts(series, node.capacity.memory / MIB if node else 0.0, whole=node is not None)
