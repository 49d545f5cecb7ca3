"""The node and the Center: whose word counts, what is asked twice, what is said on a session."""

import msgspec

from nodeagent.core.desired import DesiredState
from nodeagent.core.events import Memory, SessionOpened
from nodeagent.core.steps import Stop
from protocol.codec import FRAME_MAX, encode
from protocol.messages import (
    ConfirmStop,
    DesiredDelta,
    Inventory,
    Observed,
    Removed,
    Resync,
    StopConfirmed,
)
from tests.unit.nodeagent.core.made import VirtualNode, a_container, a_ref, a_want

JOURNAL = Memory(desired=DesiredState(incarnation=1, revision=4, replicas=(a_want(),)), boot_id="boot-1", state_seq=7)


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


def test_a_newer_word_that_leaves_them_out_too_asks_no_second_question() -> None:
    node = three_running()
    node.desire(revision=9)
    node.desire(revision=10)
    node.run(1)
    assert len([m for m in node.sent if isinstance(m, ConfirmStop)]) == 1
    node.hear(StopConfirmed(incarnation=1, revision=9))
    node.run(5)
    assert node.containers == {}


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
