"""One step of a deployment: how it begins, goes on, and ends. Called by `batch`; gives the step as it is now.

A step only looks at replicas and tasks as they are, so a restart of the Center in its middle changes nothing. Every
step has a deadline; what it does in detail is in the module of its kind.
"""

from typing import assert_never

import msgspec

from controlplane.core import chains, gates, jobs, placing, pulling, restarting, returning, stopping
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from protocol.spec import ServiceSpec

STEP_S = 600.0
"""A step that has not ended after so long has failed; a health check's `start_period` comes on top."""


def begin(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Take a waiting step up."""
    step = msgspec.structs.replace(step, state="running", started_at=draft.now.wall, reason="")
    match step.kind:
        case "start":
            return placing.begin_start(draft, deployment, step)
        case "replace" | "canary" | "green":
            return placing.begin_replace(draft, deployment, step)
        case "promote" | "switch":
            return gates.progress(draft, deployment, step)
        case "return":
            return returning.begin(draft, deployment, step)
        case "pull":
            return pulling.begin(draft, deployment, step)
        case "stop":
            return stopping.begin(draft, deployment, step)
        case "restart":
            return restarting.begin(draft, deployment, step)
        case "resolve":
            return step
        case _:
            assert_never(step.kind)


def progress(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Look at a running step again."""
    looked = _look(draft, deployment, step)
    if looked.state != "running" or looked.kind in ("resolve", "promote"):
        return looked  # these have deadlines of their own
    limit_s = STEP_S + _grace_s(draft, deployment, looked)
    if draft.now.wall - looked.started_at < limit_s:
        return looked
    return looked.ended("failed", draft.now.wall, f"not done within {limit_s:.0f} s: {_name(looked)} {looked.reason}")


def _look(draft: Draft, deployment: Deployment, step: Step) -> Step:
    match step.kind:
        case "start" | "replace" | "canary" | "green":
            return placing.progress(draft, deployment, step)
        case "promote" | "switch":
            return gates.progress(draft, deployment, step)
        case "return":
            return returning.progress(draft, step)
        case "pull":
            return pulling.progress(draft, step)
        case "stop":
            return stopping.progress(draft, step)
        case "restart":
            return restarting.progress(draft, deployment, step)
        case "resolve":
            return step
        case _:
            assert_never(step.kind)


def _grace_s(draft: Draft, deployment: Deployment, step: Step) -> float:
    """What the service itself says that it takes to come up."""
    revision = draft.revision(deployment.project, deployment.aim)
    spec: ServiceSpec | None = revision.spec.services.get(step.service) if revision is not None else None
    if spec is None or step.replica is None:
        return 0.0
    period_s = spec.health.start_period_s if spec.health is not None else 0.0
    if chains.must_complete(revision.spec.services if revision is not None else {}, step.service):
        period_s += jobs.RUN_S
    return period_s + (spec.probe.start_period_s if spec.probe is not None else 0.0) + spec.update.monitor_s


def _name(step: Step) -> str:
    return f"{step.replica}:" if step.replica is not None else f"{step.service}:"
