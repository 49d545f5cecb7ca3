"""The one place in the Center where time is read. Given to the loop and the link; tests give their own.

The wall clock of a machine may be set while the Center runs. Rules compare what they stored with it, so ours does not
jump along: it goes at half or double speed until it is right again. Time that the machine slept is no jump.
"""

import time

from controlplane.core.record import Now

LEAP_S = 86_400.0
"""A clock that is wrong by more, as on a machine without one of its own, is followed at once."""


class SteadyWall:
    """Wall seconds that never go back and go at most twice as fast as time does. `wall`: what they begin with."""

    def __init__(self, wall: float, uptime_s: float) -> None:
        self._wall = wall
        self._uptime_s = uptime_s

    def at(self, wall: float, uptime_s: float) -> float:
        """What to take the time for when the machine's clock says `wall`, `uptime_s` seconds after its start."""
        elapsed = max(0.0, uptime_s - self._uptime_s)
        self._uptime_s = uptime_s
        if abs(wall - self._wall - elapsed) > LEAP_S:
            self._wall = wall
        elif wall >= self._wall + elapsed:
            self._wall = min(wall, self._wall + 2 * elapsed)
        else:
            self._wall = max(wall, self._wall + elapsed / 2)
        return self._wall


class SystemClock:
    """Real time."""

    def __init__(self) -> None:
        self._wall = SteadyWall(_wall(), self.uptime_s())

    def now(self) -> Now:
        """Monotonic seconds for liveness, Unix seconds for what is stored."""
        return Now(time.monotonic(), self._wall.at(_wall(), self.uptime_s()))

    def uptime_s(self) -> float:
        """Seconds since the machine started, sleep included: the monotonic clock stands still while it is suspended."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def _wall() -> float:
    return time.time()  # noqa: TID251 the edge: the core gets time as an argument
