"""Where a project's services are reached now: the addresses of announced copies, and a version that changes with them.

Pure. Which copies are announced is for `announce`; this module adds their node, and says it in the API's words. A copy
on a node that is suspect, or not heard of since the Center started, stays announced: most are back in a moment, and the
Center's own restart must not take a service from its users. An offline one's goes at once, and so does that of a copy
whose restart was ordered: its agent waits `drain_wait` before it obeys. Called by `views` and `web`.
"""

import hashlib

import msgspec

from controlplane.core.announce import announced
from controlplane.core.cluster import Cluster
from controlplane.core.node import reached_at
from controlplane.core.project import Project
from controlplane.core.replica import Assignment, Replica, ref
from protocol.api import AddressesView, AddressView
from protocol.messages import ContainerRef


def people_go_to(
    cluster: Cluster, replica: Replica, wall: float, restarting: frozenset[ContainerRef]
) -> tuple[Assignment, ...]:
    """The replica's copies that are announced at `wall` (Unix seconds), the wanted one first. `restarting`: as
    `being_restarted` says.
    """
    return tuple(
        a
        for a in announced(cluster, replica, wall)
        if _is_heard(cluster, a.node) and ref(replica.id, a.epoch) not in restarting
    )


def being_restarted(cluster: Cluster) -> frozenset[ContainerRef]:
    """The copies whose restart is ordered and not done yet."""
    ordered = (cluster.tasks[task] for task in cluster.open_tasks)
    return frozenset(task.target for task in ordered if task.kind == "restart" and task.target is not None)


def addresses_view(cluster: Cluster, project: Project, wall: float) -> AddressesView:
    """Every service of the project's revision with its addresses now; a service may have none."""
    revision = cluster.revisions.get((project.code, project.revision))
    found: dict[str, list[AddressView]] = {name: [] for name in sorted(revision.spec.services)} if revision else {}
    restarting = being_restarted(cluster)
    for key in sorted(cluster.of_project.get(project.code, ())):
        replica = cluster.replicas[key]
        for assignment in people_go_to(cluster, replica, wall, restarting):
            found.setdefault(key.service, []).extend(_addresses(cluster, replica, assignment))
    services = {name: tuple(addresses) for name, addresses in found.items()}
    return AddressesView(project=project.code, version=_version(services), services=services)


def _addresses(cluster: Cluster, replica: Replica, assignment: Assignment) -> list[AddressView]:
    node = cluster.nodes.get(assignment.node)
    return [
        AddressView(
            address=reached_at(node, lease),
            container=lease.container,
            protocol=lease.protocol,
            node=assignment.node,
            replica=replica.id.index,
            revision=assignment.revision,
        )
        for lease in assignment.ports
    ]


def _is_heard(cluster: Cluster, name: str) -> bool:
    node = cluster.nodes.get(name)
    return node is not None and node.state != "offline"


def _version(services: dict[str, tuple[AddressView, ...]]) -> str:
    return hashlib.sha256(msgspec.json.encode(services, order="sorted")).hexdigest()[:16]
