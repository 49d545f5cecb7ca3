"""The last minutes of a node's figures, in memory, for the small charts. Filled by `board.py`; a restart empties it."""

import math
from collections import deque
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

SAMPLES = 60
"""A heartbeat each 5 s: five minutes."""
GAP_S = 8.0
"""Without a heartbeat for so long the chart shows a gap."""

STEP = 2
WIDTH = STEP * (SAMPLES - 1)
HEIGHT = 24
"""Of the box, in units that are about a pixel: whole numbers are exact enough, and half as long to send."""


class Lines(NamedTuple):
    """Points of polylines in a box of `WIDTH` x `HEIGHT`, one for each stretch without a gap; now is right."""

    cpu: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()


class Trend:
    """CPU and memory in percent, newest last; None where nothing was heard."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float | None, float | None]] = deque(maxlen=SAMPLES)
        self._at = 0.0
        self._lines: Lines | None = None

    def add(self, cpu: float, memory: float, now: float) -> None:
        """A heartbeat at `now`, monotonic seconds. Kept within 0 to 100; what is no number is a gap."""
        self._samples.append((_within(cpu), _within(memory)))
        self._at, self._lines = now, None

    def pass_by(self, now: float) -> bool:
        """Note silence; True when that adds a gap to the chart."""
        if not self._samples or now - self._at < GAP_S or not any(s != (None, None) for s in self._samples):
            return False
        self._samples.append((None, None))
        self._at, self._lines = now, None
        return True

    def lines(self) -> Lines:
        """The charts as of the last sample."""
        if self._lines is None:
            self._lines = Lines(*(tuple(_stretches([s[which] for s in self._samples])) for which in (0, 1)))
        return self._lines


def height_of(percent: float) -> int:
    """Where a share is in the box, from above."""
    return round(HEIGHT - 1 - min(max(percent, 0.0), 100.0) / 100 * (HEIGHT - 2))


def _within(percent: float) -> float | None:
    return min(max(percent, 0.0), 100.0) if math.isfinite(percent) else None


def _stretches(samples: list[float | None]) -> Iterator[str]:
    first = WIDTH - STEP * (len(samples) - 1)
    points = [(first + STEP * i, s) for i, s in enumerate(samples)]
    for heard, stretch in groupby(points, key=lambda p: p[1] is not None):
        if heard:
            yield " ".join(f"{x},{height_of(value or 0.0)}" for x, value in stretch)
