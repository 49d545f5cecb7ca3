"""The step that puts the former copy of a replica back: it still runs beside the new one, so this takes no time.

Used when a canary is aborted, a start-first update fails, a blue-green release is taken back.
"""

import msgspec

from controlplane.core import assigning, placing
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft, where
from controlplane.core.node import Node
from controlplane.core.replica import Assignment, Replica, is_ready


def begin(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """The outgoing copy is the wanted one again, with its epoch, and the new one ends."""
    replica = draft.replica(step.key)
    if replica is None or not _serves(replica):
        return placing.begin_replace(draft, deployment, msgspec.structs.replace(step, kind="replace"))
    old = put_back(draft, replica, deployment, deployment.aim)
    return progress(draft, msgspec.structs.replace(step, epoch=old.epoch))


def undo_moves(draft: Draft, deployment: Deployment) -> None:
    """A drain could not move some replicas: those whose former copy still serves keep that one."""
    for step in deployment.steps:
        replica = draft.replica(step.key) if step.kind == "replace" and step.state == "failed" else None
        if replica is not None and replica.outgoing is not None and _serves(replica):
            put_back(draft, replica, deployment, replica.outgoing.revision)


def _serves(replica: Replica) -> bool:
    return replica.outgoing is not None and not replica.outgoing.ending


def put_back(draft: Draft, replica: Replica, deployment: Deployment, revision: int) -> Assignment:
    """Swap the two copies; gives the one that is wanted again. It counts as one of `revision` from now on."""
    replica = assigning.take_back(draft, replica)
    old, new = replica.outgoing, replica.wanted
    assert old is not None
    ending = None
    if new is not None and new.state == "interrupted":
        assigning.withdraw(draft, replica.id, new, f"{new.node} is lost; it is stopped when the node returns")
    elif new is not None:
        ending = assigning.end(draft, replica.id, new, deployment.id)
    back = msgspec.structs.replace(old, revision=revision)
    draft.put(
        msgspec.structs.replace(
            replica,
            revision=revision,
            wanted=back,
            outgoing=ending,
            failed=False,
            moves=0,
            avoid=(),
            serves="both",
            kept_until=0.0,
            reason="",
            cause=deployment.cause,
        )
    )
    draft.event(
        "replica.returned",
        f"{replica.id} is served by its former copy again, {where(old, draft.get(Node, old.node))}",
        of=replica,
        cause=deployment.cause,
        node=old.node,
        deployment=deployment.id,
    )
    return back


def progress(draft: Draft, step: Step) -> Step:
    """It is back when it is ready, as it mostly is at once."""
    replica = draft.replica(step.key)
    wanted = replica.wanted if replica is not None else None
    if replica is None or wanted is None:
        return step.ended("failed", draft.now.wall, "it was removed meanwhile")
    spec = draft.spec(replica.id, wanted.revision)
    assert spec is not None
    if is_ready(wanted, spec, draft.now.wall):
        return step.ended("done", draft.now.wall)
    if replica.failed or wanted.gave_up:
        return step.ended("failed", draft.now.wall, f"{replica.id} failed on {wanted.node}: {wanted.reason}")
    return step.saying(wanted.reason or f"{wanted.state} on {wanted.node}")
