"""What anybody may read in `/metrics`: counts and lengths without a name in them, and the look they are taken from.

`look` runs on the loop and only copies references; `families` runs in a thread on what was copied. Called by `metrics`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from controlplane.controller.loop import Status
from controlplane.core.cluster import Cluster, Meta
from controlplane.core.deployment import ENDED, DeploymentState
from controlplane.core.node import Node, NodeState
from controlplane.core.project import Project, ProjectState
from controlplane.core.record import Now
from controlplane.core.replica import Replica
from controlplane.core.standing import standing
from controlplane.core.views import Figures
from controlplane.measures import QueueFigures
from controlplane.web.door import Door
from protocol.messages import Health, ReplicaState

OPEN: tuple[DeploymentState, ...] = tuple(s for s in get_args(DeploymentState) if s not in ENDED)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The Center at one moment. `cluster` is for single reads by key: its tables go on changing."""

    cluster: Cluster
    meta: Meta
    now: Now
    nodes: Sequence[Node]
    replicas: Sequence[Replica]
    on_node: Mapping[str, int]
    """Node -> assignments there."""
    project_states: Sequence[str]
    deployment_states: Sequence[str]
    """Of those that have not ended."""
    figures: Mapping[str, Figures]
    queues: Sequence[QueueFigures]
    status: Status | None
    sessions: int
    streams: int
    ready: bool
    lag_s: float
    version: str


def look(door: Door, project_states: Sequence[str], figures: Mapping[str, Figures], now: Now) -> Look:
    """Copy what `families` needs. `project_states`: as `state_of` said of each project; `figures`: of each node. A node
    that came since is left for the next time.
    """
    cluster = door.controller.cluster
    nodes = tuple(node for node in cluster.nodes.values() if node.name in figures)
    return Look(
        cluster=cluster,
        meta=cluster.meta,
        now=now,
        nodes=nodes,
        replicas=tuple(cluster.replicas.values()),
        on_node={name: len(ids) for name, ids in cluster.on_node.items()},
        project_states=project_states,
        deployment_states=[cluster.deployments[number].state for number in cluster.open_deployments],
        figures=figures,
        queues=door.queues(),
        status=door.status(),
        sessions=door.figures.sessions(),
        streams=door.relay.open_streams(),
        ready=not door.faults(),
        lag_s=door.lag_s(),
        version=door.settings.version,
    )


def state_of(cluster: Cluster, project: Project, wall: float) -> ProjectState:
    """The word on a project at `wall` (Unix seconds)."""
    return standing(cluster, project, wall).state


def families(seen: Look) -> Iterator[Metric]:
    """Everything without names."""
    yield from _about(seen)
    yield _by("ropeteam_nodes", "Nodes by state", "state", get_args(NodeState), (n.state for n in seen.nodes))
    yield one("ropeteam_nodes_draining", "Nodes that are being drained", sum(n.draining for n in seen.nodes))
    yield one(
        "ropeteam_nodes_unschedulable",
        "Nodes that take nothing new because their engine is down or their disk is full",
        sum(bool(n.unschedulable) for n in seen.nodes),
    )
    yield one("ropeteam_nodes_held", "Offline nodes whose replicas the guard holds", sum(n.held for n in seen.nodes))
    yield _by(
        "ropeteam_replicas", "Replicas by state", "state", get_args(ReplicaState), (r.state for r in seen.replicas)
    )
    yield _by(
        "ropeteam_replicas_health",
        "Replicas by what their health check says, none = not checked",
        "health",
        get_args(Health),
        (r.wanted.health for r in seen.replicas if r.wanted is not None),
    )
    yield _by("ropeteam_projects", "Projects by state", "state", get_args(ProjectState), seen.project_states)
    yield _by(
        "ropeteam_deployments_open", "Deployments that have not ended, by state", "state", OPEN, seen.deployment_states
    )
    yield from _rope(seen)
    yield from _inside(seen)
    yield from _queues(seen.queues)


def _about(seen: Look) -> Iterator[Metric]:
    info = GaugeMetricFamily("ropeteam_build_info", "1, with the version of the Center", labels=["version"])
    info.add_metric([seen.version], 1)
    yield info
    yield one("ropeteam_ready", "1 when the Center can make changes, as /readyz says", seen.ready)
    yield one(
        "ropeteam_incarnation", "Incarnation of the cluster; rises when a backup is restored", seen.meta.incarnation
    )
    yield one("ropeteam_event_seq", "Newest sequence number of the journal", seen.meta.event_seq)


def _rope(seen: Look) -> Iterator[Metric]:
    silences = [f.last_seen_s for f in seen.figures.values() if f.connected and f.last_seen_s is not None]
    yield one("ropeteam_agent_sessions", "Open agent sessions", seen.sessions)
    yield one(
        "ropeteam_heartbeat_lag_seconds",
        "Time since the last frame of the connected agent that is silent longest; a sign of life is due every 2 s",
        max(silences, default=0.0),
    )
    yield one("ropeteam_agent_streams", "Open streams of logs and commands to agents", seen.streams)


def _inside(seen: Look) -> Iterator[Metric]:
    yield one("ropeteam_loop_lag_seconds", "Worst lateness of the event loop in 15 s", seen.lag_s)
    if seen.status is None:
        return
    yield one("ropeteam_store_full", "1 while the store takes no changes", seen.status.store_full)
    yield counter("ropeteam_faults", "Events whose rules failed: defects of ours, see the log", seen.status.faults)


def _queues(queues: Sequence[QueueFigures]) -> Iterator[Metric]:
    length = GaugeMetricFamily(
        "ropeteam_queue_length", "Entries waiting, of the longest queue of its kind", labels=["queue"]
    )
    limit = GaugeMetricFamily("ropeteam_queue_limit", "Entries the queue may hold", labels=["queue"])
    dropped = CounterMetricFamily(
        "ropeteam_queue_dropped", "Entries dropped or refused because the queue was full", labels=["queue"]
    )
    for queue in queues:
        length.add_metric([queue.name], queue.length)
        limit.add_metric([queue.name], queue.limit)
        dropped.add_metric([queue.name], queue.dropped)
    yield from (length, limit, dropped)


def one(name: str, text: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> CounterMetricFamily:
    """A counter without labels; `_total` is put behind its name."""
    return CounterMetricFamily(name, text, value=value)


def _by(name: str, text: str, label: str, words: Iterable[str], found: Iterable[str]) -> GaugeMetricFamily:
    """One series for each of the words, also those that nothing has now."""
    family = GaugeMetricFamily(name, text, labels=[label])
    counts = Counter(found)
    for word in words:
        family.add_metric([word], counts[word])
    return family
