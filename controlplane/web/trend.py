"""The last minutes of a node's figures, in memory, for the small charts. Filled by `board.py`; a restart empties it."""

import math
from collections import deque
from collections.abc import Iterator
from itertools import groupby

SAMPLES = 60
"""A heartbeat each 5 s: five minutes."""
GAP_S = 8.0
"""Without a heartbeat for so long the chart shows a gap."""

WIDTH = 100.0
HEIGHT = 24.0


class Trend:
    """CPU in percent, newest last; None where nothing was heard."""

    def __init__(self) -> None:
        self._samples: deque[float | None] = deque(maxlen=SAMPLES)
        self._at = 0.0
        self._lines: tuple[str, ...] | None = None

    def add(self, value: float, now: float) -> None:
        """A sample of a heartbeat at `now`, monotonic seconds. Kept within 0 to 100; what is no number is a gap."""
        self._samples.append(min(max(value, 0.0), 100.0) if math.isfinite(value) else None)
        self._at, self._lines = now, None

    def pass_by(self, now: float) -> bool:
        """Note silence; True when that adds a gap to the chart."""
        if not self._samples or now - self._at < GAP_S or not any(s is not None for s in self._samples):
            return False
        self._samples.append(None)
        self._at, self._lines = now, None
        return True

    def lines(self) -> tuple[str, ...]:
        """Points of polylines in a box of `WIDTH` x `HEIGHT`, one for each stretch without a gap; now is right."""
        if self._lines is None:
            step = WIDTH / (SAMPLES - 1)
            first = WIDTH - step * (len(self._samples) - 1)
            self._lines = tuple(_stretches([(first + step * i, s) for i, s in enumerate(self._samples)]))
        return self._lines


def height_of(percent: float) -> float:
    """Where a share is in the box, from above."""
    return round(HEIGHT - 1 - min(max(percent, 0.0), 100.0) / 100 * (HEIGHT - 2), 1)


def _stretches(points: list[tuple[float, float | None]]) -> Iterator[str]:
    for heard, stretch in groupby(points, key=lambda p: p[1] is not None):
        if heard:
            yield " ".join(f"{x:.1f},{height_of(value or 0.0)}" for x, value in stretch)
