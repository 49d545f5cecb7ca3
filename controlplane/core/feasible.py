"""What the cluster as it is can never do of a file, said before anything is touched. Pure; used by `plan` and `deploy`.

What is visible in the file alone is refused by `composefile`. Here: start-first with a fixed host port, where every
node that may run the service has a copy already.
"""

from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.placement import constraints, platform
from controlplane.core.project import Project
from controlplane.core.record import Refused
from controlplane.core.release import order_of
from controlplane.core.room import Room, Want
from protocol.names import ReplicaId
from protocol.spec import ProjectSpec, ServiceSpec


def check(draft: Draft, project: Project, spec: ProjectSpec) -> None:
    """Raise Refused for the first service that could never be released. A new service has nothing to be replaced."""
    running = {r.id.service for r in draft.replicas_of(project.code) if not r.ending}
    for service in spec.services.values():
        if service.name in running:
            _check_service(draft, project, service)


def _check_service(draft: Draft, project: Project, spec: ServiceSpec) -> None:
    fixed = next((p for p in spec.ports if p.fixed), None)
    asks = spec.update.order == "start-first" or spec.release == "blue_green" or spec.canary is not None
    if fixed is None or not asks or not spec.replicas:
        return
    nodes = _possible(draft, project, spec)
    if len(nodes) > spec.replicas or not nodes:
        return
    many = f"{len(nodes)} nodes" if len(nodes) > 1 else f"one node, {nodes[0]},"
    what, key = _cause(spec)
    raise Refused(
        "invalid",
        f"{what} needs a node with port {fixed.host_from} free beside each copy that runs: only {many} may run "
        f"{spec.name}, and each has a copy",
        f"services.{spec.name}.{key}",
        fix="use deploy.update_config.order: stop-first, publish the port without a fixed host port, or add a node",
    )


def _cause(spec: ServiceSpec) -> tuple[str, str]:
    if spec.release == "blue_green":
        return "release: blue_green", "x-rope.release"
    if spec.canary is not None:
        return "a canary", "x-rope.canary"
    return "order: start-first", "deploy.update_config.order"


def _possible(draft: Draft, project: Project, spec: ServiceSpec) -> list[str]:
    """Nodes that could run it one day: away, busy or full ones too, but not those it must not run on."""
    want = Want(replica=ReplicaId(project.code, spec.name, 1), spec=spec, now=draft.now.wall)
    return sorted(
        n.name
        for n in draft.all(Node)
        if constraints(want, Room(node=n)) is None and platform(want, Room(node=n)) is None
    )


def order_text(spec: ServiceSpec) -> tuple[str, str]:
    """The order in Compose's word, and why it is that."""
    start_first, why = order_of(spec, spec.update)
    return "start-first" if start_first else "stop-first", why
