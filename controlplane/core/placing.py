"""Steps that give a replica a new copy: start, replace, canary, green. The old copy goes when the new one is ready.

Called by `steps`. Where nothing fits, the step goes on trying at every look until its deadline.
"""

import msgspec

from controlplane.core import assigning, chains, healing, jobs, release
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.placement import Placed, Unplaced
from controlplane.core.replica import Assignment, Replica, Serves, is_ready
from protocol.spec import ServiceSpec, UpdateConfig

START_FAILURES = 3
"""Restarts of a first start that fail its step: services that wait for each other may need a second try."""

REPLACE_FAILURES = 1
"""Restarts of a replacement that fail its step: the old one is there to compare with."""


def begin_start(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """A replica that is not there."""
    old = draft.replica(step.key) or Replica(
        id=step.key, revision=deployment.aim, epoch=draft.meta.epoch_floor, since=draft.now.wall
    )
    fresh = _fresh(old, deployment, deployment.aim)
    draft.put(fresh)
    if fresh.wanted is None:
        healing.place_pending(draft, fresh, deployment=deployment.id)
    return _look(draft, deployment, step)


def begin_replace(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """A new copy beside the old one, or after its end."""
    replica = draft.replica(step.key)
    if replica is None:
        return step.ended("skipped", draft.now.wall, "it is not there any more")
    replica = assigning.take_back(draft, replica)
    moving = deployment.kind == "migrate"
    revision = replica.revision if moving else deployment.aim
    fresh = _fresh(replica, deployment, revision, "outgoing" if step.kind == "green" else "both")
    old = fresh.wanted
    if old is None or old.state == "interrupted":
        return _replace_lost(draft, deployment, step, fresh)
    spec = draft.spec(fresh.id, revision)
    assert spec is not None
    if moving and old.node != deployment.node:
        return step.ended("skipped", draft.now.wall, f"it is on {old.node} already")
    reason = ""
    for start_first in _orders(spec, release.config(deployment, spec), step, moving=moving):
        placed = _try_replace(draft, deployment, fresh, old, start_first=start_first)
        if isinstance(placed, Placed):
            current = draft.replica(fresh.id)
            assert current is not None
            assigning.tell_placed(draft, current, placed, deployment.cause, deployment=deployment.id)
            return _look(draft, deployment, step)
        reason = placed.reason
    draft.put(replica)  # nothing fits: as it was; tried again at the next look
    return step.saying(f"waits for a place: {reason}")


def _orders(spec: ServiceSpec, config: UpdateConfig, step: Step, *, moving: bool) -> tuple[bool, ...]:
    """Start-first or not. An order that nobody asked for gives way when there is no room for both copies."""
    if moving or step.kind in ("canary", "green"):
        return (True,)
    start_first, _ = release.order_of(spec, config)
    if not start_first:
        return (False,)
    return (True,) if config.order is not None else (True, False)


def _try_replace(
    draft: Draft, deployment: Deployment, fresh: Replica, old: Assignment, *, start_first: bool
) -> Placed | Unplaced:
    kept = _kept(fresh)
    going = old if start_first and kept is None else msgspec.structs.replace(old, ending=True)
    bare = msgspec.structs.replace(fresh, wanted=None, outgoing=kept or going, kept_until=0.0)
    draft.put(bare)
    draining = deployment.kind == "migrate"
    spec = draft.spec(fresh.id, fresh.revision)
    strict = spec is not None and spec.port_strict
    placed = assigning.choose(
        draft,
        bare,
        fixed_required=not draining or strict,
        stay="" if draining else old.node,
        prefer=old.ports,
    )
    if isinstance(placed, Unplaced):
        return placed
    if kept is not None:  # the former update failed half way: what still serves goes on serving
        assigning.withdraw(draft, fresh.id, old, "replaced before it was ready")
    else:
        if fresh.outgoing is not None:
            assigning.withdraw(draft, fresh.id, fresh.outgoing, "a newer copy is going out")
        going = old if start_first else assigning.end(draft, fresh.id, old, deployment.id)
        bare = msgspec.structs.replace(bare, outgoing=going)
    hold = bare.outgoing is not None and bare.outgoing.ending
    assigning.assign(draft, bare, placed, hold=hold, deployment=deployment.id)
    return placed


def _kept(replica: Replica) -> Assignment | None:
    """The former copy that still serves, if one does. One kept after a blue-green switch serves nobody."""
    outgoing = replica.outgoing
    if outgoing is None or outgoing.ending or replica.kept_until:
        return None
    return outgoing


def _replace_lost(draft: Draft, deployment: Deployment, step: Step, fresh: Replica) -> Step:
    """Nothing runs that could be compared with: it comes up new wherever failover or placement puts it."""
    draft.put(fresh)
    if fresh.wanted is None:
        stay = fresh.outgoing.node if fresh.outgoing is not None and deployment.kind != "migrate" else ""
        healing.place_pending(draft, fresh, stay=stay, deployment=deployment.id)
    return _look(draft, deployment, step)


def _fresh(replica: Replica, deployment: Deployment, revision: int, serves: Serves = "both") -> Replica:
    """A person asked again: former failures do not count."""
    return msgspec.structs.replace(
        replica,
        revision=revision,
        moves=0,
        avoid=(),
        failed=False,
        ending=False,
        remap=deployment.kind == "migrate",
        serves=serves,
        cause=deployment.cause,
    )


def progress(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Look at the new copy, or try again to find a place for it."""
    if step.kind != "start" and not step.epoch:
        return step if draft.tired() else begin_replace(draft, deployment, step)
    return _look(draft, deployment, step)


def _look(draft: Draft, deployment: Deployment, step: Step) -> Step:
    replica = draft.replica(step.key)
    if replica is None:
        return step.ended("failed", draft.now.wall, "it was removed meanwhile")
    wanted = replica.wanted
    if wanted is not None and wanted.revision != replica.revision and wanted.state != "interrupted":
        return begin_replace(draft, deployment, step)  # its node is back with the copy of the former revision
    if replica.failed:
        reason = wanted.reason if wanted is not None else replica.reason
        return step.ended("failed", draft.now.wall, f"{replica.id} failed for good: {reason}")
    if wanted is None:
        return step.saying(replica.reason or "waits for a place")
    spec = draft.spec(replica.id, wanted.revision)
    assert spec is not None
    step = msgspec.structs.replace(step, epoch=wanted.epoch, task=wanted.task, reason=_saying(wanted))
    done = wanted.state != "interrupted" and _is_done(draft, deployment, step, wanted, spec)
    failure = "" if done and step.kind == "start" else failure_of(step, wanted, spec)  # restarts may be of long ago
    if failure:
        return step.ended("failed", draft.now.wall, failure)
    if not done:
        return step
    if step.kind in ("start", "replace") and not _is_missed(draft, deployment, step):
        end_outgoing(draft, replica, deployment.id)
    return step.ended("done", draft.now.wall)


def _is_missed(draft: Draft, deployment: Deployment, step: Step) -> bool:
    """True in a drain while services that depend on this one have not left the node: they reach it by name there. Its
    former copy ends when the drain of the project is done (`rollout.settle`).
    """
    revision = draft.revision(deployment.project, deployment.aim)
    if deployment.kind != "migrate" or revision is None:
        return False
    needed_by = chains.needed_by(revision.spec.services, step.service)
    return any(s.open and s.service in needed_by for s in deployment.steps)


def _is_done(draft: Draft, deployment: Deployment, step: Step, wanted: Assignment, spec: ServiceSpec) -> bool:
    """Ready; a job that others wait for is done when it has completed."""
    revision = draft.revision(deployment.project, deployment.aim)
    if revision is not None and chains.must_complete(revision.spec.services, step.service):
        return jobs.completed(wanted)
    return is_ready(wanted, spec, draft.now.wall, release.config(deployment, spec).monitor_s)


def end_outgoing(draft: Draft, replica: Replica, deployment: int = 0) -> None:
    """The wanted copy is ready: withdraw the outgoing one, if it is not ending already."""
    wanted, outgoing = replica.wanted, replica.outgoing
    if wanted is None or outgoing is None or outgoing.ending:
        return
    spec = draft.spec(replica.id, wanted.revision)
    if spec is not None and is_ready(wanted, spec, draft.now.wall):
        ending = assigning.end(draft, replica.id, outgoing, deployment)
        draft.put(msgspec.structs.replace(replica, outgoing=ending, serves="both", kept_until=0.0))


def failure_of(step: Step, wanted: Assignment, spec: ServiceSpec) -> str:
    """Why the step fails, or "". A pull is tried again by the agent until it gives up, and so is a job with
    `restart: on-failure` as often as that says.
    """
    if wanted.state == "interrupted" or wanted.code in ("port_taken", "engine_down"):
        return ""
    retried = spec.restart == "on-failure"
    limit = START_FAILURES if step.kind == "start" or retried else REPLACE_FAILURES
    failed = wanted.gave_up or wanted.restarts >= max(limit, spec.restart_max) or jobs.failed_for_good(spec, wanted)
    if wanted.code not in ("pull_failed", "image_missing"):
        failed = failed or wanted.code == "refused"
        broken = wanted.health == "unhealthy" or (wanted.state == "failed" and not retried)
        failed = failed or (step.kind != "start" and broken)
        failed = failed or (wanted.state == "stopped" and wanted.exit_code not in (0, None))
    if not failed:
        return ""
    again = f"restarted {wanted.restarts} times" if wanted.restarts else wanted.health
    return f"{step.replica} failed on {wanted.node}: {wanted.reason or again}"


def _saying(wanted: Assignment) -> str:
    """What a running step waits for."""
    if wanted.hold:
        return wanted.reason if wanted.awaits and wanted.reason else "waits for the old one to end"
    return wanted.reason or f"{wanted.state} on {wanted.node}"
