"""One step of a deployment: how it begins, goes on, and ends. Called by `rollout`; gives the step as it is now.

A step only looks at replicas and tasks as they are, so a restart of the Center in its middle changes nothing.
"""

import msgspec

from controlplane.core import assigning, healing, observe, tasks
from controlplane.core.deployment import Deployment, Step, StepState
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.placement import Placed, Unplaced
from controlplane.core.replica import Assignment, Replica, is_ready, ref
from controlplane.core.task import Task
from protocol.names import ReplicaId
from protocol.spec import ServiceSpec

START_FAILURES = 3
"""Restarts of a first start that fail its step: services that wait for each other may need a second try."""

REPLACE_FAILURES = 1
"""Restarts of a replacement that fail its step: the old one is there to compare with."""


def begin(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Take a waiting step up."""
    step = msgspec.structs.replace(step, state="running", started_at=draft.now.wall)
    match step.kind:
        case "start":
            return _begin_start(draft, deployment, step)
        case "replace":
            return _begin_replace(draft, deployment, step)
        case "stop":
            return _begin_stop(draft, deployment, step)
        case "restart":
            return _begin_restart(draft, deployment, step)
        case "resolve":
            return step


def progress(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Look at a running step again."""
    match step.kind:
        case "start" | "replace":
            return _progress_place(draft, deployment, step)
        case "stop":
            return _progress_stop(draft, step)
        case "restart":
            return _progress_restart(draft, deployment, step)
        case "resolve":
            return step


def ended(draft: Draft, step: Step, state: StepState, reason: str = "") -> Step:
    """The step, over."""
    return msgspec.structs.replace(step, state=state, reason=reason[:500], ended_at=draft.now.wall)


def _key(step: Step) -> ReplicaId:
    assert step.replica is not None
    return step.replica


# -- start and replace ----------------------------------------------------------------------------------------------


def _begin_start(draft: Draft, deployment: Deployment, step: Step) -> Step:
    key = _key(step)
    old = draft.replica(key) or Replica(
        id=key, revision=deployment.revision, epoch=draft.meta.epoch_floor, since=draft.now.wall
    )
    fresh = _fresh(old, deployment, deployment.revision)
    draft.put(fresh)
    if fresh.wanted is None:
        healing.place_pending(draft, fresh, deployment=deployment.id)
    return _progress_place(draft, deployment, step)


def _begin_replace(draft: Draft, deployment: Deployment, step: Step) -> Step:
    replica = draft.replica(_key(step))
    if replica is None:
        return ended(draft, step, "skipped", "it is not there any more")
    replica = assigning.take_back(draft, replica)
    moving = deployment.kind == "migrate"
    revision = replica.revision if moving else deployment.revision
    fresh = _fresh(replica, deployment, revision)
    old = fresh.wanted
    if old is None or old.state == "interrupted":
        return _replace_lost(draft, deployment, step, fresh)
    spec = draft.spec(fresh.id, revision)
    assert spec is not None
    if moving and old.node != deployment.node:
        return ended(draft, step, "skipped", f"it is on {old.node} already")
    reason = ""
    for start_first in _orders(spec, moving):
        placed = _try_replace(draft, deployment, fresh, old, start_first)
        if isinstance(placed, Placed):
            current = draft.replica(fresh.id)
            assert current is not None
            assigning.tell_placed(draft, current, placed, deployment.cause, deployment=deployment.id)
            return _progress_place(draft, deployment, step)
        reason = placed.reason
    draft.put(replica)  # nothing fits: as it was; tried again at the next look
    return msgspec.structs.replace(step, state="waiting", started_at=0.0, reason=reason[:500])


def _orders(spec: ServiceSpec, moving: bool) -> tuple[bool, ...]:
    """Start-first when old and new can run side by side, else (or when there is no room for both) stop-first."""
    alone = any(p.fixed for p in spec.ports) or bool(spec.local_data)
    if moving:
        return (True,)
    return (False,) if alone else (True, False)


def _try_replace(
    draft: Draft, deployment: Deployment, fresh: Replica, old: Assignment, start_first: bool
) -> Placed | Unplaced:
    kept = fresh.outgoing if fresh.outgoing is not None and not fresh.outgoing.ending else None
    going = old if start_first and kept is None else msgspec.structs.replace(old, ending=True)
    bare = msgspec.structs.replace(fresh, wanted=None, outgoing=kept or going)
    draft.put(bare)
    draining = deployment.kind == "migrate"
    placed = assigning.choose(
        draft, bare, fixed_required=not draining, stay="" if draining else old.node, prefer=old.ports
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


def _replace_lost(draft: Draft, deployment: Deployment, step: Step, fresh: Replica) -> Step:
    """Nothing runs that could be compared with: it comes up new wherever failover or placement puts it."""
    draft.put(fresh)
    if fresh.wanted is None:
        stay = fresh.outgoing.node if fresh.outgoing is not None and deployment.kind != "migrate" else ""
        healing.place_pending(draft, fresh, stay=stay, deployment=deployment.id)
    return _progress_place(draft, deployment, step)


def _fresh(replica: Replica, deployment: Deployment, revision: int) -> Replica:
    """A person asked again: former failures do not count."""
    return msgspec.structs.replace(
        replica,
        revision=revision,
        moves=0,
        avoid=(),
        failed=False,
        ending=False,
        remap=deployment.kind == "migrate",
        cause=deployment.cause,
    )


def _progress_place(draft: Draft, deployment: Deployment, step: Step) -> Step:
    replica = draft.replica(_key(step))
    if replica is None:
        return ended(draft, step, "failed", "it was removed meanwhile")
    wanted = replica.wanted
    if wanted is not None and wanted.revision != replica.revision and wanted.state != "interrupted":
        return _begin_replace(draft, deployment, step)  # its node is back with the copy of the former revision
    if replica.failed:
        return ended(draft, step, "failed", _why(replica))
    if wanted is None:
        return msgspec.structs.replace(step, reason=replica.reason)
    spec = draft.spec(replica.id, wanted.revision)
    assert spec is not None
    step = msgspec.structs.replace(step, epoch=wanted.epoch, task=wanted.task, reason=_saying(wanted))
    failure = _failure(step, wanted)
    if failure:
        return ended(draft, step, "failed", failure)
    if wanted.state == "interrupted" or not is_ready(wanted, spec, draft.now.wall):
        return step
    end_outgoing(draft, replica, deployment.id)
    return ended(draft, step, "done")


def end_outgoing(draft: Draft, replica: Replica, deployment: int = 0) -> None:
    """The wanted copy is ready: withdraw the outgoing one, if it is not ending already."""
    wanted, outgoing = replica.wanted, replica.outgoing
    if wanted is None or outgoing is None or outgoing.ending:
        return
    spec = draft.spec(replica.id, wanted.revision)
    if spec is not None and is_ready(wanted, spec, draft.now.wall):
        ending = assigning.end(draft, replica.id, outgoing, deployment)
        draft.put(msgspec.structs.replace(replica, outgoing=ending))


def _failure(step: Step, wanted: Assignment) -> str:
    """Why the step fails, or "". A pull is tried again by the agent until it gives up."""
    if wanted.state == "interrupted" or wanted.code in ("port_taken", "engine_down"):
        return ""
    limit = START_FAILURES if step.kind == "start" else REPLACE_FAILURES
    failed = wanted.gave_up or wanted.restarts >= limit
    if wanted.code not in ("pull_failed", "image_missing"):
        failed = failed or wanted.code == "refused"
        failed = failed or (step.kind == "replace" and (wanted.state == "failed" or wanted.health == "unhealthy"))
        failed = failed or (wanted.state == "stopped" and wanted.exit_code not in (0, None))
    if not failed:
        return ""
    return f"{step.replica} failed on {wanted.node}: {wanted.reason or wanted.health}"


def _why(replica: Replica) -> str:
    wanted = replica.wanted
    reason = wanted.reason if wanted is not None else replica.reason
    return f"{replica.id} failed for good: {reason}"


def _saying(wanted: Assignment) -> str:
    """What a running step waits for."""
    if wanted.hold:
        return "waits for the old one to end"
    return wanted.reason or f"{wanted.state} on {wanted.node}"


# -- stop -----------------------------------------------------------------------------------------------------------


def _begin_stop(draft: Draft, deployment: Deployment, step: Step) -> Step:
    replica = draft.replica(_key(step))
    if replica is None:
        return ended(draft, step, "done")
    replica = assigning.take_back(draft, replica)
    wanted, outgoing = replica.wanted, replica.outgoing
    if wanted is not None and outgoing is not None:
        assigning.withdraw(draft, replica.id, outgoing, "a newer copy is stopped")
        outgoing = None
    last = wanted or outgoing
    ending = assigning.end(draft, replica.id, last, deployment.id) if last is not None else None
    replica = msgspec.structs.replace(
        replica, wanted=None, outgoing=ending, ending=True, since=draft.now.wall, cause=deployment.cause
    )
    draft.put(replica)
    if ending is None:
        draft.drop(replica)
    return _progress_stop(draft, msgspec.structs.replace(step, task=ending.task if ending else ""))


def _progress_stop(draft: Draft, step: Step) -> Step:
    replica = draft.replica(_key(step))
    if replica is None or not replica.ending or replica.outgoing is None:
        return ended(draft, step, "done")
    outgoing = replica.outgoing
    node = draft.get(Node, outgoing.node)
    if node is not None and node.state != "offline":
        return msgspec.structs.replace(step, reason=f"stopping on {outgoing.node}")
    tasks.advance(draft, outgoing.task, "failed", f"{outgoing.node} is offline; it is stopped when the node returns")
    assigning.rest_ports(draft, replica.id, outgoing, confirmed=False)
    observe.release(draft, replica)
    return ended(draft, step, "done", f"{outgoing.node} is offline: it is stopped when the node returns")


# -- restart --------------------------------------------------------------------------------------------------------


def _begin_restart(draft: Draft, deployment: Deployment, step: Step) -> Step:
    replica = draft.replica(_key(step))
    wanted = replica.wanted if replica is not None else None
    if replica is None or wanted is None or wanted.state == "interrupted":
        return ended(draft, step, "skipped", "it does not run")
    draft.put(msgspec.structs.replace(replica, moves=0, avoid=(), failed=False, cause=deployment.cause))
    task = tasks.begin(
        draft,
        "restart",
        wanted.node,
        project=deployment.project,
        target=ref(replica.id, wanted.epoch),
        deployment=deployment.id,
    )
    return msgspec.structs.replace(step, task=task.id, epoch=wanted.epoch, reason=f"restarting on {wanted.node}")


def _progress_restart(draft: Draft, deployment: Deployment, step: Step) -> Step:
    replica = draft.replica(_key(step))
    wanted = replica.wanted if replica is not None else None
    if replica is None or wanted is None:
        return ended(draft, step, "skipped", "it was removed meanwhile")
    spec = draft.spec(replica.id, wanted.revision)
    assert spec is not None
    if wanted.epoch != step.epoch:  # moved meanwhile, which is a start of its own
        return ended(draft, step, "done") if is_ready(wanted, spec, draft.now.wall) else step
    task = draft.get(Task, step.task)
    if task is None or task.state == "failed":
        return ended(draft, step, "failed", f"{replica.id}: {task.reason if task else 'its task was forgotten'}")
    if task.state != "done":
        return step
    if wanted.gave_up or (wanted.state == "failed" and wanted.since > task.ended_at):
        return ended(draft, step, "failed", f"{replica.id} failed on {wanted.node}: {wanted.reason}")
    if wanted.state == "running" and wanted.running_since < step.started_at - 1.0:
        return step  # its new start is not reported yet
    return ended(draft, step, "done") if is_ready(wanted, spec, draft.now.wall) else step
