"""What is remembered of tasks."""

from controlplane.core import tasks
from controlplane.core.cluster import Cluster
from controlplane.core.draft import Draft
from controlplane.core.task import KEPT, Task
from tests.unit.controlplane.core.world import World


def _task(number: int, *, ended: bool) -> Task:
    return Task(
        id=f"t{number}",
        kind="restart",
        node="node-1",
        created_at=number,
        deadline_at=1e12,
        state="done" if ended else "running",
        ended_at=number if ended else 0.0,
    )


def _with(made: list[Task]) -> Draft:
    world = World(("node-1",))
    return Draft(Cluster(world.cluster.meta, world.cluster.volatile, made), world.now)


def test_a_task_that_just_ended_is_known_although_very_many_are_open() -> None:
    draft = _with([_task(n, ended=False) for n in range(KEPT + 10)])
    tasks.advance(draft, "t5", "done")
    found = draft.get(Task, "t5")
    assert found is not None and found.state == "done"


def test_the_oldest_ended_task_is_forgotten_when_there_are_too_many() -> None:
    draft = _with([_task(n, ended=n > 0) for n in range(KEPT + 2)])
    tasks.advance(draft, "t0", "done")
    assert draft.get(Task, "t0") is None
    assert draft.get(Task, "t2") is not None
