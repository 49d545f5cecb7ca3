"""The scheduler's view of the nodes, worked out from a draft: one `Room` a node, from its load and latest usage.

Agents that report the same engine id share one port table and one count of resources (DESIGN §3).
"""

from collections.abc import Iterable

from controlplane.core.cluster import Cluster
from controlplane.core.draft import Draft
from controlplane.core.fact import NodeUsage
from controlplane.core.load import Load, Own, Part, Reservation, Share, nothing
from controlplane.core.node import Node
from controlplane.core.preparation import Preparation
from controlplane.core.record import Now
from controlplane.core.replica import Assignment, Replica
from controlplane.core.room import Holder, Kept, Resting, Room, View
from protocol.names import ReplicaId
from protocol.spec import PortLease, ServiceSpec

_NO_USAGE = NodeUsage()


def rooms(draft: Draft) -> list[Room]:
    """All nodes, as they are in this decision. The list is for reading, until the next call."""
    view = draft.view
    if view is None:
        view = draft.view = _view(draft)
    elif draft.stale:
        for name in {node.name for stale in draft.stale for node in view.sharing.get(stale, ())}:
            at, sharing = view.at[name], view.sharing[name]
            view.rooms[at] = _build(draft, view.rooms[at].node, sharing)
    draft.stale.clear()
    return view.rooms


def warm(cluster: Cluster, now: Now) -> None:
    """Work out what is promised to all nodes, before anybody waits for it: some 7 µs for each replica."""
    rooms(Draft(cluster, now))


def _view(draft: Draft) -> View:
    """All rooms; those that were worked out in a former decision and are still true are not worked out again."""
    engines: dict[str, list[Node]] = {}
    nodes = list(draft.all(Node))
    for node in nodes:
        engines.setdefault(node.engine_id or node.name, []).append(node)
    view = View([], {}, {})
    kept, loads, usages = draft.base.rooms, draft.base.loads, draft.volatile.usage
    for at, node in enumerate(nodes):
        name = node.name
        sharing = engines[node.engine_id or name]
        before = kept.get(name)
        if (
            before is None
            or before.room.node is not node
            or before.usage is not usages.get(name)
            or before.load is not loads.get(name)
            or name in draft.changed_loads
            or len(sharing) > 1
        ):
            room = _build(draft, node, sharing)
            if name not in draft.changed_loads:
                kept[name] = Kept(room, loads[name], usages.get(name))
        else:
            room = before.room
        view.at[name] = at
        view.sharing[name] = sharing
        view.rooms.append(room)
    return view


def _build(draft: Draft, node: Node, sharing: list[Node]) -> Room:
    loads = [_load(draft, n.name) for n in sharing]
    own = loads[[n.name for n in sharing].index(node.name)]
    usage = draft.volatile.usage.get(node.name, _NO_USAGE)
    seen = usage.seen
    if len(sharing) > 1:
        seen = seen.union(*(draft.volatile.usage.get(n.name, _NO_USAGE).seen for n in sharing))
    reserved = [r for load in loads for r in load.reservations]
    unseen = [r for r in reserved if (r.replica, r.epoch) not in seen]
    measured = [r for r in reserved if (r.replica, r.epoch) in seen]
    leases, resting = own.leases, own.resting
    if len(loads) > 1:
        leases = {key: holder for load in (own, *loads) for key, holder in load.leases.items()}
        resting = {key: rest for load in (own, *loads) for key, rest in load.resting.items()}
    return Room(
        node=node,
        cpus_reserved=round(sum([r.cpus for r in reserved]), 9),
        memory_reserved=sum([r.memory for r in reserved]),
        unseen_cpus=round(sum([r.cpus for r in unseen]), 9),
        unseen_memory=sum([r.memory for r in unseen]),
        measured_cpus=round(sum([r.assumed_cpus for r in measured]), 9),
        measured_memory=sum([r.assumed_memory for r in measured]),
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
        draft.base.former_loads.pop(node, None)
        draft.base.touched_since.pop(node, None)
    return load


def _sum(draft: Draft, node: str) -> Load:
    own = _own(draft, node)
    rests = {
        (rest.protocol, rest.port): Resting(project=rest.holder.project, service=rest.holder.service, until=rest.until)
        for rest in draft.rests_on(node)
    }
    prepared = _preparations(draft, node)
    whole = own if not prepared else own.with_parts({p.replica: _prepared(draft, own, p) for p in prepared})
    return Load(
        own=own,
        reservations=whole.reservations.values(),
        leases=whole.leases,
        resting={**whole.leaving, **rests},
        services=whole.services,
        projects=whole.projects,
    )


def _own(draft: Draft, node: str) -> Own:
    """The sums over the node's replicas: those last worked out, with what was changed since."""
    known = draft.owns.get(node)
    touched: Iterable[ReplicaId] = draft.touched_on.pop(node, ())
    if known is None:
        current, former = draft.base.loads.get(node), draft.base.former_loads.get(node)
        if draft.distrusts or (current is None and former is None):
            known, touched = nothing(), (r.id for r in draft.replicas_on(node))
        elif current is not None:
            known = current.own
        else:
            assert former is not None
            known = former.own
            touched = draft.base.touched_since.get(node, set()).union(touched)
    draft.owns[node] = found = known.with_parts({key: _part(draft, node, key) for key in touched})
    return found


def _here(replica: Replica, node: str) -> tuple[Assignment, ...]:
    return tuple(a for a in (replica.wanted, replica.outgoing) if a is not None and a.node == node)


def _part(draft: Draft, node: str, key: ReplicaId) -> Part | None:
    replica = draft.replica(key)
    here = _here(replica, node) if replica is not None else ()
    if not here:
        return None
    return Part(
        assignments=here,
        shares=tuple(_work_out(draft, key, a.epoch, a.revision, a.ports) for a in here if not a.ending),
        leaving=tuple((lease.protocol, lease.host) for a in here if a.ending for lease in a.ports),
    )


def _prepared(draft: Draft, own: Own, prepared: Preparation) -> Part:
    """What is prepared for a replica, beside what it has here."""
    before = own.parts.get(prepared.replica, Part((), (), ()))
    share = _work_out(draft, prepared.replica, 0, prepared.revision, prepared.ports)
    return before._replace(shares=(*before.shares, share))


def _work_out(draft: Draft, key: ReplicaId, epoch: int, revision: int, ports: tuple[PortLease, ...]) -> Share:
    spec = draft.spec(key, revision)
    holder = Holder(project=key.project, service=key.service)
    return Share(
        reservation=_reservation(key, epoch, spec) if spec is not None else None,
        leases=tuple(((lease.protocol, lease.host), holder) for lease in ports),
        service=(key.project, key.service),
    )


def _reservation(key: ReplicaId, epoch: int, spec: ServiceSpec) -> Reservation:
    return Reservation(
        str(key),
        epoch,
        spec.cpus,
        spec.memory,
        assumed_cpus=0.0 if spec.resources.cpus_reserved else spec.cpus,
        assumed_memory=0 if spec.resources.memory_reserved else spec.memory,
    )


def _preparations(draft: Draft, node: str) -> list[Preparation]:
    if node in draft.changed_loads:
        return [p for p in draft.all(Preparation) if p.target == node]
    return [draft.base.preparations[key] for key in draft.base.prepared_on.get(node, ())]
