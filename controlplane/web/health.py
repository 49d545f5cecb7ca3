"""`/healthz`, `/readyz`, `/metrics`: is it serving, can it work, and a few counts. Open to all, so no names in them."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.responses import Response

from controlplane.core.deployment import DeploymentState
from controlplane.core.node import NodeState
from controlplane.web.answers import Rejected, answer
from controlplane.web.call import Call
from controlplane.web.door import Door
from protocol.api import Problem
from protocol.messages import ReplicaState

PERIOD_S = 0.25
KEPT = 60
"""Measurements of the loop's lateness that count: the last 15 s."""


class Pulse:
    """How late the event loop is. Run by the app beside the server."""

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self._late: deque[float] = deque(maxlen=KEPT)

    def lag_s(self) -> float:
        """The worst of the last 15 s, seconds."""
        return max(self._late, default=0.0)

    async def run(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + self._period_s
            await asyncio.sleep(self._period_s)
            self._late.append(max(0.0, clock() - due))


async def healthz(call: Call) -> Response:
    """`GET /healthz`: 200 whenever requests are served."""
    return answer({"status": "ok", "version": call.door.settings.version})


async def readyz(call: Call) -> Response:
    """`GET /readyz`: 200 when changes can be made, else 503 with the reasons."""
    faults = call.door.faults()
    if faults:
        raise Rejected("unavailable", faults[0], *(Problem(message=text) for text in faults))
    return answer({"status": "ready"})


async def metrics(call: Call) -> Response:
    """`GET /metrics`: Prometheus text."""
    registry = CollectorRegistry()
    registry.register(_Counts(call.door))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Counts(Collector):
    def __init__(self, door: Door) -> None:
        self._door = door

    def collect(self) -> Iterator[Metric]:
        cluster = self._door.controller.cluster
        states = (node.state for node in cluster.nodes.values())
        yield _by_state("ropeteam_nodes", "Nodes", get_args(NodeState), states)
        yield _by_state(
            "ropeteam_replicas", "Replicas", get_args(ReplicaState), (r.state for r in cluster.replicas.values())
        )
        yield _by_state(
            "ropeteam_deployments",
            "Deployments remembered",
            get_args(DeploymentState),
            (d.state for d in cluster.deployments.values()),
        )
        yield _one("ropeteam_projects", "Projects", len(cluster.projects))
        yield _one("ropeteam_agent_sessions", "Open agent sessions", self._door.figures.sessions())
        yield _one("ropeteam_event_seq", "Newest sequence number of the journal", cluster.meta.event_seq)
        yield _one("ropeteam_loop_lag_seconds", "Worst lateness of the event loop in 15 s", self._door.lag_s())


def _by_state(name: str, text: str, states: Iterable[str], found: Iterable[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, f"{text} by state", labels=["state"])
    counts = Counter(found)
    for state in states:
        family.add_metric([state], counts[state])
    return family


def _one(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
