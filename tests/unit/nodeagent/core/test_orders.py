"""Tasks in virtual time: one effect each, always an end, also across crashes."""

import msgspec
import pytest

from nodeagent.core.events import Listed, Now, Run, Send, StepDone
from nodeagent.core.orders import reopened
from nodeagent.core.steps import Pull, Replace, Resolve, Restart, Start
from nodeagent.core.tasks import FINISHED_MAX, TOLD_AGAIN_MAX, UNFINISHED_MAX, TaskRecord, Tasks
from protocol.messages import TaskKind, TaskOrder, TaskUpdate
from tests.unit.nodeagent.core.made import IMAGE, WALL, VirtualNode, a_ref, a_want


def updates(node: VirtualNode, task: str = "t1") -> list[TaskUpdate]:
    return [m for m in node.sent if isinstance(m, TaskUpdate) and m.task == task]


def ready(*, seconds: float = 2.0) -> VirtualNode:
    node = VirtualNode()
    node.start(a_want())
    node.run(seconds)
    node.sent.clear()
    return node


def reborn(node: VirtualNode) -> VirtualNode:
    """The agent after a kill -9: what is on disk and what Docker has."""
    again = VirtualNode(memory=node.memory, tasks=tuple(node.saved_tasks))
    again.mono, again.containers, again.images = node.mono, node.containers, node.images
    again.saved_tasks = node.saved_tasks
    return again


def test_resolve_answers_the_pinned_reference() -> None:
    node = ready()
    node.hear(TaskOrder(task="t1", kind="resolve", image="web:1"))
    node.run(1)
    assert [u.state for u in updates(node)] == ["accepted", "running", "done"]
    assert updates(node)[-1].result == IMAGE


def test_an_order_is_on_disk_before_it_is_accepted() -> None:
    node = ready()
    actions = node.hear(TaskOrder(task="t1", kind="pull", image="x@sha256:" + "c" * 64))
    kinds = [type(action).__name__ for action in actions]
    assert kinds.index("SaveTask") < kinds.index("Send")


def test_a_second_order_of_the_same_task_has_no_second_effect() -> None:
    node = ready()
    order = TaskOrder(task="t1", kind="restart", target=a_ref())
    node.hear(order)
    node.hear(order)
    node.run(2)
    node.hear(order)
    node.run(2)
    assert node.done(Restart) == 1
    assert [u.state for u in updates(node)] == ["accepted", "running", "running", "done", "done"]


def test_one_pull_serves_tasks_and_replicas() -> None:
    node = VirtualNode()
    node.images.clear()
    node.start(a_want())
    node.hear(TaskOrder(task="t1", kind="pull", image=IMAGE))
    node.hear(TaskOrder(task="t2", kind="pull", image=IMAGE))
    node.run(5)
    assert updates(node, "t1")[-1].state == updates(node, "t2")[-1].state == "done"
    assert node.running() == {a_ref()} and node.done(Pull) <= 2


def test_a_failed_pull_says_why() -> None:
    node = ready()
    node.faults = [(Pull, "pull_failed")]
    node.hear(TaskOrder(task="t1", kind="pull", image="x@sha256:" + "c" * 64))
    node.run(1)
    assert (updates(node)[-1].state, updates(node)[-1].reason) == ("failed", "told so")


def test_a_restart_is_not_done_again_after_a_crash() -> None:
    node = ready()
    node.hear(TaskOrder(task="t1", kind="restart", target=a_ref()))
    container_id = next(iter(node.containers))
    container = node.containers[container_id]
    node.containers[container_id] = msgspec.structs.replace(container, started_at=container.started_at + 50)
    again = reborn(node)
    again.start(a_want())
    again.run(5)
    assert again.done(Restart) == 0 and updates(again)[-1].state == "done"


def test_a_restart_that_was_not_done_is_done_after_a_crash() -> None:
    node = ready()
    node.hear(TaskOrder(task="t1", kind="restart", target=a_ref()))
    again = reborn(node)
    again.start(a_want())
    again.run(5)
    assert again.done(Restart) == 1 and updates(again)[-1].state == "done"


