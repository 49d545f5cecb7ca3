"""What a soak measures, and what it may be. Pure: samples in, figures out; taken by `run`, told by `__main__`."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

MIB = 2**20

RSS_MIB = 160.0
"""Of a Center with some 50 nodes, at any time."""
WARM_SHARE = 0.4
"""The first part of a run, in which caches, pools and the ring of the last hour fill; not part of the slope."""
SLOPE_MIB_PER_MIN = 0.5
SLOPE_SHORT_MIB = 6.0
"""So much more the whole rest of a run may grow: what is kept at all (deployments, tasks, samples) is kept once."""

DATABASE_MIB = 8.0
EVENT_KIB = 4.0
"""What an event may cost on disk, with the deployments, revisions and indexes that go with it. Events are kept up to a
number (`store.tables.EVENTS_KEPT`), so a size in proportion to them is bounded.
"""
LOG_MIB = 16.0
"""Of SQLite's log, which does not grow with time at all."""


class Sample(NamedTuple):
    """One look. `at_s`: since the beginning of the run; the others in bytes."""

    at_s: float
    rss: int
    database: int
    log: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What came out. `slope`: MiB of the Center's memory a minute, after the first part of the run."""

    minutes: float
    rss_first: float
    rss_last: float
    rss_most: float
    slope: float
    database: float
    log_most: float
    events: int
    deployments: int
    stuck: tuple[str, ...]
    slowest_s: float

    def faults(self) -> list[str]:
        """What is beyond its limit; nothing when all is well."""
        slope_max, database_max = self.limits()
        found = [f"stuck: {line}" for line in self.stuck]
        if self.rss_most > RSS_MIB:
            found.append(f"the Center had {self.rss_most:.0f} MiB, more than {RSS_MIB:.0f}")
        if self.slope > slope_max:
            found.append(f"the Center grows by {self.slope:.2f} MiB/min, more than {slope_max:.2f}")
        if self.database > database_max:
            found.append(f"the database has {self.database:.1f} MiB, more than {database_max:.1f}")
        if self.log_most > LOG_MIB:
            found.append(f"the database's log had {self.log_most:.1f} MiB, more than {LOG_MIB:.0f}")
        return found

    def limits(self) -> tuple[float, float]:
        """Of slope (MiB/min) and database (MiB), for this run's length and events."""
        rest = max(self.minutes * (1 - WARM_SHARE), 0.1)
        return SLOPE_MIB_PER_MIN + SLOPE_SHORT_MIB / rest, DATABASE_MIB + EVENT_KIB * self.events / 1024

    def __str__(self) -> str:
        slope_max, database_max = self.limits()
        return (
            f"{self.deployments} deployments ({len(self.stuck)} stuck, slowest {self.slowest_s:.0f} s); "
            f"Center {self.rss_first:.0f} -> {self.rss_last:.0f} MiB, slope {self.slope:+.2f} MiB/min "
            f"(at most {slope_max:.2f}); database {self.database:.1f} MiB (at most {database_max:.1f}) "
            f"with {self.events} events, log at most {self.log_most:.1f} MiB"
        )


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """The line through (x, y) with the least squares: y for each x. 0 for fewer than two different x."""
    if not samples:
        return 0.0
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0


def rss_slope(samples: Sequence[Sample]) -> float:
    """MiB a minute, without the first part of the run."""
    warm_s = samples[-1].at_s * WARM_SHARE if samples else 0.0
    return slope([(s.at_s / 60, s.rss / MIB) for s in samples if s.at_s >= warm_s])
