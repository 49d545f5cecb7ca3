"""The step that restarts a replica in its place and waits until it is ready again."""

import msgspec

from controlplane.core import tasks
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.replica import is_ready, ref
from controlplane.core.task import Task

TOLD_S = 10.0
"""A task that is done means that the new process runs; its report follows at once. When it says after so long that it
was started before, the clock of its node was set in between.
"""


def begin(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Order it; a replica that does not run is left alone."""
    replica = draft.replica(step.key)
    wanted = replica.wanted if replica is not None else None
    if replica is None or wanted is None or wanted.state == "interrupted":
        return step.ended("skipped", draft.now.wall, "it does not run")
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


def progress(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Done when the new process is ready."""
    replica = draft.replica(step.key)
    wanted = replica.wanted if replica is not None else None
    if replica is None or wanted is None:
        return step.ended("skipped", draft.now.wall, "it was removed meanwhile")
    spec = draft.spec(replica.id, wanted.revision)
    assert spec is not None
    if wanted.epoch != step.epoch:  # moved meanwhile, which is a start of its own
        return step.ended("done", draft.now.wall) if is_ready(wanted, spec, draft.now.wall) else step
    task = draft.get(Task, step.task)
    if task is None or task.state == "failed":
        return step.ended(
            "failed", draft.now.wall, f"{replica.id}: {task.reason if task else 'its task was forgotten'}"
        )
    if task.state != "done":
        return step
    if wanted.gave_up or (wanted.state == "failed" and wanted.since > task.ended_at):
        return step.ended("failed", draft.now.wall, f"{replica.id} failed on {wanted.node}: {wanted.reason}")
    reported = wanted.running_since >= step.started_at - 1.0 or draft.now.wall >= task.ended_at + TOLD_S
    if wanted.state == "running" and not reported:
        return step  # its new start is not reported yet
    return step.ended("done", draft.now.wall) if is_ready(wanted, spec, draft.now.wall) else step