def test_finished_results_are_told_again_after_a_reconnect() -> None:
    node = ready()
    node.hear(TaskOrder(task="t1", kind="resolve", image="web:1"))
    node.disconnect()
    node.run(2)
    assert [u.state for u in updates(node)] == ["accepted", "running"]
    node.connect()
    assert updates(node)[-1].state == "done" and updates(node)[-1].result == IMAGE
    again = reborn(node)
    again.look()
    again.connect()
    assert updates(again)[-1].state == "done"


def test_a_restart_that_could_not_be_looked_at_is_not_done_again() -> None:
    node = ready()
    node.hear(TaskOrder(task="t1", kind="restart", target=a_ref()))
    (container,) = node.containers.values()
    step = node.steps[-1]
    assert isinstance(step, Restart)
    node.containers[container.id] = msgspec.structs.replace(container, started_at=node.now.wall)
    seen = tuple(node.containers.values())
    blind = node.state.handle(StepDone(step=step, asked_at=node.mono), node.now)
    assert not [action for action in blind if isinstance(action, Run)], "what is known is older than the restart"
    late = node.state.handle(Listed(containers=(container,), asked_at=node.mono - 1), node.now)
    assert not [action for action in late if isinstance(action, Run)], "a list that was begun before it ended"
    looked = node.state.handle(Listed(containers=seen, asked_at=node.mono), node.now)
    assert not [action for action in looked if isinstance(action, Run)]
    assert [a.message.state for a in looked if isinstance(a, Send) and isinstance(a.message, TaskUpdate)] == ["done"]


def test_a_restart_ordered_while_the_engine_is_silent_is_done_when_it_answers() -> None:
    node = ready()
    again = reborn(node)
    again.connect()
    again.desire(a_want())
    again.hear(TaskOrder(task="t1", kind="restart", target=a_ref()))
    again.run(1)
    again.look()
    again.run(3)
    assert again.done(Restart) == 1 and updates(again)[-1].state == "done"


def test_a_task_ends_at_its_deadline() -> None:
    node = ready()
    node.faults = [(Resolve, "engine_down")] * 1000
    node.hear(TaskOrder(task="t1", kind="resolve", image="web:1", deadline_s=20))
    node.run(19)
    assert updates(node)[-1].state == "running"
    node.run(2)
    assert (updates(node)[-1].state, updates(node)[-1].reason) == ("failed", "not done within its deadline")


@pytest.mark.parametrize("jump_s", [400 * 86_400.0, -400 * 86_400.0])
def test_a_wall_clock_that_is_set_ends_no_task_and_delays_no_end(jump_s: float) -> None:
    node = ready()
    node.faults = [(Resolve, "engine_down")] * 1000
    node.hear(TaskOrder(task="t1", kind="resolve", image="web:1", deadline_s=20))
    node.run(5)
    node.wall += jump_s
    node.run(14)
    assert updates(node)[-1].state == "running"
    node.run(2)
    assert updates(node)[-1].state == "failed"


@pytest.mark.parametrize(("jump_s", "most_s"), [(0.0, 20.0), (-400 * 86_400.0, 86_400.0)])
def test_a_deadline_survives_a_restart_of_the_agent(jump_s: float, most_s: float) -> None:
    node = ready()
    node.hear(TaskOrder(task="t1", kind="resolve", image="web:1", deadline_s=20))
    tasks = reopened(tuple(node.saved_tasks), Now(5.0, node.now.wall + jump_s))
    assert tasks.overdue(5.0 + most_s - 4) == ()
    assert [record.task for record in tasks.overdue(5.0 + most_s + 1)] == ["t1"]


def test_a_restart_revives_what_was_given_up() -> None:
    node = VirtualNode()
    node.crashing.add(a_ref())
    node.start(a_want())
    node.run(60)
    node.crashing.clear()
    node.hear(TaskOrder(task="t1", kind="restart", target=a_ref()))
    node.run(5)
    assert node.running() == {a_ref()} and updates(node)[-1].state == "done"


