"""What people do to a deployment that is under way: pause, resume, cancel, promote a canary, abort a release."""

import msgspec

from controlplane.core import gates, rollout, waiting
from controlplane.core.command import (
    AbortRelease,
    CancelDeployment,
    PauseDeployment,
    PromoteCanary,
    ResumeDeployment,
)
from controlplane.core.deployment import ENDED, RELEASES, Deployment
from controlplane.core.draft import Draft
from controlplane.core.project import Project
from controlplane.core.record import Refused


def pause(draft: Draft, command: PauseDeployment) -> Deployment:
    """Begin nothing more; what has begun goes on to its end."""
    deployment = _running(draft, command.deployment, "paused")
    if deployment.state != "paused":
        draft.put(rollout.pause(draft, deployment, f"asked by {command.actor}"))
    return _now(draft, deployment)


def resume(draft: Draft, command: ResumeDeployment) -> Deployment:
    """Go on where it was paused; steps that failed are tried again."""
    deployment = _running(draft, command.deployment, "resumed")
    if deployment.state != "paused":
        return deployment
    steps = tuple(
        msgspec.structs.replace(s, state="waiting", reason="", started_at=0.0, ended_at=0.0, epoch=0, task="")
        if s.state == "failed" and s.back == bool(deployment.outcome)
        else s
        for s in deployment.steps
    )
    draft.event(
        "deployment.resumed",
        f"deployment {deployment.id} resumed, asked by {command.actor}",
        of=deployment,
    )
    draft.put(
        msgspec.structs.replace(
            deployment, state="running", steps=steps, reason="", paused_at=0.0, progress_at=draft.now.wall
        )
    )
    rollout.advance(draft, deployment.id)
    return _now(draft, deployment)


def cancel(draft: Draft, command: CancelDeployment) -> Deployment:
    """End it. A release or scale goes back to how it was; a restart or drain stops where it is."""
    deployment = _open(draft, command.deployment, "cancelled")
    reason = f"cancelled by {command.actor}"
    if deployment.state == "waiting":
        waiting.leave(draft, deployment)
        rollout.finish(draft, deployment, "cancelled", reason)
        return _now(draft, deployment)
    if deployment.kind == "remove":
        raise Refused(
            "conflict", "a removal cannot be cancelled; deploy the file again, which supersedes it", "deployment"
        )
    rollout.undo(draft, deployment, "cancelled", reason)
    return _now(draft, deployment)


def promote(draft: Draft, command: PromoteCanary) -> Deployment:
    """The canaries that are observed now take over, and the rest follows."""
    deployment = _running(draft, command.deployment, "promoted")
    observed = [s for s in deployment.steps if s.kind == "promote" and s.state == "running"]
    if not observed:
        waits = any(s.kind == "promote" and s.state == "waiting" for s in deployment.steps)
        why = "its canary is not up yet" if waits else "it has no canary to promote"
        raise Refused("conflict", f"deployment {deployment.id}: {why}", "deployment")
    if deployment.state == "paused":
        raise Refused("conflict", f"deployment {deployment.id} is paused; resume it first", "deployment")
    steps = [
        gates.promote(draft, deployment, s, f"asked by {command.actor}") if s in observed else s
        for s in deployment.steps
    ]
    draft.put(msgspec.structs.replace(deployment, steps=tuple(steps)))
    rollout.advance(draft, deployment.id)
    return _now(draft, deployment)


def abort(draft: Draft, command: AbortRelease) -> Deployment:
    """Take a release back: its canaries or new copies end, the former ones serve."""
    deployment = _running(draft, command.deployment, "aborted")
    if deployment.kind not in RELEASES:
        raise Refused(
            "conflict", f"deployment {deployment.id} is a {deployment.kind}, not a release; cancel it", "deployment"
        )
    rollout.undo(draft, deployment, "rolled_back", f"aborted by {command.actor}")
    return _now(draft, deployment)


def _open(draft: Draft, number: int, verb: str) -> Deployment:
    deployment = draft.get(Deployment, number)
    if deployment is None:
        raise Refused("not_found", f"there is no deployment {number}", "deployment")
    if deployment.state in ENDED:
        raise Refused("conflict", f"deployment {number} has {deployment.state} and cannot be {verb}", "deployment")
    return deployment


def _running(draft: Draft, number: int, verb: str) -> Deployment:
    deployment = _open(draft, number, verb)
    project = draft.get(Project, deployment.project)
    if project is None or project.deployment != number:
        raise Refused("conflict", f"deployment {number} is {deployment.reason or 'waiting'}; it can only be cancelled")
    return deployment


def _now(draft: Draft, deployment: Deployment) -> Deployment:
    found = draft.get(Deployment, deployment.id)
    assert found is not None
    return found
