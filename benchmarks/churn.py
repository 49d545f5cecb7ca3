"""Changes for the dashboards' benchmark: health checks that fail and pass again all over a sample cluster, at a rate.

Half of the changes are a failed check of a replica that was well, the other half the same replicas' next check, which
passes `SICK_S` later. One replica is none of them: it is always unhealthy, and its reason carries the time at which it
was told, so that whoever sees the reason on a page knows how long it took. Run by `crowd.py`; no I/O.
"""

import random
import re
from collections import deque
from collections.abc import Iterator

import msgspec

from benchmarks.sample import PROJECT_REPLICAS, Sample, reports
from protocol.messages import ContainerReport

SICK_S = 2.0
MARK_S = 0.35
"""Between two marks, at the median: not in step with the frames, which are 0.25 s apart or more."""
MARK = re.compile(rb"mark ([0-9]+\.[0-9]+)")
MARKED = "p0"
"""The project of which only the marked replica is ever ill, so that its sentence names it."""


class Churn:
    """`sample`: of which cluster; `now`: of the caller's clock, in seconds."""

    def __init__(self, sample: Sample, now: float) -> None:
        self._sample = sample
        self._chance = random.Random(7)  # noqa: S311 the same changes in each run
        self._per_s, self._due_at, self._mark_at = 0.0, now, now
        self._sick: deque[tuple[float, int]] = deque()
        self._seqs: dict[int, int] = {}
        self._ill: set[int] = set()
        self._told = 0

    def begin(self, now: float, per_s: float) -> int:
        """From now on so many changes a second; 0 = none. Gives how many there were before."""
        told, self._told = self._told, 0
        self._per_s, self._due_at, self._mark_at = per_s, now, now
        return told

    def due(self, now: float, wall: float) -> Iterator[tuple[int, ContainerReport]]:
        """What is to be told now: the number of a node and its report. `wall`: for marks, Unix seconds."""
        if not self._per_s:
            return
        if now >= self._mark_at:
            self._mark_at = now + MARK_S * self._chance.uniform(0.5, 1.5)
            yield self._report(0, f"the health check answered 503, mark {wall:.3f}")
        while self._due_at <= now:
            self._due_at += 1 / self._per_s
            self._told += 1
            if self._sick and self._sick[0][0] <= now:
                _, replica = self._sick.popleft()
                self._ill.discard(replica)
                yield self._report(replica, "")
            else:
                replica = self._well()
                self._ill.add(replica)
                self._sick.append((now + SICK_S, replica))
                yield self._report(replica, "the health check answered 503")

    def _well(self) -> int:
        while True:
            found = self._chance.randrange(PROJECT_REPLICAS, self._sample.replicas)
            if found not in self._ill:
                return found

    def _report(self, replica: int, reason: str) -> tuple[int, ContainerReport]:
        seq = self._seqs[replica] = self._seqs.get(replica, 1) + 1
        (told,) = reports([self._sample.replica(replica)])
        health = "unhealthy" if reason else "healthy"
        told = msgspec.structs.replace(told, state_seq=seq, health=health, reason=reason)
        return replica % self._sample.nodes, told
