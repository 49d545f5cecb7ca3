"""Actions are carried out in order, each by its own method; one that fails does not keep the others."""

from controlplane.controller.effects import carry_out
from controlplane.core.action import Action, CloseSession, SendDelta, SendFull, SendOrder, SendRelist, SendStopConfirmed
from protocol.messages import StopConfirmed, TaskOrder
from tests.unit.controlplane.controller.fakes import FakeRopes

ACTIONS: list[Action] = [
    SendFull(node="n", session_epoch=1, incarnation=1, revision=1, replicas=()),
    SendDelta(node="n", incarnation=1, revision=2),
    SendOrder(node="n", order=TaskOrder(task="t1", kind="pull", image="i")),
    SendRelist(node="n"),
    SendStopConfirmed(node="n", session_epoch=1, confirmed=StopConfirmed(incarnation=1, revision=1)),
    CloseSession(node="n", session_epoch=1, reason="removed"),
]


def test_each_action_is_carried_out_in_order() -> None:
    log: list[object] = []
    assert carry_out(ACTIONS, FakeRopes(log)) == 0
    assert log == [(action, None) for action in ACTIONS]


def test_failures_are_counted_and_do_not_stop_the_rest() -> None:
    class Picky(FakeRopes):
        def send_delta(self, action: SendDelta) -> None:
            raise ValueError("no")

    log: list[object] = []
    assert carry_out(ACTIONS, Picky(log)) == 1
    assert len(log) == len(ACTIONS) - 1
