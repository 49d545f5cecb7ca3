"""A deployment's steps as they go: time, bytes while they run, and the health of the copy that is waited for."""

import pytest

from controlplane.core.cluster import Changes
from controlplane.core.deployment import Deployment, Step, StepState
from controlplane.core.task import Task
from controlplane.web.progress import work_of
from controlplane.web.work import StepLine
from protocol.names import ReplicaId
from tests.unit.controlplane.sample_cluster import WALL, replica, shop


def told(state: StepState, ended_s: float = 0.0) -> StepLine:
    """The line of a step that began 12.4 s ago, whose copy is unhealthy and was restarted twice."""
    step = Step(
        kind="replace",
        level=1,
        replica=ReplicaId("shop", "web", 1),
        state=state,
        task="t1",
        started_at=WALL - 12.4,
        ended_at=WALL - 12.4 + ended_s if ended_s else 0.0,
    )
    cluster = shop((replica(1, "node-1", health="unhealthy", restarts=2, reason="exit 7"),))
    cluster.apply(
        Changes(
            puts=[
                Task(id="t1", kind="pull", node="node-1", created_at=WALL, deadline_at=0, bytes_done=5, bytes_total=9)
            ]
        )
    )
    made = Deployment(id=7, project="shop", kind="update", revision=1, created_at=WALL, state="running", steps=(step,))
    return work_of(cluster, made, WALL).steps[0]


def test_a_running_step_says_what_it_waits_for() -> None:
    line = told("running")
    assert (line.took_s, line.bytes_done, line.bytes_total, line.health, line.restarts) == (12.0, 5, 9, "unhealthy", 2)


@pytest.mark.parametrize("state", ["done", "failed"])
def test_a_step_that_ended_says_how_long_it_took(state: StepState) -> None:
    line = told(state, ended_s=3.26)
    assert (line.took_s, line.bytes_total, line.health, line.restarts) == (3.3, 0, "", 0)


def test_a_copy_without_a_check_has_no_health() -> None:
    cluster = shop((replica(1, "node-1", health="none"),))
    step = Step(kind="start", level=1, replica=ReplicaId("shop", "web", 1), state="running")
    made = Deployment(id=7, project="shop", kind="deploy", revision=1, created_at=WALL, state="running", steps=(step,))
    line = work_of(cluster, made, WALL).steps[0]
    assert (line.took_s, line.health) == (None, "")
