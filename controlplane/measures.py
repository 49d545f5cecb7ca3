"""How long the Center's own work takes, and how often things happen: histograms and counters of prometheus-client.

One `Measures` for each Center, with a registry of its own: nothing here is global, so tests stand side by side. Written
by the loop (commits), by `timed` (decisions) and by `web.metrics_durations` (what people wait for); `web.metrics` reads
it. Label sets are fixed here and made beforehand, so that the first failure is already a step from 0 to 1.
"""

import asyncio
import time
from collections.abc import Callable
from typing import get_args

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

from controlplane.core.center import Outcome
from controlplane.core.cluster import Cluster
from controlplane.core.command import Command
from controlplane.core.deployment import ENDED, DeploymentKind
from controlplane.core.fact import Fact, Tick
from controlplane.core.record import Now

Handle = Callable[[Cluster, Fact | Command, Now], Outcome]

COMMIT_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
DECISION_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
PLACEMENT_S = (0.01, 0.05, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
FAILOVER_S = (5.0, 10.0, 15.0, 16.0, 17.0, 18.0, 20.0, 25.0, 30.0, 45.0, 60.0, 120.0, 300.0, 900.0)
DEPLOYMENT_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds of the buckets. A failover takes 15 s of silence and what its containers need to start."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter and histogram, which nothing here reads


class Kept:
    """The last text of `/metrics` for one kind of asker. `lock`: one is made at a time."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.text = b""
        self.until = 0.0
        """Monotonic time up to which it is given again."""


class Measures:
    """The instruments of one Center."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.commit = Histogram(
            "ropeteam_commit_duration_seconds",
            "Time from a round of decisions being handed to the store to it being durable",
            buckets=COMMIT_S,
            registry=registry,
        )
        self._decision = Histogram(
            "ropeteam_decision_duration_seconds",
            "Time one decision of the rules takes, placements included, by what it was about",
            ["event"],
            buckets=DECISION_S,
            registry=registry,
        )
        self.placement = Histogram(
            "ropeteam_placement_wait_seconds",
            "Time a replica that had to be placed waited for its node (scheduling latency)",
            buckets=PLACEMENT_S,
            registry=registry,
        )
        self.failover = Histogram(
            "ropeteam_failover_duration_seconds",
            "Time from the last sign of life of a lost node to its replica running on another node",
            buckets=FAILOVER_S,
            registry=registry,
        )
        self._deployment = Histogram(
            "ropeteam_deployment_duration_seconds",
            "Time from the start of a deployment to its end, by result",
            ["result"],
            buckets=DEPLOYMENT_S,
            registry=registry,
        )
        self._ended = Counter(
            "ropeteam_deployments_ended",
            "Deployments that ended, by kind and result",
            ["kind", "result"],
            registry=registry,
        )
        self._events = Counter("ropeteam_events", "Lines written to the journal, by kind", ["kind"], registry=registry)
        self.stream_dropped = Counter(
            "ropeteam_stream_dropped", "Events that slow readers of the API's stream did not get", registry=registry
        )
        ProcessCollector(registry=registry)
        self.kept = {False: Kept(), True: Kept()}
        """By whether names are in it."""
        self._tick, self._fact, self._command = (self._decision.labels(kind) for kind in ("tick", "fact", "command"))
        for result in sorted(ENDED):
            self._deployment.labels(result)
            for kind in get_args(DeploymentKind):
                self._ended.labels(kind, result)
        self._events.labels("alarm")

    def timed(self, handle: Handle) -> Handle:
        """The same rules, measured. One that is refused counts, too."""

        def measured(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
            began = time.perf_counter()
            try:
                return handle(cluster, event, now)
            finally:
                kind = (
                    self._tick if isinstance(event, Tick) else self._fact if isinstance(event, Fact) else self._command
                )
                kind.observe(time.perf_counter() - began)

        return measured

    def event(self, kind: str) -> None:
        """Count a line of the journal. Kinds are words of the rules, some fifty of them."""
        self._events.labels(kind).inc()

    def deployment(self, kind: str, result: str, took_s: float) -> None:
        """Count a deployment that ended."""
        self._ended.labels(kind, result).inc()
        self._deployment.labels(result).observe(max(0.0, took_s))


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One queue as `/metrics` shows it; where there are many alike, the longest. `dropped`: since the start."""

    name: str
    length: int
    limit: int
    dropped: int = 0
    """What its policy threw away, or refused, when it was full."""
