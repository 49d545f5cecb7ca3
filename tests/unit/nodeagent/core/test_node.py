"""The agent's rules together: healing, boots and engines in virtual time."""

import msgspec
import pytest

from nodeagent.core.desired import DesiredState
from nodeagent.core.events import EngineSilent, Memory, SaveMemory
from nodeagent.core.node import BOOT_HOLD_S, SILENCES_MAX
from nodeagent.core.steps import Create, Pull, ReadTail, Restart, Start, Stop
from protocol.messages import (
    DesiredDelta,
    Inventory,
    Observed,
    Relist,
)
from tests.unit.nodeagent.core.made import IMAGE, VirtualNode, a_container, a_ref, a_want

JOURNAL = Memory(desired=DesiredState(incarnation=1, revision=4, replicas=(a_want(),)), boot_id="boot-1", state_seq=7)


def test_starts_what_is_desired_and_tells_each_state() -> None:
    node = VirtualNode()
    node.start(a_want())
    assert (report := node.report(a_ref())) is not None and report.state == "starting"
    node.run(1)
    assert (report := node.report(a_ref())) is not None and report.state == "running"
    assert node.running() == {a_ref()}
    assert [type(step) for step in node.steps] == [Create, Start]


def test_a_missing_image_is_pulled_and_told() -> None:
    node = VirtualNode()
    node.images.clear()
    node.start(a_want(1), a_want(2))
    node.run(0.25)
    assert (report := node.report(a_ref())) is not None and report.state == "pulling"
    node.run(2)
    assert node.running() == {a_ref(1), a_ref(2)} and node.done(Pull) == 1


def test_the_word_is_saved_before_anything_is_done() -> None:
    node = VirtualNode()
    node.look()
    node.connect()
    actions = node.desire(a_want())
    kinds = [type(action).__name__ for action in actions]
    assert kinds.index("SaveMemory") < kinds.index("Run")
    assert node.memory.desired is not None and node.memory.desired.revision == 1


def test_the_same_word_again_changes_nothing() -> None:
    node = VirtualNode()
    node.start(a_want())
    node.run(1)
    steps = len(node.steps)
    actions = node.desire(a_want())
    node.run(120)
    assert len(node.steps) == steps
    assert not any(isinstance(action, SaveMemory) for action in actions)


def test_a_removed_container_comes_back_at_once() -> None:
    node = VirtualNode()
    node.start(a_want())
    node.run(1)
    container_id = next(iter(node.containers))
    del node.containers[container_id]
    node.see(container_id)
    node.run(0.5)
    assert node.running() == {a_ref()}


def test_a_crash_loop_is_given_up_with_its_last_lines() -> None:
    node = VirtualNode()
    node.crashing.add(a_ref())
    node.start(a_want())
    node.run(60)
    report = node.report(a_ref())
    assert report is not None
    assert (report.state, report.gave_up, report.code) == ("failed", True, "crash_loop")
    assert report.log_tail == ("last words",) and report.exit_code == 1
    assert node.done(Start) == 5 and node.done(ReadTail) == 1
    gave_up = [r for m in node.sent if isinstance(m, Observed) for r in m.containers if r.gave_up]
    assert all(r.log_tail for r in gave_up), "the Center is asked only with the lines in hand"
    node.run(3600)
    assert node.done(Start) == 5


def test_an_unhealthy_one_is_restarted() -> None:
    node = VirtualNode()
    node.start(a_want(health=True))
    node.run(1)
    node.set_health(a_ref(), "unhealthy")
    node.run(3)
    assert node.done(Restart) == 1 and node.running() == {a_ref()}
    assert (report := node.report(a_ref())) is not None and report.restarts == 1


def test_a_job_that_ended_well_is_stopped_and_stays() -> None:
    node = VirtualNode()
    node.start(a_want(restart="on-failure"))
    node.run(1)
    node.exit(a_ref(), 0)
    node.run(300)
    assert (report := node.report(a_ref())) is not None and report.state == "stopped" and not report.gave_up
    assert node.done(Start) == 1


