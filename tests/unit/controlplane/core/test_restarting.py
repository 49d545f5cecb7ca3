"""A restart in its place ends when the new process is ready, also when the clock of its node is wrong."""

import msgspec

from controlplane.core import restarting
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.record import Now
from controlplane.core.task import Task
from protocol.names import ReplicaId
from tests.unit.controlplane.sample_cluster import CHECK, WALL, WEB, cluster, node, project, replica, revision

STEP = Step(kind="restart", level=0, replica=ReplicaId("shop", "web", 1), epoch=1, task="t1", started_at=WALL)
DEPLOYMENT = Deployment(id=1, project="shop", kind="restart", revision=1, from_revision=1, created_at=WALL)


def state(running_since: float, after_s: float, *, done: bool = True) -> str:
    """The step's state so many seconds after its task was done, 1 s after it began."""
    task = Task(id="t1", kind="restart", node="node-1", created_at=WALL, deadline_at=WALL + 600)
    if done:
        task = msgspec.structs.replace(task, state="done", ended_at=WALL + 1)
    web = msgspec.structs.replace(WEB, health=CHECK)
    copy = replica(1, "node-1", running_since=running_since)
    world = cluster(node("node-1", 1), project(), revision(web), copy, task)
    return restarting.progress(Draft(world, Now(1000.0, WALL + 1 + after_s)), DEPLOYMENT, STEP).state


def test_it_ends_when_the_new_start_is_reported() -> None:
    assert state(WALL - 3600, 0.5) == "waiting", "what is healthy is the process before"
    assert state(WALL + 0.5, 0.5) == "done"
    assert state(WALL + 0.5, 0.5, done=False) == "waiting"


def test_a_node_whose_clock_is_an_hour_fast_does_not_hold_it_up() -> None:
    assert state(WALL + 0.5 - 3600, restarting.TOLD_S + 0.1) == "done"
