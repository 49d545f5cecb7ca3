"""The step that puts the former copy of a replica back: it still runs beside the new one, so this takes no time.

Used when a canary is aborted, a start-first update fails, a blue-green release is taken back.
"""

import msgspec

from controlplane.core import assigning, placing
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft, where
from controlplane.core.node import Node
from controlplane.core.replica import is_ready


def begin(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """The outgoing copy is the wanted one again, with its epoch, and the new one ends."""
    replica = draft.replica(step.key)
    if replica is None or replica.outgoing is None or replica.outgoing.ending:
        return placing.begin_replace(draft, deployment, msgspec.structs.replace(step, kind="replace"))
    replica = assigning.take_back(draft, replica)
    old, new = replica.outgoing, replica.wanted
    assert old is not None
    ending = None
    if new is not None and new.state == "interrupted":
        assigning.withdraw(draft, replica.id, new, f"{new.node} is lost; it is stopped when the node returns")
    elif new is not None:
        ending = assigning.end(draft, replica.id, new, deployment.id)
    draft.put(
        msgspec.structs.replace(
            replica,
            revision=deployment.aim,
            wanted=msgspec.structs.replace(old, revision=deployment.aim),
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
        cause=deployment.cause,
        project=replica.id.project,
        replica=str(replica.id),
        node=old.node,
        deployment=deployment.id,
    )
    return progress(draft, msgspec.structs.replace(step, epoch=old.epoch))


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