def test_a_start_that_keeps_failing_fails_with_the_reason() -> None:
    node = VirtualNode()
    node.crashing.add(a_ref())
    node.start(a_want())
    node.run(60)
    node.hear(TaskOrder(task="t1", kind="start", target=a_ref()))
    node.run(60)
    assert updates(node)[-1].state == "failed" and "exited with code 1" in updates(node)[-1].reason
    assert node.done(Start) == 10


@pytest.mark.parametrize(
    ("kind", "image", "reason"),
    [("resolve", "", "no image"), ("pull", "-x", "no image"), ("restart", "", "no replica"), ("stop", "", "desired"),
     ("remove", "", "desired")],
)  # fmt: skip
def test_what_cannot_be_done_is_said_at_once(kind: TaskKind, image: str, reason: str) -> None:
    node = ready()
    node.hear(TaskOrder(task="t1", kind=kind, image=image))
    assert [u.state for u in updates(node)] == ["failed"] and reason in updates(node)[-1].reason


def test_a_restart_of_what_is_not_here_fails() -> None:
    node = ready()
    node.hear(TaskOrder(task="t1", kind="restart", target=a_ref(7)))
    assert updates(node)[-1].state == "failed" and "not wanted" in updates(node)[-1].reason


# -- the record -----------------------------------------------------------------------------------------------------


def test_the_record_is_bounded() -> None:
    tasks = Tasks()
    for n in range(FINISHED_MAX + 50):
        tasks.receive(TaskOrder(task=f"t{n}", kind="pull", image="i"), ("", 0.0), mono=1.0, wall=WALL)
        tasks.set(f"t{n}", "done", WALL)
    tasks.receive(TaskOrder(task="last", kind="pull", image="i"), ("", 0.0), mono=1.0, wall=WALL)
    assert tasks.find("t0") is None and tasks.find(f"t{FINISHED_MAX + 49}") is not None
    assert len(tasks.to_tell()) == TOLD_AGAIN_MAX + 1


def test_too_many_unfinished_tasks_are_refused() -> None:
    tasks = Tasks()
    for n in range(UNFINISHED_MAX):
        assert (
            tasks.receive(TaskOrder(task=f"t{n}", kind="pull", image="i"), ("", 0.0), mono=1.0, wall=WALL).state
            == "accepted"
        )
    assert (
        tasks.receive(TaskOrder(task="more", kind="pull", image="i"), ("", 0.0), mono=1.0, wall=WALL).state == "failed"
    )


def test_a_finished_task_stays_as_it_ended() -> None:
    tasks = Tasks([TaskRecord(task="t", kind="pull", state="done", deadline_at=0.0)])
    assert tasks.set("t", "failed", WALL) is None
    assert tasks.overdue(1e9) == () and tasks.unfinished() == ()


def test_the_agent_is_told_to_replace_itself_once_and_tells_how_it_went() -> None:
    node = ready()
    order = TaskOrder(task="t1", kind="upgrade", image="agent@sha256:" + "d" * 64)
    node.hear(order)
    node.hear(order)
    node.run(2)
    assert node.done(Replace) == 1
    assert [u.state for u in updates(node)] == ["accepted", "running", "running", "done"]
    assert updates(node)[-1].result == "replaced"


def test_the_agent_that_is_there_afterwards_goes_on_with_the_order() -> None:
    node = ready()
    actions = node.hear(TaskOrder(task="t1", kind="upgrade", image="agent:2"))
    assert any(isinstance(action, Run) and isinstance(action.step, Replace) for action in actions)
    again = reborn(node)  # the old agent was stopped before it could say anything
    again.start(a_want())
    again.run(2)
    assert again.done(Replace) == 1 and updates(again)[-1].state == "done"


def test_a_replacement_that_failed_says_why_and_an_engine_that_is_down_is_asked_again() -> None:
    node = ready()
    node.faults = [(Replace, "engine_down"), (Replace, "error")]
    node.hear(TaskOrder(task="t1", kind="upgrade", image="agent:2"))
    node.run(2)
    assert (updates(node)[-1].state, updates(node)[-1].reason) == ("failed", "told so")
    assert node.done(Replace) == 2
