"""The clock of the failure detector: monotonic time that stands still while the Center stood still (DESIGN §4).

A Center whose loop hung, or whose machine was suspended, learnt nothing in that time. The clock does not count it, so
every deadline shifts and silences shrink by it. It decides nothing about nodes; `detector` calls it. Pure.
"""

import math
from typing import NamedTuple

import msgspec

PAUSE_S = 1.0
"""A longer gap between two calls is a pause (the period is 0.25 s)."""
PAUSE_LONG_S = 15.0
"""A longer pause counts as a start of the Center."""
REST_S = 5.0
"""At least so long after a pause nobody is called offline; as long as the pause, up to `PAUSE_LONG_S`, if longer."""
MEMORY_S = 15.0
"""A pause is forgotten when so much has been counted since: by then whoever was silent before it is lost anyway."""


class Pause(NamedTuple):
    """The Center stood still from `start` to `end` (monotonic); the clock showed `reading`."""

    start: float
    end: float
    reading: float


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """A reading, and what it takes to go on. `at` and `mark` are monotonic, the others readings of this clock."""

    at: float
    """When it was last set."""
    mark: float
    """Start of the Center or of its last long pause: frames from before say nothing."""
    paused_s: float = 0.0
    pauses: tuple[Pause, ...] = ()
    """Those that still shorten a silence that matters, oldest first; at most one for each call in `MEMORY_S`."""
    not_before: float = -math.inf
    """Nobody is called offline before this."""

    @property
    def reading(self) -> float:
        """Monotonic seconds less all pauses."""
        return self.at - self.paused_s

    def silence(self, silent_s: float | None) -> float:
        """A silence up to `at` without the pauses in it; infinite when no frame came since the mark."""
        if silent_s is None or silent_s >= self.at - self.mark:
            return math.inf
        if not self.pauses:
            return silent_s
        last_frame = self.at - silent_s
        return silent_s - sum(max(0.0, pause.end - max(pause.start, last_frame)) for pause in self.pauses)


def advance(clock: Clock, now: float, gap_s: float) -> tuple[Clock, str]:
    """The clock at `now` (monotonic), and a sentence when a pause began.

    `gap_s`: seconds since the last call, a suspension of the machine included (`CLOCK_BOOTTIME`).
    """
    if gap_s <= PAUSE_S:
        reading = now - clock.paused_s
        pauses = tuple(pause for pause in clock.pauses if reading - pause.reading <= MEMORY_S)
        return msgspec.structs.replace(clock, at=now, pauses=pauses), ""
    pause = Pause(clock.at, now, clock.reading)
    pauses, told = clock.pauses, f"the Center stood still for {gap_s:.1f} s: deadlines shift by as much"
    if pauses and pauses[-1].end == pause.start:  # one long stumble is one pause
        pause, pauses, told = Pause(pauses[-1].start, now, pause.reading), pauses[:-1], ""
    rest_s = max(REST_S, min(gap_s, PAUSE_LONG_S))
    mark = clock.mark
    if gap_s > PAUSE_LONG_S:
        # What came after a hang proves life; in a suspension the monotonic clock itself stood still, so nothing does.
        mark = now if gap_s - (now - clock.at) > PAUSE_S else clock.at
    return (
        Clock(
            at=now,
            mark=mark,
            paused_s=clock.paused_s + (now - clock.at),
            pauses=(*pauses, pause),
            not_before=max(clock.not_before, pause.reading + rest_s),
        ),
        told,
    )
