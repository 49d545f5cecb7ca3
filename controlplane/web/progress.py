"""A deployment of the cluster as the pages show it: what its steps took, pulled, and wait for. Pure.

Used by `board.py`. The structs and what is folded are in `work.py`.
"""

from collections.abc import Mapping

from controlplane.core.cluster import Cluster
from controlplane.core.deployment import Deployment, Step
from controlplane.core.task import Task
from controlplane.core.views import deployment_view
from controlplane.web.work import STEPS_SHOWN, Work, step_line, work


def work_of(cluster: Cluster, deployment: Deployment, wall: float, most: int = STEPS_SHOWN) -> Work:
    """As of `wall`, Unix seconds, with up to `most` steps unfolded."""
    view = deployment_view(deployment)
    steps = [
        step_line(v, _took_s(s, wall), *_bytes(cluster.tasks, s), *_attempts(cluster, s))
        for s, v in zip(deployment.steps, view.steps, strict=True)
    ]
    return work(view, steps, most)


def _took_s(step: Step, wall: float) -> float | None:
    if not step.started_at:
        return None
    if step.ended_at:
        return round(step.ended_at - step.started_at, 1)
    return float(max(0, int(wall - step.started_at)))


def _bytes(tasks: Mapping[str, Task], step: Step) -> tuple[int, int]:
    task = tasks.get(step.task)
    return (task.bytes_done, task.bytes_total) if task is not None and step.state == "running" else (0, 0)


def _attempts(cluster: Cluster, step: Step) -> tuple[str, int]:
    """Health and restarts of the copy that a running step waits for."""
    replica = cluster.replicas.get(step.replica) if step.replica and step.state == "running" else None
    if replica is None or replica.wanted is None or replica.wanted.health == "none":
        return "", 0
    return replica.wanted.health, replica.wanted.restarts
