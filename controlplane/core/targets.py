"""Which announced copies ask to be scraped (`x-rope.metrics`), and where. Pure; called by `web.metrics`.

Addresses are the announced ones, so a copy that is not ready, on its way out or on an offline node is no target. How it
is asked is what the project's revision says where that would make the same container, else what its own revision says.
"""

from collections.abc import Iterator

from controlplane.core.addresses import being_restarted, people_go_to
from controlplane.core.cluster import Cluster
from controlplane.core.diff import same_container
from controlplane.core.node import reached_at
from controlplane.core.replica import Assignment, Replica
from protocol.spec import MetricsSpec, PortLease
from protocol.targets import TargetView

_HERE = ("127.", "[::1]", "localhost")
"""Addresses that only the node itself reaches."""


def targets_of(cluster: Cluster, wall: float) -> Iterator[TargetView | None]:
    """At `wall` (Unix seconds), by project and replica; None for each replica that is none, so that the caller can stop
    in between.
    """
    restarting = being_restarted(cluster)
    for code in sorted(cluster.of_project):
        if not _asks(cluster, code):
            continue
        for key in sorted(cluster.of_project.get(code, ())):
            replica = cluster.replicas.get(key)
            if replica is None:
                continue
            found = [_target(cluster, replica, a) for a in people_go_to(cluster, replica, wall, restarting)]
            yield from found or (None,)


def _asks(cluster: Cluster, code: str) -> bool:
    """True when any service of the revision that the project is to be asks for it: most projects have none."""
    project = cluster.projects.get(code)
    revision = cluster.revisions.get((code, project.revision)) if project is not None else None
    return revision is not None and any(s.metrics is not None for s in revision.spec.services.values())


def _target(cluster: Cluster, replica: Replica, assignment: Assignment) -> TargetView | None:
    metrics = _metrics(cluster, replica, assignment)
    lease = _lease(assignment, metrics.port) if metrics is not None else None
    if metrics is None or lease is None:
        return None
    address = reached_at(cluster.nodes.get(assignment.node), lease)
    if address.startswith(_HERE):
        return None
    return TargetView(
        targets=(address,),
        labels={
            "__metrics_path__": metrics.path,
            "__meta_ropeteam_revision": str(assignment.revision),
            "project": replica.id.project,
            "service": replica.id.service,
            "replica": str(replica.id.index),
            "node": assignment.node,
        },
    )


def _metrics(cluster: Cluster, replica: Replica, assignment: Assignment) -> MetricsSpec | None:
    code, service = replica.id.project, replica.id.service
    own = cluster.revisions.get((code, assignment.revision))
    project = cluster.projects.get(code)
    newest = cluster.revisions.get((code, project.revision)) if project is not None else None
    if newest is not None and service in newest.spec.services and same_container(own, newest, service):
        return newest.spec.services[service].metrics
    return own.spec.services[service].metrics if own is not None and service in own.spec.services else None


def _lease(assignment: Assignment, port: int) -> PortLease | None:
    return next((p for p in assignment.ports if p.container == port and p.protocol == "tcp"), None)
