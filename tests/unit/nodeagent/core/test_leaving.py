"""Stopping = the address is withdrawn, its clients go, then the stop signal (docs/health.md)."""

import pytest

from nodeagent.core.steps import Create, Restart, Start, Stop
from protocol.messages import Desired, DesiredDelta, Leaving, TaskOrder
from tests.unit.nodeagent.core.made import VirtualNode, a_ref, a_want

WAITS = a_want(drain_s=2.0)


def a_node() -> VirtualNode:
    node = VirtualNode()
    node.start(WAITS)
    node.run(10)
    return node


def drop(node: VirtualNode) -> None:
    node.hear(DesiredDelta(after=0, incarnation=1, revision=2, drop=(a_ref(),)))


def stops(node: VirtualNode) -> list[float]:
    return [step.grace_s for step in node.steps if isinstance(step, Stop)]


def test_what_serves_is_stopped_when_its_clients_are_gone() -> None:
    node = a_node()
    drop(node)
    node.run(1.9)
    assert stops(node) == [] and node.running() == {a_ref()}
    report = node.report(a_ref())
    assert report is not None and report.state == "stopping"
    node.run(0.2)
    assert stops(node) == [10.0]
    node.run(1)
    assert node.containers == {}


def test_the_next_one_starts_meanwhile() -> None:
    node = a_node()
    node.hear(DesiredDelta(after=0, incarnation=1, revision=2, replicas=(a_want(2),), drop=(a_ref(),)))
    node.run(1)
    assert node.running() == {a_ref(), a_ref(2)}


def test_a_successor_on_the_same_host_port_waits_for_the_end() -> None:
    node = VirtualNode()
    node.start(a_want(port=8080, drain_s=2.0))
    node.run(10)
    after = a_want(epoch=2, port=8080, drain_s=2.0)
    node.hear(DesiredDelta(after=0, incarnation=1, revision=2, replicas=(after,), drop=(a_ref(),)))
    node.run(1.9)
    assert node.running() == {a_ref()} and node.done(Start) == 1 and node.done(Create) == 2
    node.run(2)
    assert node.running() == {a_ref(epoch=2)}


@pytest.mark.parametrize("ill", [True, False])
def test_nobody_waits_for_what_does_not_serve(ill: bool) -> None:
    node = VirtualNode()
    node.start(a_want(drain_s=2.0, health=True, restart="no"))
    node.run(1)
    if ill:
        node.set_health(a_ref(), "unhealthy")
    else:
        node.exit(a_ref())
    drop(node)
    node.run(1.0)
    assert node.running() == set()


def test_a_further_word_of_the_center_does_not_begin_the_wait_anew() -> None:
    node = a_node()
    drop(node)
    for after in range(1, 4):
        node.run(0.6)
        node.hear(DesiredDelta(after=after, incarnation=1, revision=2 + after, replicas=(a_want(after + 1),)))
    node.run(0.4)
    assert stops(node) == [10.0]


def test_what_is_wanted_again_in_time_is_not_stopped() -> None:
    node = a_node()
    drop(node)
    node.run(1)
    node.hear(DesiredDelta(after=1, incarnation=1, revision=3, replicas=(WAITS,)))
    node.run(30)
    assert stops(node) == [] and node.running() == {a_ref()}


def full(node: VirtualNode, *leaving: Leaving) -> None:
    node.disconnect()
    node.connect()
    node.hear(Desired(seq=0, incarnation=1, revision=9, leaving=leaving))


def test_what_lives_elsewhere_is_stopped_at_once_when_its_node_returns() -> None:
    node = a_node()
    full(node)
    node.run(0.1)
    assert stops(node) == [5.0]


def test_what_left_on_purpose_gets_what_is_left_of_its_wait_and_its_whole_grace() -> None:
    node = a_node()
    full(node, Leaving(ref=a_ref(), wait_s=1.5, grace_s=30.0))
    node.run(1.4)
    assert stops(node) == []
    node.run(0.2)
    assert stops(node) == [30.0]


def test_a_restart_of_the_agent_in_the_wait_goes_by_the_centers_word() -> None:
    node = a_node()
    drop(node)
    again = VirtualNode(memory=node.memory)
    again.containers = dict(node.containers)
    again.look()
    again.connect()
    again.run(30)
    assert stops(again) == [], "nobody said yet what became of it"
    full(again, Leaving(ref=a_ref(), wait_s=0.5, grace_s=30.0))
    again.run(0.4)
    assert stops(again) == []
    again.run(0.2)
    assert stops(again) == [30.0]


def test_a_word_that_it_lives_elsewhere_by_now_ends_the_wait() -> None:
    node = VirtualNode()
    node.start(a_want(drain_s=60.0))
    node.run(10)
    drop(node)
    node.run(1)
    full(node)
    node.run(0.1)
    assert len(stops(node)) == 1


def test_an_ordered_restart_waits_for_its_clients_too() -> None:
    node = a_node()
    node.hear(TaskOrder(task="t1", kind="restart", target=a_ref()))
    node.run(1.9)
    assert node.done(Restart) == 0
    node.run(0.2)
    assert node.done(Restart) == 1
