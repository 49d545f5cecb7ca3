"""A deployment goes back: what it did is undone step by step, by the same record, to the revision that last succeeded.

Used when it fails (`failure_action: rollback`), is cancelled, or its canary is aborted. Called by `rollout`.
"""

import msgspec

from controlplane.core import diff, jobs
from controlplane.core.deployment import Deployment, Outcome, Step
from controlplane.core.draft import Draft
from controlplane.core.project import Revision


def go_back(draft: Draft, deployment: Deployment, outcome: Outcome, reason: str) -> Deployment:
    """The deployment with its remaining steps skipped and the steps back instead. There is a revision to go back to."""
    wall = draft.now.wall
    back = draft.revision(deployment.project, deployment.back_to)
    assert back is not None, f"deployment {deployment.id} cannot go back to revision {deployment.back_to}"
    done = tuple(s.ended("skipped", wall, reason) if s.open else s for s in deployment.steps)
    deployment = msgspec.structs.replace(
        deployment, state="running", outcome=outcome, reason=reason, steps=done, progress_at=wall, paused_at=0.0
    )
    draft.event(
        "deployment.going_back",
        f"deployment {deployment.id} goes back to revision {back.number}: {reason}",
        of=deployment,
    )
    project = draft.project(deployment.project)
    draft.put(msgspec.structs.replace(project, revision=back.number))
    made = diff.steps_to(draft, deployment, back)
    adopt(draft, back, made)
    return msgspec.structs.replace(deployment, steps=(*done, *made))


def adopt(draft: Draft, revision: Revision, made: tuple[Step, ...]) -> None:
    """Replicas whose container is the same under the revision belong to it without being touched."""
    stepped = {s.replica for s in made}
    for replica in draft.replicas_of(revision.project):
        if replica.id in stepped or replica.wanted is None:
            continue
        had = draft.revision(replica.id.project, replica.wanted.revision)
        if diff.same_container(had, revision, replica.id.service):
            wanted = msgspec.structs.replace(replica.wanted, revision=revision.number)
            draft.put(msgspec.structs.replace(replica, revision=revision.number, wanted=wanted))
        elif jobs.has_completed(replica):
            draft.put(msgspec.structs.replace(replica, done_for=revision.number))