def test_a_job_that_ended_is_not_done_again_when_its_container_was_pruned() -> None:
    node = VirtualNode()
    node.start(a_want(restart="no"))
    node.run(1)
    node.exit(a_ref(), 0)
    node.containers.clear()
    node.look()
    again = VirtualNode(memory=node.memory)
    again.start(a_want(restart="no"))
    again.run(60)
    assert again.steps == [] and (report := again.report(a_ref())) is not None and report.state == "stopped"
    again.desire(a_want(restart="no", env="new"), revision=2)
    again.run(2)
    assert again.running() == {a_ref()}, "another specification is another job"


def test_a_job_that_failed_tells_its_last_lines_together_with_its_end() -> None:
    node = VirtualNode()
    node.start(a_want(restart="no"))
    node.run(1)
    node.exit(a_ref(), 3)
    node.run(5)
    assert (report := node.report(a_ref())) is not None
    assert (report.state, report.exit_code, report.gave_up) == ("failed", 3, False)
    assert report.log_tail and node.done(Start) == 1
    told = [r for m in node.sent if isinstance(m, Observed) for r in m.containers if r.state == "failed"]
    assert told and all(r.log_tail for r in told)


def test_on_failure_with_a_limit() -> None:
    node = VirtualNode()
    node.crashing.add(a_ref())
    node.start(a_want(restart="on-failure", restart_max=2))
    node.run(300)
    assert node.done(Start) == 3
    assert (report := node.report(a_ref())) is not None and report.state == "failed" and not report.gave_up


def test_a_port_held_by_a_stranger_is_told_and_tried_again() -> None:
    node = VirtualNode()
    node.faults = [(Start, "port_taken")] * 8
    node.start(a_want(port=8080))
    node.run(1)
    assert (report := node.report(a_ref())) is not None and (report.state, report.code) == ("failed", "port_taken")
    node.run(400)
    assert node.running() == {a_ref()}, "never given up: it is not its fault"


def test_another_lease_for_the_same_copy_makes_it_anew() -> None:
    node = VirtualNode()
    node.faults = [(Start, "port_taken")]
    node.start(a_want(port=8080))
    node.run(0.5)
    node.desire(a_want(port=20001), revision=2)
    node.run(2)
    assert [c.ports[0].host for c in node.containers.values()] == [20001] and node.running() == {a_ref()}


def test_a_refused_one_is_given_up_at_once() -> None:
    node = VirtualNode()
    node.faults = [(Create, "refused")]
    node.start(a_want())
    node.run(5)
    assert (report := node.report(a_ref())) is not None
    assert (report.state, report.code, report.gave_up) == ("failed", "refused", True)


def test_stale_ones_go_and_the_youngest_waits_for_their_port() -> None:
    node = VirtualNode()
    old = a_want(service="old", port=8080)
    node.containers["c0"] = a_container(old, container_id="c0")
    node.look()
    node.connect()
    node.desire(a_want(port=8080))
    node.run(0.1)
    assert node.running() == {a_ref(service="old")}
    node.run(3)
    assert node.running() == {a_ref()} and len(node.containers) == 1
    assert [step.grace_s for step in node.steps if isinstance(step, Stop)] == [5.0]
    gone = [ref for message in node.sent if isinstance(message, Observed) for ref in message.gone]
    assert gone == [a_ref(service="old")]


def test_a_newer_epoch_replaces_the_older_here() -> None:
    node = VirtualNode()
    node.start(a_want(epoch=1))
    node.run(1)
    node.desire(a_want(epoch=2), revision=2)
    node.run(3)
    assert node.running() == {a_ref(epoch=2)} and len(node.containers) == 1


def test_both_epochs_run_while_both_are_desired() -> None:
    node = VirtualNode()
    node.start(a_want(epoch=1))
    node.run(1)
    node.hear(DesiredDelta(after=0, incarnation=1, revision=2, replicas=(a_want(epoch=2),)))
    node.run(1)
    assert node.running() == {a_ref(epoch=1), a_ref(epoch=2)}
    node.hear(DesiredDelta(after=1, incarnation=1, revision=3, drop=(a_ref(epoch=1),)))
    node.run(1)
    assert node.running() == {a_ref(epoch=2)}
    assert [step.grace_s for step in node.steps if isinstance(step, Stop)] == [10.0]


