"""What each node shall run: desired state, level-triggered (DESIGN §3), and its difference after a decision."""

from collections.abc import Callable

from controlplane.core.action import SendDelta
from controlplane.core.draft import Draft
from controlplane.core.project import Revision
from controlplane.core.replica import Assignment, Replica, ref
from protocol.messages import ContainerRef, Leaving
from protocol.spec import DesiredReplica


def full(draft: Draft, node: str) -> tuple[DesiredReplica, ...]:
    """Everything the node shall run now."""
    found = []
    for replica in draft.replicas_on(node):
        for assignment in replica.assignments:
            if assignment.node == node:
                wanted = _desired(replica, assignment, draft.revision(replica.id.project, assignment.revision))
                if wanted is not None:
                    found.append(wanted)
    return tuple(found)


def leaving(draft: Draft, node: str) -> tuple[Leaving, ...]:
    """What was withdrawn from the node on purpose and is not confirmed gone. What is left of the time its clients have
    counts from the withdrawal, wherever the agent was meanwhile.
    """
    found = []
    for replica in draft.replicas_on(node):
        for assignment in replica.assignments:
            spec = draft.spec(replica.id, assignment.revision)
            if assignment.node == node and assignment.ending and spec is not None:
                wait_s = min(max(0.0, assignment.since + spec.drain_wait_s - draft.now.wall), spec.drain_wait_s)
                name = ref(replica.id, assignment.epoch)
                found.append(Leaving(ref=name, wait_s=wait_s, grace_s=spec.stop_grace_s))
    return tuple(found)


def send_deltas(draft: Draft) -> None:
    """Compare every replica that this decision touched and send each node what changed for it."""
    if not draft.touched:
        return
    send: dict[str, list[DesiredReplica]] = {}
    drop: dict[str, list[ContainerRef]] = {}
    for key in sorted(draft.touched):
        before = _by_place(draft.base.replicas.get(key), draft.base.revisions.get)
        after = _by_place(draft.replica(key), lambda numbered: draft.revision(*numbered))
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


def _by_place(
    replica: Replica | None, revision_of: Callable[[tuple[str, int]], Revision | None]
) -> dict[tuple[str, int], DesiredReplica]:
    """By (node, epoch). `revision_of`: as it was or as it will be; a project's revisions go with its last replica."""
    found: dict[tuple[str, int], DesiredReplica] = {}
    if replica is None:
        return found
    for assignment in replica.assignments:
        wanted = _desired(replica, assignment, revision_of((replica.id.project, assignment.revision)))
        if wanted is not None:
            found[assignment.node, assignment.epoch] = wanted
    return found


def _desired(replica: Replica, assignment: Assignment, revision: Revision | None) -> DesiredReplica | None:
    if assignment.hold or assignment.ending:
        return None
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
