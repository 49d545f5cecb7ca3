"""A Center that starts after its clock was set back waits for nothing longer than it should."""

import msgspec

from controlplane.core import tasks
from controlplane.core.clamp import clamped
from controlplane.core.deployment import Deployment, Step
from controlplane.core.node import Node
from controlplane.core.port_rest import REST_S, PortRest
from controlplane.core.record import Record
from controlplane.core.replica import Replica, is_ready
from controlplane.core.task import Task
from protocol.messages import ContainerRef
from tests.unit.controlplane.sample_cluster import WALL, WEB, node, project, replica

LATER = WALL + 3600
HELD = ContainerRef(project="p", service="s", replica=1, epoch=1)


def one(record: Record) -> Record:
    (found,) = clamped([record], WALL)
    return found


def test_what_runs_since_later_than_now_is_ready_in_time() -> None:
    spec = msgspec.structs.replace(WEB, health=None)
    found = one(replica(1, "node-1", running_since=LATER, since=LATER))
    assert isinstance(found, Replica) and found.wanted is not None
    assert found.wanted.since == WALL and is_ready(found.wanted, spec, WALL + 10.0)


def test_rests_tasks_and_deployments_end_in_time() -> None:
    rest = one(PortRest(node="n", protocol="tcp", port=80, holder=HELD, until=LATER))
    assert isinstance(rest, PortRest) and rest.until == WALL + REST_S
    task = one(Task(id="t1", kind="pull", node="n", created_at=LATER, deadline_at=LATER + tasks.DEADLINE_S))
    assert isinstance(task, Task) and (task.created_at, task.deadline_at) == (WALL, WALL + tasks.DEADLINE_S)
    step = Step(kind="start", level=0, started_at=LATER)
    made = Deployment(id=1, project="p", kind="deploy", revision=1, from_revision=0, created_at=LATER, steps=(step,))
    deployment = one(msgspec.structs.replace(made, progress_at=LATER, started_at=LATER))
    assert isinstance(deployment, Deployment)
    assert (deployment.progress_at, deployment.steps[0].started_at, deployment.id) == (WALL, WALL, 1)


def test_a_drain_keeps_its_length() -> None:
    found = one(node("n", 1, state_since=LATER, draining=True, drain_since=LATER, drain_until=LATER + 60))
    assert isinstance(found, Node)
    assert (found.state_since, found.drain_since, found.drain_until) == (WALL, WALL, WALL + 60)


def test_what_is_possible_stays_as_it_is() -> None:
    records: list[Record] = [
        replica(1, "node-1"),
        node("n", 1, state_since=WALL - 5),
        project(),
        PortRest(node="n", protocol="tcp", port=80, holder=HELD, until=None),
        Task(id="t1", kind="pull", node="n", created_at=WALL - 10, deadline_at=WALL + 590),
    ]
    assert clamped(records, WALL) == records
