"""How deployments advance: resolve images, plan, take steps level by level, end; and which one goes next.

A deployment is a stored record moved by these functions, never a coroutine that sleeps (notes/style.md, practice 13).
`advance` may be called at any time and any number of times.
"""

from collections.abc import Callable

import msgspec

from controlplane.core import diff, drain, resolve, steps
from controlplane.core.deployment import ENDED, Deployment, DeploymentState, Step
from controlplane.core.draft import Draft
from controlplane.core.project import Project, Revision
from controlplane.core.replica import Replica

STALL_S = 600.0
"""A deployment without progress for so long has failed (Nomad's progress deadline)."""

KEPT = 1000
"""Ended deployments kept in memory and store; older ones are forgotten, the journal tells of them."""

_PLANS: dict[str, Callable[[Draft, Deployment, Revision], tuple[Step, ...]]] = {
    "deploy": diff.steps_to,
    "update": diff.steps_to,
    "rollback": diff.steps_to,
    "scale": diff.steps_to,
    "restart": diff.steps_of_restart,
    "remove": diff.steps_of_removal,
    "migrate": diff.steps_of_drain,
}

_PINNED = frozenset({"restart", "remove", "migrate"})
"""Kinds that touch only what runs, so that no image needs a pin."""


def advance(draft: Draft, deployment_id: int) -> None:
    """Take the deployment as far as it goes now."""
    deployment = draft.get(Deployment, deployment_id)
    if deployment is None or deployment.state not in ("waiting", "running"):
        return
    project = draft.get(Project, deployment.project)
    if project is None or project.deployment != deployment.id:
        return  # it waits for another one
    if deployment.state == "waiting":
        deployment = _start(draft, deployment)
    revision = draft.revision(deployment.project, deployment.revision)
    assert revision is not None, f"deployment {deployment.id} has no revision {deployment.revision}"
    if not deployment.planned:
        deployment = resolve.advance(draft, deployment, revision)
        if failed := _failed(deployment):
            finish(draft, deployment, "failed", failed)
            return
        if not deployment.planned:
            _save_or_stall(draft, deployment)
            return
        deployment = _plan(draft, deployment)
    _take_steps(draft, deployment)


def _start(draft: Draft, deployment: Deployment) -> Deployment:
    verb = "drain of " + deployment.node if deployment.kind == "migrate" else deployment.kind
    cause = draft.event(
        "deployment.started",
        f"deployment {deployment.id} started: {verb}, {deployment.project} revision {deployment.revision}",
        cause=deployment.cause,
        project=deployment.project,
        deployment=deployment.id,
    )
    deployment = msgspec.structs.replace(
        deployment,
        state="running",
        started_at=draft.now.wall,
        progress_at=draft.now.wall,
        cause=deployment.cause or cause,
    )
    if deployment.kind in _PINNED:
        return _plan(draft, msgspec.structs.replace(deployment, planned=True))
    return deployment


def _plan(draft: Draft, deployment: Deployment) -> Deployment:
    """Make the steps, and take over at once what need not be touched."""
    revision = draft.revision(deployment.project, deployment.revision)
    assert revision is not None
    made = _PLANS[deployment.kind](draft, deployment, revision)
    if deployment.kind in ("deploy", "update", "rollback", "scale"):
        _adopt(draft, deployment, revision, made)
    return msgspec.structs.replace(deployment, steps=(*deployment.steps, *made))


def _adopt(draft: Draft, deployment: Deployment, revision: Revision, made: tuple[Step, ...]) -> None:
    """Replicas whose container is the same under the new revision belong to it without being touched."""
    stepped = {s.replica for s in made}
    for replica in draft.replicas_of(deployment.project):
        if replica.id in stepped or replica.wanted is None:
            continue
        had = draft.revision(replica.id.project, replica.wanted.revision)
        if diff.same_container(had, revision, replica.id.service):
            wanted = msgspec.structs.replace(replica.wanted, revision=revision.number)
            draft.put(msgspec.structs.replace(replica, revision=revision.number, wanted=wanted))


def _take_steps(draft: Draft, deployment: Deployment) -> None:
    while True:
        level = min((s.level for s in deployment.steps if s.state in ("waiting", "running")), default=None)
        if level is None:
            finish(draft, deployment, "succeeded")
            return
        before = deployment
        deployment = _take_level(draft, deployment, level)
        if failed := _failed(deployment):
            finish(draft, deployment, "failed", failed)
            return
        if deployment.steps == before.steps:
            break
        deployment = msgspec.structs.replace(deployment, progress_at=_moved_at(draft, before, deployment))
    _save_or_stall(draft, deployment)


def _moved_at(draft: Draft, before: Deployment, after: Deployment) -> float:
    """Progress is a step that changes its state, not one that changes its words."""
    moved = [s.state for s in before.steps] != [s.state for s in after.steps]
    return draft.now.wall if moved else after.progress_at


