"""The one place in the Center where time is read. Given to the loop and the link; tests give their own."""

import time

from controlplane.core.record import Now


class SystemClock:
    """Real time."""

    def now(self) -> Now:
        """Monotonic seconds for liveness, Unix seconds for what is stored."""
        return Now(time.monotonic(), time.time())  # noqa: TID251 the edge: the core gets time as an argument

    def uptime_s(self) -> float:
        """Seconds since the machine started, sleep included: the monotonic clock stands still while it is suspended."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
