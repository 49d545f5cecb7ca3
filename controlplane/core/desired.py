"""What each node shall run: desired state, level-triggered (DESIGN §3), and its difference after a decision."""

from controlplane.core.action import SendDelta
from controlplane.core.draft import Draft
from controlplane.core.replica import Assignment, Replica, ref
from protocol.messages import ContainerRef
from protocol.spec import DesiredReplica


def full(draft: Draft, node: str) -> tuple[DesiredReplica, ...]:
    """Everything the node shall run now."""
    found = []
    for replica in draft.replicas_on(node):
        for assignment in replica.assignments:
            if assignment.node == node:
                wanted = _desired(draft, replica, assignment)
                if wanted is not None:
                    found.append(wanted)
    return tuple(found)


def send_deltas(draft: Draft) -> None:
    """Compare every replica that this decision touched and send each node what changed for it."""
    send: dict[str, list[DesiredReplica]] = {}
    drop: dict[str, list[ContainerRef]] = {}
    for key in sorted(draft.touched):
        before = _by_place(draft, draft.base.replicas.get(key))
        after = _by_place(draft, draft.replica(key))
        for place, wanted in after.items():
            if before.get(place) != wanted:
                send.setdefault(place[0], []).append(wanted)
        for place in before.keys() - after.keys():
            drop.setdefault(place[0], []).append(ref(key, place[1]))
    if not send and not drop:
        return
    revision = draft.next_id("revision")
    for node in sorted(send.keys() | drop.keys()):
        draft.act(
            SendDelta(
                node=node,
                incarnation=draft.meta.incarnation,
                revision=revision,
                replicas=tuple(send.get(node, ())),
                drop=tuple(drop.get(node, ())),
            )
        )


def _by_place(draft: Draft, replica: Replica | None) -> dict[tuple[str, int], DesiredReplica]:
    found: dict[tuple[str, int], DesiredReplica] = {}
    if replica is None:
        return found
    for assignment in replica.assignments:
        wanted = _desired(draft, replica, assignment)
        if wanted is not None:
            found[assignment.node, assignment.epoch] = wanted
    return found


def _desired(draft: Draft, replica: Replica, assignment: Assignment) -> DesiredReplica | None:
    if assignment.hold or assignment.ending:
        return None
    revision = draft.revision(replica.id.project, assignment.revision)
    if revision is None or replica.id.service not in revision.spec.services:
        return None
    spec = revision.spec.services[replica.id.service]
    return DesiredReplica(
        project=replica.id.project,
        service=replica.id.service,
        replica=replica.id.index,
        epoch=assignment.epoch,
        revision=assignment.revision,
        image=revision.pins.get(spec.name, spec.image),
        spec=spec,
        ports=assignment.ports,
    )
