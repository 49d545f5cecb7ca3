"""Steps at which a release is judged as a whole: the promotion of canaries, and the switch of a blue-green set.

Called by `steps`; `promote` also by a person's command. Both look at every new copy each time.
"""

import msgspec

from controlplane.core import placing
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.replica import Replica, is_checked, is_ready
from protocol.spec import ServiceSpec

OPEN_MAX_S = 24 * 3600.0
"""A canary that nobody promotes is taken back after so long: no deployment waits for ever."""

LATE_MAX_S = 600.0
"""A canary that lost its node is waited for so long beyond `observe`."""


def progress(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Look at the canaries, or at the second set; fail with the first that is not well."""
    revision = draft.revision(deployment.project, deployment.aim)
    spec = revision.spec.services.get(step.service) if revision is not None else None
    if spec is None:
        return step.ended("skipped", draft.now.wall, "the service is not there any more")
    fresh = _fresh(draft, deployment, step)
    if trouble := trouble_of(draft, deployment, step):
        return step.ended("failed", draft.now.wall, trouble)
    ready = all(_is_ready(draft, replica) for replica in fresh)
    if step.kind == "switch":
        return _switch(draft, spec, step, fresh) if ready else step.saying("waits until the whole new set is healthy")
    return _observe(draft, deployment, spec, step, ready=ready)


def trouble_of(draft: Draft, deployment: Deployment, step: Step) -> str:
    """Why the canaries or the second set are not to be trusted, naming the first that is not well; "" when all are."""
    what = "canary" if step.kind == "promote" else "new copy"
    for replica in _fresh(draft, deployment, step):
        if trouble := _trouble(replica):
            return f"{what} {replica.id} {trouble}"
    return ""


def is_watched(draft: Draft, deployment: Deployment, step: Step) -> bool:
    """True when checks tell how the new copies are."""
    for replica in _fresh(draft, deployment, step):
        spec = draft.spec(replica.id, replica.wanted.revision) if replica.wanted is not None else None
        return replica.wanted is not None and spec is not None and is_checked(replica.wanted, spec)
    return False


def promote(draft: Draft, deployment: Deployment, step: Step, reason: str) -> Step:
    """The canaries take over from their former copies; the rest follows."""
    for replica in _fresh(draft, deployment, step):
        placing.end_outgoing(draft, replica, deployment.id)
    draft.event(
        "deployment.promoted",
        f"deployment {deployment.id}: the canary of {step.service} is promoted, {reason}",
        of=deployment,
    )
    return step.ended("done", draft.now.wall, reason)


def _fresh(draft: Draft, deployment: Deployment, step: Step) -> list[Replica]:
    """The replicas with a copy under judgement."""
    kind = "canary" if step.kind == "promote" else "green"
    mine = (s for s in deployment.steps if s.kind == kind and s.service == step.service and s.state == "done")
    found = (draft.replica(s.key) for s in mine)
    return [r for r in found if r is not None]


def _trouble(replica: Replica) -> str:
    """Why a new copy is not to be trusted; one whose node was lost is not to blame."""
    wanted = replica.wanted
    if wanted is None or wanted.state == "interrupted" or wanted.code in ("port_taken", "engine_down"):
        return ""
    if wanted.health == "unhealthy":
        return f"is unhealthy on {wanted.node}: {wanted.reason}".rstrip(": ")
    if replica.failed or wanted.gave_up or wanted.state == "failed":
        return f"failed on {wanted.node}: {wanted.reason}".rstrip(": ")
    if wanted.restarts:
        return f"was restarted on {wanted.node}: {wanted.reason}".rstrip(": ")
    if wanted.state == "stopped" and wanted.exit_code not in (0, None):
        return f"ended on {wanted.node} with exit code {wanted.exit_code}"
    return ""


def _is_ready(draft: Draft, replica: Replica) -> bool:
    wanted = replica.wanted
    spec = draft.spec(replica.id, wanted.revision) if wanted is not None else None
    return wanted is not None and spec is not None and is_ready(wanted, spec, draft.now.wall, spec.update.monitor_s)


def _observe(draft: Draft, deployment: Deployment, spec: ServiceSpec, step: Step, *, ready: bool) -> Step:
    assert spec.canary is not None
    seen_s = draft.now.wall - step.started_at
    if spec.canary.promote == "auto":
        if seen_s >= spec.canary.observe_s and ready:
            return promote(draft, deployment, step, f"observed for {spec.canary.observe_s:g} s")
        if seen_s >= spec.canary.observe_s + LATE_MAX_S:
            return step.ended("failed", draft.now.wall, f"the canary of {step.service} is not ready")
        return step.saying(f"observed for {spec.canary.observe_s:g} s, then promoted")
    if seen_s >= OPEN_MAX_S:
        return step.ended("failed", draft.now.wall, f"nobody promoted it within {OPEN_MAX_S / 3600:.0f} h")
    return step.saying(
        f"waits for a person: rope deploy promote {deployment.project}, or rope deploy abort {deployment.project}"
    )


def _switch(draft: Draft, spec: ServiceSpec, step: Step, fresh: list[Replica]) -> Step:
    """All at one moment: from now on only the new set is announced, the old one is kept for a while."""
    for replica in fresh:
        if replica.outgoing is not None and not replica.outgoing.ending:
            kept_until = draft.now.wall + spec.release_keep_s
            draft.put(msgspec.structs.replace(replica, serves="wanted", kept_until=kept_until))
    return step.ended("done", draft.now.wall)
