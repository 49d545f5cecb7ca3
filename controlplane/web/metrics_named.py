"""What `/metrics` tells those who show the token: figures of each node, service and replica, up to a limit of each.

Runs in a thread, on a `Look`. Figures of machines come from their last heartbeat, and only while the node is heard: an
offline node's are gone, not frozen. What agents say is not trusted: it becomes numbers, and text of at most 64
characters. Called by `metrics`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from controlplane.core.node import Node, NodeState
from controlplane.core.replica import Replica
from controlplane.core.standing import ready
from controlplane.web.metrics_counts import Look
from protocol.messages import ContainerBeat, Heartbeat
from protocol.names import ReplicaId

NODES_MAX = 1000
SERVICES_MAX = 2000
"""So many are named; how many were left out is told."""

TEXT_MAX = 64
MIB = 1024.0 * 1024.0
GIB = 1024.0 * MIB
KIB = 1024.0

_OF_REPLICA = ("project", "service", "replica", "node")

_FROM_HEARTBEAT: Sequence[tuple[str, str, Callable[[Heartbeat], float]]] = (
    ("ropeteam_node_cpu_usage_ratio", "Share of the node's processors in use, 0 to 1", lambda h: h.cpu_usage / 100),
    ("ropeteam_node_load", "Load average of one minute", lambda h: h.load),
    ("ropeteam_node_memory_free_bytes", "Memory that is available", lambda h: h.mem_free_mb * MIB),
    ("ropeteam_node_memory_bytes", "Memory the node has", lambda h: h.mem_total_mb * MIB),
    ("ropeteam_node_disk_free_bytes", "Free space where Docker keeps its data", lambda h: h.disk_free_gb * GIB),
    ("ropeteam_node_disk_bytes", "Size of the disk where Docker keeps its data", lambda h: h.disk_total_gb * GIB),
    ("ropeteam_node_network_receive_bytes_rate", "Bytes received each second", lambda h: h.net_in_kb * KIB),
    ("ropeteam_node_network_transmit_bytes_rate", "Bytes sent each second", lambda h: h.net_out_kb * KIB),
    ("ropeteam_node_engine_up", "1 while the Docker Engine answers its agent", lambda h: h.engine_ok),
    ("ropeteam_node_answer_seconds", "How long the Center's answer to a heartbeat took", lambda h: h.answer_ms / 1e3),
)


def families(seen: Look, replicas_max: int) -> Iterator[Metric]:
    """Everything with names. `replicas_max`: replicas that get series of their own; 0 = none."""
    nodes = sorted(seen.nodes, key=lambda node: node.name)
    left_out = {"nodes": max(0, len(nodes) - NODES_MAX)}
    yield from _nodes(seen, nodes[:NODES_MAX])
    services = _services(seen)
    left_out["services"] = max(0, len(services) - SERVICES_MAX)
    yield from _service_families(services[:SERVICES_MAX])
    replicas = sorted(seen.replicas, key=lambda replica: replica.id) if replicas_max else []
    left_out["replicas"] = max(0, len(seen.replicas) - replicas_max)
    yield from _replicas(seen, replicas[:replicas_max])
    family = GaugeMetricFamily(
        "ropeteam_series_left_out", "Nodes, services and replicas beyond the limit, without series", labels=["of"]
    )
    for of, count in left_out.items():
        family.add_metric([of], count)
    yield family


def _nodes(seen: Look, nodes: Sequence[Node]) -> Iterator[Metric]:
    yield _node_info(nodes)
    yield _node_states(nodes)
    takes = _node_family("ropeteam_node_takes_work", "1 while new replicas may be put on the node")
    cpus = _node_family("ropeteam_node_cpus", "Processors the node has")
    held = _node_family("ropeteam_node_replicas", "Copies of replicas assigned to the node")
    silence = _node_family("ropeteam_node_silence_seconds", "Time since the node was last heard")
    for node in nodes:
        takes.add_metric([node.name], node.takes_work)
        cpus.add_metric([node.name], node.capacity.cpus)
        held.add_metric([node.name], seen.on_node.get(node.name, 0))
        silent_s = seen.figures[node.name].last_seen_s
        if silent_s is not None:
            silence.add_metric([node.name], silent_s)
    yield from (takes, cpus, held, silence)
    heard = [(node.name, beat) for node in nodes if (beat := _heartbeat(seen, node)) is not None]
    for name, text, figure in _FROM_HEARTBEAT:
        family = _node_family(name, text)
        for node_name, beat in heard:
            family.add_metric([node_name], figure(beat))
        yield family


def _heartbeat(seen: Look, node: Node) -> Heartbeat | None:
    """The last one of a node that is heard."""
    return seen.figures[node.name].heartbeat if node.state in ("online", "suspect") else None


def _node_info(nodes: Sequence[Node]) -> Metric:
    labels = ["node", "address", "agent", "engine", "arch", "kernel"]
    family = GaugeMetricFamily("ropeteam_node_info", "1, with the node's address and versions", labels=labels)
    for node in nodes:
        told = (node.address, node.versions.agent, node.versions.engine, node.versions.arch, node.versions.kernel)
        family.add_metric([node.name, *(text[:TEXT_MAX] for text in told)], 1)
    return family


def _node_states(nodes: Sequence[Node]) -> Metric:
    family = GaugeMetricFamily(
        "ropeteam_node_state", "1 for the state the node is in, 0 for the others", labels=["node", "state"]
    )
    for node in nodes:
        for state in get_args(NodeState):
            family.add_metric([node.name, state], node.state == state)
    return family


def _node_family(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["node"])


Service = tuple[tuple[str, str], int, int]
"""(project, service), replicas wanted, replicas ready."""


def _services(seen: Look) -> list[Service]:
    wanted: Counter[tuple[str, str]] = Counter()
    well: Counter[tuple[str, str]] = Counter()
    for replica in seen.replicas:
        if not replica.ending:
            key = (replica.id.project, replica.id.service)
            wanted[key] += 1
            well[key] += ready(seen.cluster, replica, seen.now.wall)
    return [(key, wanted[key], well[key]) for key in sorted(wanted)]


def _service_families(services: Sequence[Service]) -> Iterator[Metric]:
    labels = ["project", "service"]
    wanted = GaugeMetricFamily("ropeteam_service_replicas_wanted", "Replicas a service shall have", labels=labels)
    well = GaugeMetricFamily("ropeteam_service_replicas_ready", "Replicas of a service that serve", labels=labels)
    for key, count, ready_count in services:
        wanted.add_metric(key, count)
        well.add_metric(key, ready_count)
    yield from (wanted, well)


def _replicas(seen: Look, replicas: Sequence[Replica]) -> Iterator[Metric]:
    """One series each for the copy that is wanted; the one on its way out has none."""
    up = GaugeMetricFamily("ropeteam_replica_up", "1 while the replica serves", labels=_OF_REPLICA)
    cpu = GaugeMetricFamily("ropeteam_replica_cpu_cores", "Processors in use, in cores", labels=_OF_REPLICA)
    memory = GaugeMetricFamily("ropeteam_replica_memory_bytes", "Memory in use", labels=_OF_REPLICA)
    restarts = CounterMetricFamily(
        "ropeteam_replica_restarts",
        "Restarts of the present copy by its agent; begins anew elsewhere",
        labels=_OF_REPLICA,
    )
    beats = _beats(seen)
    for replica in replicas:
        wanted = replica.wanted
        if wanted is None:
            continue
        labels = [replica.id.project, replica.id.service, str(replica.id.index), wanted.node]
        up.add_metric(labels, ready(seen.cluster, replica, seen.now.wall))
        restarts.add_metric(labels, wanted.restarts)
        beat = beats.get((wanted.node, replica.id, wanted.epoch))
        if beat is not None:
            cpu.add_metric(labels, beat.cpu_usage / 100)
            memory.add_metric(labels, beat.mem_mb * MIB)
    yield from (up, cpu, memory, restarts)


def _beats(seen: Look) -> dict[tuple[str, ReplicaId, int], ContainerBeat]:
    """(node, replica, epoch) -> the last figures of that container."""
    heard = ((node.name, beat) for node in seen.nodes if (beat := _heartbeat(seen, node)) is not None)
    return {
        (node, ReplicaId(one.project_code, one.service, one.replica), one.epoch): one
        for node, beat in heard
        for one in beat.containers
    }