def _take_level(draft: Draft, deployment: Deployment, level: int) -> Deployment:
    """Starts and stops of a level go together; replaces and restarts one after the other."""
    taken = list(deployment.steps)
    for i, step in enumerate(taken):
        if step.level != level or step.state not in ("waiting", "running"):
            continue
        if step.state == "waiting" and draft.tired():
            break  # the next decision goes on with it
        look = steps.begin if step.state == "waiting" else steps.progress
        taken[i] = look(draft, deployment, step)
        if taken[i].state == "failed" or (
            step.kind in ("replace", "restart") and taken[i].state not in ("done", "skipped")
        ):
            break
    return msgspec.structs.replace(deployment, steps=tuple(taken))


def _failed(deployment: Deployment) -> str:
    return next((s.reason or f"{s.kind} failed" for s in deployment.steps if s.state == "failed"), "")


def _save_or_stall(draft: Draft, deployment: Deployment) -> None:
    """Keep how far it is, unless it has stood still for too long."""
    if draft.now.wall - deployment.progress_at <= STALL_S:
        draft.put(deployment)
        return
    waiting = next((s.reason for s in deployment.steps if s.state in ("waiting", "running") and s.reason), "")
    finish(draft, deployment, "failed", f"no progress for {STALL_S:.0f} s: {waiting or 'no reason known'}")


def finish(draft: Draft, deployment: Deployment, state: DeploymentState, reason: str = "") -> None:
    """End a deployment, say so, and let the next one begin."""
    left = tuple(
        s if s.state not in ("waiting", "running") else steps.ended(draft, s, "skipped", reason or s.reason)
        for s in deployment.steps
    )
    deployment = msgspec.structs.replace(deployment, state=state, reason=reason, steps=left, ended_at=draft.now.wall)
    draft.put(deployment)
    _forget_old(draft)
    took = f" after {draft.now.wall - deployment.started_at:.1f} s" if deployment.started_at else ""
    draft.event(
        f"deployment.{state}",
        f"deployment {deployment.id} {state}{took}" + (f": {reason}" if reason else ""),
        cause=deployment.cause,
        project=deployment.project,
        deployment=deployment.id,
    )
    project = draft.get(Project, deployment.project)
    if project is None or project.deployment != deployment.id:
        return
    if deployment.kind == "remove" and state == "succeeded":
        _forget(draft, project)
        return
    failed = project.failed
    if deployment.kind != "migrate":
        failed = reason if state == "failed" else ""
    revision = project.revision
    if state == "failed" and not deployment.planned:  # its images were not found: nothing is wanted of it
        revision = _pinned_before(draft, deployment) or revision
    draft.put(msgspec.structs.replace(project, deployment=0, failed=failed, revision=revision))
    drain.queue(draft, deployment.project)
    begin_next(draft, deployment.project)


def _pinned_before(draft: Draft, deployment: Deployment) -> int:
    """The newest revision before it whose images were found, 0 when there is none."""
    for number in range(deployment.from_revision, 0, -1):
        found = draft.revision(deployment.project, number)
        if found is not None and found.pins:
            return number
    return 0


def _forget_old(draft: Draft) -> None:
    if len(draft.base.deployments) - len(draft.base.open_deployments) <= KEPT:
        return
    for old in draft.base.deployments.values():  # in order of their numbers
        current = draft.get(Deployment, old.id)
        if current is not None and current.state in ENDED:
            draft.drop(current)
            return


def begin_next(draft: Draft, code: str) -> None:
    """Take the project's next waiting deployment up, if none runs."""
    project = draft.get(Project, code)
    if project is None or project.deployment or not project.queue:
        return
    draft.put(msgspec.structs.replace(project, deployment=project.queue[0], queue=project.queue[1:]))
    advance(draft, project.queue[0])


def empty(draft: Draft, node: str) -> None:
    """Begin the migrations that projects at rest owe to a draining node."""
    for code in sorted({r.id.project for r in drain.leaving(draft, node)}):
        project = draft.get(Project, code)
        if project is not None and not project.deployment:
            drain.queue(draft, code)
            begin_next(draft, code)


def settle(draft: Draft, replica: Replica) -> None:
    """Outside a deployment an outgoing copy has nothing to wait for once the wanted one is ready."""
    project = draft.get(Project, replica.id.project)
    if project is None or project.deployment or replica.wanted is None or replica.outgoing is None:
        return
    steps.end_outgoing(draft, replica)


def _forget(draft: Draft, project: Project) -> None:
    """The project is removed; its deployments stay for the record, its named volumes stay on their nodes."""
    for waiting in project.queue:
        queued = draft.get(Deployment, waiting)
        if queued is not None:
            finish(draft, queued, "cancelled", "the project was removed")
    for number in range(1, project.last_revision + 1):
        revision = draft.revision(project.code, number)
        if revision is not None:
            draft.drop(revision)
    draft.drop(project)
