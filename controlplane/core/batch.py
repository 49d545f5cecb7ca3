"""Which steps of a deployment are looked at and which may begin now: levels, batches, delays. Called by `rollout`.

Replaces and restarts of a service go `parallelism` at a time; the next batch begins when the last one has ended, which
for a replace means that the new copy is ready, and `delay` has passed. Other steps of a level go at once.
"""

import msgspec

from controlplane.core import dependencies, diff, gates, release, return_wait, steps
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.replica import is_checked
from protocol.spec import ServiceSpec

_BATCHED = frozenset({"replace", "restart"})
_WATCHED = frozenset({"replace", "switch"})
_PLACING = frozenset({"start", "replace", "canary", "green", "return"})


def take(draft: Draft, deployment: Deployment) -> Deployment:
    """Look at every running step, and begin what may begin; nothing begins while the deployment is paused."""
    level = min((s.level for s in deployment.steps if s.open), default=None)
    taken = list(deployment.steps)
    failed = False
    watched_since = draft.now.wall - _longest_monitor(draft, deployment)
    for i, step in enumerate(taken):
        if step.state == "running":
            taken[i] = steps.progress(draft, deployment, step)
        elif step.state == "done" and step.ended_at >= watched_since and (trouble := _relapse(draft, deployment, step)):
            taken[i] = step.ended("failed", draft.now.wall, trouble)
        failed = failed or taken[i].state == "failed" != step.state
    looked = msgspec.structs.replace(deployment, steps=tuple(taken))
    if level is None or failed or deployment.state != "running":
        return looked  # first the failure is judged
    away = return_wait.awaited(draft)
    for i in [*_next(draft, looked, level), *_early(draft, looked, level)]:
        if draft.tired():
            break  # the next decision goes on with it
        if away and taken[i].kind in _PLACING:
            taken[i] = taken[i].saying(away)
            continue
        taken[i] = steps.begin(draft, deployment, taken[i])
        if taken[i].state == "failed":
            break
    return msgspec.structs.replace(looked, steps=tuple(taken))


def watched_until(draft: Draft, deployment: Deployment) -> float:
    """Wall time until which the last new copies are watched for a late failure (`monitor`); 0 = not at all."""
    if deployment.kind not in ("deploy", "update", "rollback"):
        return 0.0
    return max((_monitored_until(draft, deployment, s) for s in deployment.steps if s.state == "done"), default=0.0)


def _next(draft: Draft, deployment: Deployment, level: int) -> list[int]:
    """Places of the steps of this level that may begin now."""
    found: list[int] = []
    queued: dict[str, list[int]] = {}
    for i, step in enumerate(deployment.steps):
        if step.level != level:
            continue
        if step.kind in _BATCHED and not step.together:
            queued.setdefault(step.service, []).append(i)
        elif step.state == "waiting":
            found.append(i)
    for service, places in queued.items():
        found += _batch(draft, deployment, service, places)
    return found


def _early(draft: Draft, deployment: Deployment, level: int) -> list[int]:
    """Places of starts of later levels that need not wait: they ask for `service_started` only, and that it is."""
    revision = draft.revision(deployment.project, deployment.aim)
    if level < diff.FIRST or revision is None:
        return []
    waiting = {s.service for s in deployment.steps if s.state == "waiting"}
    behind = {(s.service, s.level) for s in deployment.steps if s.open}
    found = []
    known: dict[str, bool] = {}
    for i, step in enumerate(deployment.steps):
        if step.kind != "start" or step.state != "waiting" or step.level <= level:
            continue
        if step.service not in known:
            needed = revision.spec.services[step.service].depends_on.keys()
            first = not waiting & needed and all(at >= step.level for name, at in behind if name == step.service)
            known[step.service] = first and not dependencies.unmet(draft, step.key, deployment.aim, everyone=True)
        if known[step.service]:
            found.append(i)
    return found


def _batch(draft: Draft, deployment: Deployment, service: str, places: list[int]) -> list[int]:
    """The next batch of a service, or what a decision that got tired left of the last one."""
    mine = [deployment.steps[i] for i in places]
    waiting = [i for i in places if deployment.steps[i].state == "waiting"]
    spec = _spec(draft, deployment, service)
    size = release.parallelism(deployment, spec) or len(places)
    if any(s.state == "running" for s in mine) or not waiting:
        return []
    ended = [s.ended_at for s in mine if s.ended_at and s.state != "skipped"]
    delay_s = release.config(deployment, spec).delay_s if spec is not None else 0.0
    if ended and draft.now.wall < max(ended) + delay_s:
        return []
    return waiting[:size]


def _longest_monitor(draft: Draft, deployment: Deployment) -> float:
    """Seconds; what ended longer ago need not be looked at, however many steps there are."""
    revision = draft.revision(deployment.project, deployment.aim)
    services = revision.spec.services.values() if revision is not None else ()
    return max((release.config(deployment, s).monitor_s for s in services), default=0.0)


def _relapse(draft: Draft, deployment: Deployment, step: Step) -> str:
    """Why a copy that was ready is not to be trusted after all, within `monitor` of that; "" when it is."""
    if step.back != bool(deployment.outcome) or draft.now.wall > _monitored_until(draft, deployment, step):
        return ""
    if step.kind == "switch":
        return gates.trouble_of(draft, deployment, step)
    replica = draft.replica(step.key)
    wanted = replica.wanted if replica is not None else None
    if replica is None or wanted is None or wanted.epoch != step.epoch or wanted.state == "interrupted":
        return ""
    after = f"{draft.now.wall - step.ended_at:.1f} s after it was ready"
    if wanted.health == "unhealthy" or wanted.state == "failed" or wanted.restarts:
        return f"{replica.id} failed on {wanted.node} {after}: {wanted.reason or wanted.health}"
    return ""


def _monitored_until(draft: Draft, deployment: Deployment, step: Step) -> float:
    """Without a check the copy was up for `monitor` before its step ended."""
    if step.kind not in _WATCHED or deployment.kind == "migrate" or deployment.outcome:
        return 0.0
    spec = _spec(draft, deployment, step.service)
    if spec is None:
        return 0.0
    if step.kind == "switch":
        return step.ended_at + spec.update.monitor_s if gates.is_watched(draft, deployment, step) else 0.0
    replica = draft.replica(step.key)
    if replica is None or replica.wanted is None or not is_checked(replica.wanted, spec):
        return 0.0
    return step.ended_at + release.config(deployment, spec).monitor_s


def _spec(draft: Draft, deployment: Deployment, service: str) -> ServiceSpec | None:
    revision = draft.revision(deployment.project, deployment.aim)
    return revision.spec.services.get(service) if revision is not None else None
