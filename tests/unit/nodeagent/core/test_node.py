"""The agent's rules together: scenarios in virtual time, and convergence whatever happens."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.core.container import FaultKind
from nodeagent.core.desired import DesiredState
from nodeagent.core.events import EngineSilent, Memory, SaveMemory, SessionOpened
from nodeagent.core.node import BOOT_HOLD_S, SILENCES_MAX
from nodeagent.core.restart import FAILURES_MAX
from nodeagent.core.steps import Create, Pull, ReadTail, Remove, Restart, Start, Stop
from protocol.codec import FRAME_MAX, encode
from protocol.messages import (
    ConfirmStop,
    DesiredDelta,
    Inventory,
    Observed,
    Relist,
    Removed,
    Resync,
    StopConfirmed,
)
from protocol.spec import DesiredReplica
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
    node.run(1)
    assert node.state.engine_ok and node.running() == {a_ref()}


def test_a_first_session_before_the_first_look_says_that_the_engine_is_silent() -> None:
    node = VirtualNode(memory=JOURNAL)
    node.containers["c0"] = a_container(a_want(), container_id="c0")
    node.connect()
    assert Inventory(containers=(), engine_ok=False) in node.sent
    node.look()
    assert (report := node.report(a_ref())) is not None and report.state == "running"


def three_running() -> VirtualNode:
    node = VirtualNode()
    node.start(a_want(1), a_want(2), a_want(3))
    node.run(2)
    assert len(node.running()) == 3
    return node


def test_many_stops_wait_for_the_confirmation_of_the_same_word() -> None:
    node = three_running()
    node.desire(revision=9)
    node.run(20)
    questions = [m for m in node.sent if isinstance(m, ConfirmStop)]
    assert len(questions) == 1 and questions[0].revision == 9 and len(node.running()) == 3
    node.hear(StopConfirmed(incarnation=1, revision=8))
    node.run(5)
    assert len(node.running()) == 3
    node.hear(StopConfirmed(incarnation=1, revision=9))
    node.run(5)
    assert node.containers == {}


def test_a_newer_word_takes_the_question_back() -> None:
    node = three_running()
    node.desire(revision=9)
    node.desire(a_want(1), a_want(2), a_want(3), revision=10)
    node.hear(StopConfirmed(incarnation=1, revision=9))
    node.run(5)
    assert len(node.running()) == 3 and node.done(Stop) == 0


def test_the_question_is_asked_again_after_a_reconnect() -> None:
    node = three_running()
    node.desire(revision=9)
    node.disconnect()
    node.connect()
    node.desire(revision=9)
    assert len([m for m in node.sent if isinstance(m, ConfirmStop)]) == 2
    node.hear(StopConfirmed(incarnation=1, revision=9))
    node.run(5)
    assert node.containers == {}


def test_an_older_word_changes_nothing() -> None:
    node = three_running()
    node.desire(revision=5)
    node.hear(StopConfirmed(incarnation=1, revision=5))
    node.run(5)
    node.desire(a_want(), revision=4)
    node.run(5)
    assert node.containers == {} and node.memory.desired is not None and node.memory.desired.revision == 5


def test_a_gap_asks_once_and_applies_nothing() -> None:
    node = three_running()
    for after in (5, 6):
        node.hear(DesiredDelta(after=after, incarnation=1, revision=2, drop=(a_ref(1),)))
    node.run(5)
    assert len([m for m in node.sent if isinstance(m, Resync)]) == 1 and len(node.running()) == 3


def test_a_removed_node_stops_the_listed_and_heals_nothing() -> None:
    node = three_running()
    node.hear(Removed(stop=(a_ref(1),)))
    node.run(3)
    assert node.running() == {a_ref(2), a_ref(3)} and node.memory.removed and node.memory.desired is None
    node.exit(a_ref(2))
    node.run(60)
    assert node.running() == {a_ref(3)}
    again = VirtualNode(memory=node.memory)
    again.containers = node.containers
    again.look()
    again.run(60)
    assert again.steps == []


def test_a_late_word_of_a_former_session_is_ignored() -> None:
    node = VirtualNode()
    node.start(a_want())
    node.run(1)
    node.disconnect()
    node.desire(revision=2)
    node.run(5)
    assert node.running() == {a_ref()}


def test_nothing_is_sent_between_inventory_and_welcome() -> None:
    node = VirtualNode(memory=JOURNAL)
    node.look()
    node.session += 1
    node.tell(SessionOpened(session=node.session))
    node.run(5)
    assert {type(m) for m in node.sent} == {Inventory} and node.running() == {a_ref()}


def test_observed_is_counted_from_one_without_a_gap_and_report_numbers_grow() -> None:
    node = VirtualNode()
    node.start(*(a_want(n) for n in range(1, 6)))
    node.run(5)
    node.exit(a_ref(3))
    node.run(5)
    seqs = [m.seq for m in node.sent if isinstance(m, Observed)]
    assert seqs == list(range(1, len(seqs) + 1))
    numbers = [r.state_seq for m in node.sent if isinstance(m, Observed) for r in m.containers if r.replica == 3]
    assert numbers == sorted(set(numbers))
    node.disconnect()
    node.connect()
    node.exit(a_ref(1))
    assert next(m.seq for m in reversed(node.sent) if isinstance(m, Observed)) == 1


def test_report_numbers_grow_across_a_restart_even_if_the_clock_went_back() -> None:
    memory = Memory(boot_id="boot-1", state_seq=10**15)
    node = VirtualNode(memory=memory)
    node.start(a_want())
    assert (report := node.report(a_ref())) is not None and report.state_seq > 10**15


def test_every_frame_fits() -> None:
    node = VirtualNode()
    for n in range(1, 400):
        node.containers[f"c{n}"] = a_container(a_want(n), container_id=f"c{n}")
    node.look()
    node.connect()
    node.desire(*(a_want(n) for n in range(1, 400)))
    node.run(5)
    for container_id, container in list(node.containers.items()):
        node.containers[container_id] = msgspec.structs.replace(container, status="exited", exit_code=1)
    node.look()
    node.run(0.1)
    node.desire(revision=2)
    node.run(300)
    assert node.containers == {}
    assert max(len(encode(message)) for message in node.sent) <= FRAME_MAX


# -- convergence ----------------------------------------------------------------------------------------------------

PORTS = st.sampled_from([None, 8080, 8081])
WANTS = st.dictionaries(
    st.tuples(st.sampled_from(["web", "db"]), st.integers(1, 3)), st.tuples(st.integers(1, 3), PORTS)
)
FAULTS = st.lists(
    st.tuples(
        st.sampled_from([Create, Start, Stop, Remove, Pull]),
        st.sampled_from(["error", "timeout", "engine_down", "not_found", "pull_failed"]),
    ),
    max_size=4,
)
Round = tuple[dict[tuple[str, int], tuple[int, int | None]], list[tuple[type, FaultKind]], list[str]]
HAPPENINGS = st.lists(st.sampled_from(["crash", "remove", "reconnect", "look", "break", "wait"]), max_size=8)


def legal(wants: dict[tuple[str, int], tuple[int, int | None]]) -> tuple[DesiredReplica, ...]:
    """Desired replicas of which no two share a port."""
    taken: set[int] = set()
    made: list[DesiredReplica] = []
    for (service, replica), (epoch, port) in sorted(wants.items()):
        free = port if port is not None and port not in taken else None
        taken |= {free} if free else set()
        made.append(a_want(replica, service=service, epoch=epoch, port=free))
    return tuple(made)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(WANTS, FAULTS, HAPPENINGS), min_size=1, max_size=4), image_there=st.booleans())
def test_whatever_happens_the_node_comes_to_what_is_desired(
    steps: list[Round],
    image_there: bool,
) -> None:
    node = VirtualNode()
    if not image_there:
        node.images.clear()
    node.look()
    node.connect()
    wants: tuple[DesiredReplica, ...] = ()
    for number, (wanted, faults, happenings) in enumerate(steps, start=1):
        wants = legal(wanted)
        node.faults = list(faults)
        node.desire(*wants, revision=number)
        for happening in happenings:
            happen(node, happening, wants, number)
            node.run(0.3)
    for _ in range(3):
        node.run(130)
        node.hear(StopConfirmed(incarnation=1, revision=len(steps)))
        node.look()
    node.run(130)
    wanted_refs = {a_ref(w.replica, epoch=w.epoch, service=w.service) for w in wants}
    reports = {ref: node.report(ref) for ref in wanted_refs}
    given_up = {ref for ref, report in reports.items() if report is not None and report.gave_up}
    expected = wanted_refs - given_up
    assert node.running() == expected
    assert {c.ref for c in node.containers.values()} - given_up == expected
    assert {report.state for ref in expected if (report := reports[ref])} <= {"running"}
    assert not given_up or len(faults_and_crashes(steps)) >= FAILURES_MAX, "nothing is given up for less"
    before = len(node.steps)
    node.run(3600)
    node.look()
    assert len(node.steps) == before, "at rest, nothing is done"


def faults_and_crashes(steps: list[Round]) -> list[object]:
    """All that may count as a failure."""
    return [bad for _, faults, happenings in steps for bad in (*faults, *(h for h in happenings if h == "crash"))]


def happen(node: VirtualNode, happening: str, wants: tuple[DesiredReplica, ...], revision: int) -> None:
    """One bad thing."""
    running = sorted(node.running(), key=str)
    match happening:
        case "crash" if running:
            node.exit(running[0])
        case "remove" if running:
            container = node.of(running[0])
            assert container is not None
            del node.containers[container.id]
            node.see(container.id)
        case "reconnect":
            node.disconnect()
            node.connect()
            node.desire(*wants, revision=revision)
        case "look":
            node.look()
        case "break":
            node.look(after_break=True)
        case _:
            node.run(1)


@pytest.mark.parametrize("kind", [Create, Start])
def test_a_step_that_times_out_is_tried_again_without_blame(kind: type) -> None:
    node = VirtualNode()
    node.faults = [(kind, "timeout")] * 6
    node.start(a_want(image=IMAGE))
    node.run(300)
    assert node.running() == {a_ref()}
