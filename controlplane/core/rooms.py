"""The scheduler's view of the nodes, worked out from a draft: one `Room` a node, from its load and latest usage.

Agents that report the same engine id share one port table and one count of resources (DESIGN §3).
"""

from collections import Counter

from controlplane.core.draft import Draft
from controlplane.core.fact import NodeUsage
from controlplane.core.load import Load, Reservation, Share
from controlplane.core.node import Node
from controlplane.core.preparation import Preparation
from controlplane.core.replica import Assignment, Replica
from controlplane.core.room import Holder, Resting, Room
from protocol.names import ReplicaId
from protocol.spec import PortLease, Protocol

_NO_USAGE = NodeUsage()


def rooms(draft: Draft) -> list[Room]:
    """All nodes, as they are in this decision."""
    nodes = list(draft.all(Node))
    engines: dict[str, list[Node]] = {}
    for node in nodes:
        engines.setdefault(node.engine_id or node.name, []).append(node)
    return [_room(draft, node, engines[node.engine_id or node.name]) for node in nodes]


def _room(draft: Draft, node: Node, sharing: list[Node]) -> Room:
    found = draft.rooms.get(node.name)
    if found is None or len(sharing) > 1:
        found = draft.rooms[node.name] = _build(draft, node, sharing)
    return found


def _build(draft: Draft, node: Node, sharing: list[Node]) -> Room:
    loads = [_load(draft, n.name) for n in sharing]
    own = loads[sharing.index(node)]
    usage = draft.volatile.usage.get(node.name, _NO_USAGE)
    seen = frozenset().union(*(draft.volatile.usage.get(n.name, _NO_USAGE).seen for n in sharing))
    reserved = [r for load in loads for r in load.reservations]
    unseen = [r for r in reserved if (r.replica, r.epoch) not in seen]
    leases, resting = dict(own.leases), dict(own.resting)
    for load in loads:
        leases.update(load.leases)
        resting.update(load.resting)
    return Room(
        node=node,
        cpus_reserved=sum(r.cpus for r in reserved),
        memory_reserved=sum(r.memory for r in reserved),
        unseen_cpus=sum(r.cpus for r in unseen),
        unseen_memory=sum(r.memory for r in unseen),
        cpu_usage=usage.cpu_usage,
        mem_free=usage.mem_free,
        disk_free=usage.disk_free,
        leases=leases,
        resting=resting,
        foreign=usage.ports,
        services=own.services,
        projects=own.projects,
    )


def _load(draft: Draft, node: str) -> Load:
    if node in draft.changed_loads:
        return _sum(draft, node)
    load = draft.base.loads.get(node)
    if load is None:
        load = draft.base.loads[node] = _sum(draft, node)
    return load


def _sum(draft: Draft, node: str) -> Load:
    reservations: list[Reservation] = []
    leases: dict[tuple[Protocol, int], Holder] = {}
    resting: dict[tuple[Protocol, int], Resting] = {}
    services: Counter[tuple[str, str]] = Counter()
    projects: Counter[str] = Counter()

    def count(share: Share) -> None:
        if share.reservation is not None:
            reservations.append(share.reservation)
        leases.update(share.leases)
        services[share.service] += 1
        projects[share.service[0]] += 1

    for replica in draft.replicas_on(node):
        for assignment in (replica.wanted, replica.outgoing):
            if assignment is None or assignment.node != node:
                continue
            if not assignment.ending:
                count(_share(draft, replica, assignment))
                continue
            for lease in assignment.ports:  # on its way out: its own service may have the port at once
                resting[lease.protocol, lease.host] = Resting(
                    project=replica.id.project, service=replica.id.service, until=None
                )
    for rest in draft.rests_on(node):
        resting[rest.protocol, rest.port] = Resting(
            project=rest.holder.project, service=rest.holder.service, until=rest.until
        )
    for prepared in _preparations(draft, node):
        count(_work_out(draft, prepared.replica, 0, prepared.revision, prepared.ports))
    return Load(reservations=tuple(reservations), leases=leases, resting=resting, services=services, projects=projects)


def _share(draft: Draft, replica: Replica, assignment: Assignment) -> Share:
    """Worked out once in a decision: one that places many replicas sums its nodes up again after each."""
    key = (replica.id, assignment.epoch)
    found = draft.shares.get(key)
    if found is None or found[0] is not assignment:
        share = _work_out(draft, replica.id, assignment.epoch, assignment.revision, assignment.ports)
        found = draft.shares[key] = (assignment, share)
    return found[1]


def _work_out(draft: Draft, key: ReplicaId, epoch: int, revision: int, ports: tuple[PortLease, ...]) -> Share:
    spec = draft.spec(key, revision)
    holder = Holder(project=key.project, service=key.service)
    return Share(
        reservation=Reservation(str(key), epoch, spec.cpus, spec.memory) if spec is not None else None,
        leases=tuple(((lease.protocol, lease.host), holder) for lease in ports),
        service=(key.project, key.service),
    )


def _preparations(draft: Draft, node: str) -> list[Preparation]:
    if node in draft.changed_loads:
        return [p for p in draft.all(Preparation) if p.target == node]
    return [draft.base.preparations[key] for key in draft.base.prepared_on.get(node, ())]