def test_nothing_is_stopped_before_the_center_has_spoken() -> None:
    node = VirtualNode(memory=JOURNAL)
    node.containers["c0"] = a_container(a_want(service="old"), container_id="c0")
    node.look()
    node.run(120)
    assert node.running() == {a_ref(service="old"), a_ref()}, "healed from the journal, and nothing stopped"


def test_without_a_journal_everything_is_left_alone() -> None:
    node = VirtualNode(memory=Memory())
    node.containers["c0"] = a_container(a_want(), container_id="c0", status="exited", exit_code=1)
    node.look()
    node.run(300)
    assert node.steps == []


def test_after_a_reboot_it_waits_for_the_center() -> None:
    node = VirtualNode(memory=JOURNAL, boot="boot-2")
    node.containers["c0"] = a_container(a_want(), container_id="c0", status="exited", exit_code=255)
    node.look()
    node.run(BOOT_HOLD_S - 1)
    assert node.steps == []
    node.connect()
    node.desire(revision=5)
    node.run(5)
    assert node.done(Start) == 0 and node.containers == {}, "it lives elsewhere now"


def test_after_a_reboot_without_a_center_it_starts_by_its_journal() -> None:
    node = VirtualNode(memory=JOURNAL, boot="boot-2")
    node.containers["c0"] = a_container(a_want(), container_id="c0", status="exited", exit_code=255)
    node.look()
    node.run(BOOT_HOLD_S + 1)
    assert node.running() == {a_ref()}
    assert node.memory.boot_id == "boot-2"


def test_after_a_mere_restart_of_the_agent_it_starts_soon() -> None:
    node = VirtualNode(memory=JOURNAL)
    node.look()
    node.run(5)
    assert node.running() == {a_ref()}


def test_what_died_with_the_engine_is_healed_at_once() -> None:
    node = VirtualNode()
    node.start(a_want(1), a_want(2))
    node.run(1)
    for container_id, container in node.containers.items():
        node.containers[container_id] = msgspec.structs.replace(container, status="exited", exit_code=255)
    node.look(after_break=True)
    node.run(0.5)
    assert node.running() == {a_ref(1), a_ref(2)}


def test_an_engine_that_does_not_answer_is_told_and_left_alone() -> None:
    node = VirtualNode()
    node.start()
    for _ in range(SILENCES_MAX):
        node.tell(EngineSilent(reason="no answer in time"))
    assert not node.state.engine_ok
    node.desire(a_want(), revision=2)
    node.run(30)
    assert node.steps == []
    node.sent.clear()
    node.hear(Relist())
    assert node.sent == [Inventory(containers=(), engine_ok=False)]
    node.look(after_break=True)
    assert isinstance(node.sent[1], Inventory) and node.sent[1].engine_ok
    node.run(1)
    assert node.state.engine_ok and node.running() == {a_ref()}


def test_an_engine_that_answers_again_has_everything_told_anew() -> None:
    node = VirtualNode()
    node.start(a_want())
    node.run(5)
    for _ in range(SILENCES_MAX):
        node.tell(EngineSilent(reason="no answer in time"))
    node.sent.clear()
    node.look(after_break=True)
    assert [type(m) for m in node.sent] == [Inventory]
    assert isinstance(told := node.sent[0], Inventory) and [r.state for r in told.containers] == ["running"]


def test_a_first_session_before_the_first_look_says_that_the_engine_is_silent() -> None:
    node = VirtualNode(memory=JOURNAL)
    node.containers["c0"] = a_container(a_want(), container_id="c0")
    node.connect()
    assert Inventory(containers=(), engine_ok=False) in node.sent
    node.look()
    assert (report := node.report(a_ref())) is not None and report.state == "running"


@pytest.mark.parametrize("kind", [Create, Start])
def test_a_step_that_times_out_is_tried_again_without_blame(kind: type) -> None:
    node = VirtualNode()
    node.faults = [(kind, "timeout")] * 6
    node.start(a_want(image=IMAGE))
    node.run(300)
    assert node.running() == {a_ref()}
