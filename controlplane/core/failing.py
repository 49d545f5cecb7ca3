"""What the failures of a deployment's steps mean: go on, pause, end as failed, or go back. Pure judgement.

Rules: Compose's `failure_action` and `max_failure_ratio`. A canary or a second set that fails is always taken back.
"""

from typing import Literal

import msgspec

from controlplane.core import chains, release
from controlplane.core.deployment import RELEASES, Deployment, Step
from controlplane.core.draft import Draft
from protocol.spec import ServiceSpec

Action = Literal["continue", "pause", "fail", "rollback"]

_HARD = frozenset({"resolve", "pull", "canary", "promote", "green", "switch", "stop"})
"""Kinds of steps whose failure is never tolerated by a ratio."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and why."""

    action: Action
    reason: str


def judge(draft: Draft, deployment: Deployment) -> Verdict | None:
    """The verdict on the steps of the direction it goes in now; None when it may go on."""
    failed = [s for s in deployment.steps if s.state == "failed" and s.back == bool(deployment.outcome)]
    if not failed:
        return None
    if deployment.kind in ("scale", "restart", "remove") and not deployment.outcome:
        return Verdict(action="fail", reason=_reason(failed[0]))
    if deployment.kind == "migrate":
        return None  # the others can still leave; told at the end
    hard = next((s for s in failed if s.kind in _HARD), None)
    if hard is not None and not deployment.outcome:
        return Verdict(action=_possible(deployment, "rollback"), reason=_reason(hard))
    for service in sorted({s.service for s in failed}):
        verdict = _judge_service(draft, deployment, service, [s for s in failed if s.service == service])
        if verdict is not None:
            return verdict
    return None


def outcome_of(deployment: Deployment) -> str:
    """Why a deployment that took all its steps did not succeed all the same; "" when it did."""
    failed = [s for s in deployment.steps if s.state == "failed" and s.back == bool(deployment.outcome)]
    if not failed:
        return ""
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{_reason(failed[0])}{more}"


def tolerated(draft: Draft, deployment: Deployment) -> bool:
    """True when `max_failure_ratio` allows for all failures there are."""
    services = {s.service for s in deployment.steps if s.state == "failed" and s.back == bool(deployment.outcome)}
    return deployment.kind in RELEASES and all(
        (spec := _spec(draft, deployment, service)) is not None
        and (is_optional(draft, deployment, service) or not _too_many(deployment, service, spec))
        for service in services
    )


def is_optional(draft: Draft, deployment: Deployment, service: str) -> bool:
    """True when other services only like to have it (`required: false`): they go on without, and a warning is left."""
    revision = draft.revision(deployment.project, deployment.aim)
    return revision is not None and chains.is_optional(revision.spec.services, service)


def _judge_service(draft: Draft, deployment: Deployment, service: str, failed: list[Step]) -> Verdict | None:
    spec = _spec(draft, deployment, service)
    if spec is None or not _too_many(deployment, service, spec) or is_optional(draft, deployment, service):
        return None
    action = release.config(deployment, spec).failure_action
    if deployment.outcome and action != "pause":
        return None  # what can be put back is put back; the rest is told at the end
    if action == "continue":
        return None
    return Verdict(action=_possible(deployment, action), reason=_reason(failed[0]))


def _too_many(deployment: Deployment, service: str, spec: ServiceSpec) -> bool:
    mine = [s for s in deployment.steps if s.service == service and s.replica and s.back == bool(deployment.outcome)]
    failed = sum(s.state == "failed" for s in mine)
    return failed > release.config(deployment, spec).max_failure_ratio * len(mine)


def _possible(deployment: Deployment, action: Action) -> Action:
    """There may be nothing to go back to."""
    return "fail" if action == "rollback" and not deployment.back_to else action


def _reason(step: Step) -> str:
    return step.reason or f"{step.kind} {step.service} failed"


def _spec(draft: Draft, deployment: Deployment, service: str) -> ServiceSpec | None:
    revision = draft.revision(deployment.project, deployment.aim)
    return revision.spec.services.get(service) if revision is not None else None
