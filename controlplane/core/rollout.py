"""How deployments advance: resolve images, plan, take steps level by level, end; and which one goes next.

A deployment is a stored record moved by these functions, never a coroutine that sleeps (notes/style.md, practice 13).
`advance` may be called at any time and any number of times.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from controlplane.core import (
    batch,
    diff,
    drain,
    failing,
    homecoming,
    placing,
    resolve,
    returning,
    revisions,
    rolling_back,
    waiting,
)
from controlplane.core.deployment import ENDED, RELEASES, Deployment, DeploymentState, Step
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.project import Project, Revision
from controlplane.core.replica import Replica

STALL_S = 600.0
"""Images that are not resolved after so long have failed (Nomad's progress deadline); other steps have their own."""

PAUSE_MAX_S = 24 * 3600.0
"""A deployment that nobody takes up again after so long is cancelled: none blocks its project for ever."""

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
    if deployment is None or deployment.state in ENDED:
        return
    project = draft.get(Project, deployment.project)
    if project is None or project.deployment != deployment.id:
        return  # it waits for another one
    if deployment.state == "waiting":
        deployment = _start(draft, deployment)
    if deployment.state == "paused" and draft.now.wall - deployment.paused_at > PAUSE_MAX_S:
        undo(draft, deployment, "cancelled", f"nobody resumed it within {PAUSE_MAX_S / 3600:.0f} h")
        return
    revision = draft.revision(deployment.project, deployment.revision)
    assert revision is not None, f"deployment {deployment.id} has no revision {deployment.revision}"
    if not deployment.planned:
        if deployment.state == "paused":
            return
        deployment = resolve.advance(draft, deployment, revision)
        if failed := failing.outcome_of(deployment):
            finish(draft, deployment, "failed", failed)
            return
        if not deployment.planned:
            _save_or_stall(draft, deployment)
            return
        deployment = _plan(draft, deployment)
    _take_steps(draft, deployment)


def _start(draft: Draft, deployment: Deployment) -> Deployment:
    """Its turn has come: from now on the project is what it asks for."""
    project = draft.project(deployment.project)
    if deployment.kind == "scale":
        deployment = msgspec.structs.replace(deployment, revision=_scaled(draft, project, deployment))
        project = draft.project(deployment.project)
    elif deployment.kind in _PINNED:
        deployment = msgspec.structs.replace(deployment, revision=project.revision)
    verb = "drain of " + deployment.node if deployment.kind == "migrate" else deployment.kind
    cause = draft.event(
        "deployment.started",
        f"deployment {deployment.id} started: {verb}, {deployment.project} revision {deployment.revision}",
        of=deployment,
    )
    deployment = msgspec.structs.replace(
        deployment,
        state="running",
        reason="",
        from_revision=project.revision,
        back_to=project.good if project.good != deployment.revision else 0,
        started_at=draft.now.wall,
        progress_at=draft.now.wall,
        cause=deployment.cause or cause,
    )
    draft.put(msgspec.structs.replace(project, revision=deployment.revision))
    if deployment.kind in _PINNED:
        return _plan(draft, msgspec.structs.replace(deployment, planned=True))
    return deployment


def _scaled(draft: Draft, project: Project, deployment: Deployment) -> int:
    """The revision of a scale: what the project is now, with other numbers."""
    current = draft.revision(project.code, project.revision)
    assert current is not None, f"{project.code} has no revision {project.revision}"
    spec = revisions.scaled(current.spec, deployment.counts)
    if spec == current.spec:
        return current.number
    made = revisions.add(draft, project, spec, like=current, source=current.source, actor=deployment.actor)
    return made.number


def _plan(draft: Draft, deployment: Deployment) -> Deployment:
    """Make the steps, and take over at once what need not be touched."""
    revision = draft.revision(deployment.project, deployment.aim)
    assert revision is not None
    made = _PLANS[deployment.kind](draft, deployment, revision)
    if deployment.kind not in _PINNED:
        rolling_back.adopt(draft, revision, made)
    return msgspec.structs.replace(deployment, steps=(*deployment.steps, *made))


def _take_steps(draft: Draft, deployment: Deployment) -> None:
    while True:
        before = deployment
        deployment = batch.take(draft, deployment)
        if deployment.state == "running" and (verdict := failing.judge(draft, deployment)):
            match verdict.action:
                case "fail":
                    finish(draft, deployment, "failed", _told(deployment, verdict.reason))
                    return
                case "pause":
                    draft.put(pause(draft, deployment, verdict.reason))
                    return
                case "rollback":
                    deployment = rolling_back.go_back(draft, deployment, "rolled_back", verdict.reason)
                    continue
                case "continue":
                    pass
        if not any(s.open for s in deployment.steps) and deployment.state == "running":
            if draft.now.wall < batch.watched_until(draft, deployment):
                break
            _end(draft, deployment)
            return
        if deployment.steps == before.steps or draft.unfinished:
            break
    draft.put(deployment)


def _told(deployment: Deployment, reason: str) -> str:
    return f"{deployment.reason}; then it could not go back: {reason}" if deployment.outcome else reason


def _end(draft: Draft, deployment: Deployment) -> None:
    """All its steps are taken: which word is true of it?"""
    failed = failing.outcome_of(deployment)
    if deployment.kind == "migrate":
        returning.undo_moves(draft, deployment)
    if deployment.outcome:
        if failed:
            finish(draft, deployment, "failed", _told(deployment, failed))
        else:
            finish(draft, deployment, deployment.outcome, deployment.reason)
    elif failed and not failing.tolerated(draft, deployment):
        finish(draft, deployment, "failed", failed)
    else:
        _succeed(draft, deployment, failed)


def _succeed(draft: Draft, deployment: Deployment, failed: str) -> None:
    """What failed all the same is a warning: nobody requires it, or there may be so many failures."""
    optional = {s.service for s in deployment.steps if s.state == "failed" and not s.back}
    if failed and all(failing.is_optional(draft, deployment, name) for name in optional):
        deployment = msgspec.structs.replace(deployment, warnings=(*deployment.warnings, failed))
        finish(draft, deployment, "succeeded", f"nothing requires it: {failed}")
    else:
        finish(draft, deployment, "succeeded", f"max_failure_ratio allows for it: {failed}" if failed else "")


def pause(draft: Draft, deployment: Deployment, reason: str) -> Deployment:
    """Nothing more begins until it is resumed; what has begun goes on to its end."""
    draft.event(
        "deployment.paused",
        f"deployment {deployment.id} paused: {reason}",
        of=deployment,
    )
    return msgspec.structs.replace(deployment, state="paused", reason=reason, paused_at=draft.now.wall)


def undo(draft: Draft, deployment: Deployment, outcome: Literal["cancelled", "rolled_back"], reason: str) -> None:
    """End it before it is done, with everything as it was before where that is possible."""
    if deployment.outcome:  # it goes back already
        draft.put(msgspec.structs.replace(deployment, state="running", paused_at=0.0))
        return
    touched = deployment.planned and deployment.kind in {*RELEASES, "scale"} and deployment.back_to
    if not touched:
        finish(draft, deployment, "cancelled", reason)
        return
    draft.put(rolling_back.go_back(draft, deployment, outcome, reason))
    advance(draft, deployment.id)


def _save_or_stall(draft: Draft, deployment: Deployment) -> None:
    """Keep how far it is, unless its images could not be resolved for too long."""
    if draft.now.wall - deployment.progress_at <= STALL_S:
        draft.put(deployment)
        return
    reason = next((s.reason for s in deployment.steps if s.open and s.reason), "")
    finish(draft, deployment, "failed", f"no progress for {STALL_S:.0f} s: {reason or 'no reason known'}")


def finish(draft: Draft, deployment: Deployment, state: DeploymentState, reason: str = "") -> None:
    """End a deployment, say so, and let the next one begin."""
    wall = draft.now.wall
    left = tuple(s.ended("skipped", wall, reason or s.reason) if s.open else s for s in deployment.steps)
    deployment = msgspec.structs.replace(deployment, state=state, reason=reason, steps=left, ended_at=wall)
    draft.put(deployment)
    _forget_old(draft)
    took = f" after {wall - deployment.started_at:.1f} s" if deployment.started_at else ""
    draft.event(
        f"deployment.{state}",
        f"deployment {deployment.id} {state}{took}" + (f": {reason}" if reason else ""),
        of=deployment,
    )
    project = draft.get(Project, deployment.project)
    if project is None or project.deployment != deployment.id:
        return
    if deployment.kind == "remove" and state == "succeeded":
        _forget(draft, project)
        return
    draft.put(_after(draft, project, deployment))
    drain.queue(draft, deployment.project)
    begin_next(draft, deployment.project)


def _after(draft: Draft, project: Project, ended: Deployment) -> Project:
    """The project when its deployment has ended."""
    failed, good, revision = project.failed, project.good, project.revision
    if ended.kind != "migrate":
        failed = ended.reason if ended.state == "failed" else ""
    if ended.state == "succeeded" and ended.kind in {*RELEASES, "scale"}:
        good = ended.revision
    if ended.started_at and not ended.planned and ended.state != "superseded":
        revision = _pinned_before(draft, ended) or revision  # its images were not found: nothing is wanted of it
    return msgspec.structs.replace(
        project,
        deployment=0,
        failed=failed,
        good=good,
        revision=revision,
        failed_migrations=_failed_migrations(draft, project, ended),
    )


def _failed_migrations(draft: Draft, project: Project, ended: Deployment) -> tuple[int, ...]:
    """With this one in the place of the former one of its node; those that are kept no longer go."""
    if ended.kind != "migrate" or ended.state != "failed":
        return project.failed_migrations
    others = (draft.get(Deployment, number) for number in project.failed_migrations)
    return (*(d.id for d in others if d is not None and d.node != ended.node), ended.id)


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
    waiting.tell(draft, code)
    advance(draft, project.queue[0])


def empty(draft: Draft, node: str) -> None:
    """Begin the migrations that projects at rest owe to a draining node; end them when it is too late."""
    found = draft.get(Node, node)
    if found is None or not drain.look(draft, found):
        for late in drain.migrations(draft, node):
            if late.state == "waiting":
                waiting.leave(draft, late)
            finish(draft, late, "failed", f"the drain of {node} is over its deadline")
        return
    for code in sorted({r.id.project for r in drain.leaving(draft, node)}):
        project = draft.get(Project, code)
        if project is not None and not project.deployment:
            drain.queue(draft, code)
            begin_next(draft, code)


def settle(draft: Draft, replica: Replica) -> None:
    """Outside a deployment an outgoing copy has nothing to wait for once the wanted one is ready, unless it is kept."""
    project = draft.get(Project, replica.id.project)
    if project is None or project.deployment or replica.wanted is None or replica.outgoing is None:
        return
    if homecoming.is_missed(draft, replica):
        return
    if draft.now.wall >= replica.kept_until or drain.is_draining(draft, replica.outgoing.node):
        placing.end_outgoing(draft, replica)


def _forget(draft: Draft, project: Project) -> None:
    """The project is removed; its deployments stay for the record, its named volumes stay on their nodes."""
    for number in project.queue:
        queued = draft.get(Deployment, number)
        if queued is not None:
            finish(draft, queued, "cancelled", "the project was removed")
    for number in range(1, project.last_revision + 1):
        revision = draft.revision(project.code, number)
        if revision is not None:
            draft.drop(revision)
    draft.drop(project)
