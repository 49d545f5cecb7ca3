"""What the core asks its shell to do, carried out through a port. `link.hub` implements `Dispatcher`; `app` joins them.

Nothing here waits: an action is put into a bounded queue of a session or is dropped with the session; the full state
of the next session heals what was lost (DESIGN §2, One writer).
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol, assert_never

from controlplane.core.action import Action, CloseSession, SendDelta, SendFull, SendOrder, SendRelist, SendStopConfirmed
from controlplane.core.detector import Sighting
from controlplane.core.fact import NodeUsage

_log = logging.getLogger(__name__)


class Dispatcher(Protocol):
    """The ropes to the nodes. No method waits or raises for a node that is not there."""

    def send_full(self, action: SendFull) -> None:
        """Give the session of this epoch its full desired state."""

    def send_delta(self, action: SendDelta) -> None:
        """Give the open session a change, if it has had its full state."""

    def send_order(self, action: SendOrder) -> None:
        """Give the open session an order, if it has had its full state; else it comes after that state."""

    def send_stop_confirmed(self, action: SendStopConfirmed) -> None:
        """Answer the session of this epoch."""

    def send_relist(self, action: SendRelist) -> None:
        """Ask the open session for its inventory, if it has had its full state."""

    def close_session(self, action: CloseSession) -> None:
        """End the session if it has this epoch or an older one."""

    def sightings(self, now: float) -> Mapping[str, Sighting]:
        """Every node heard of, at monotonic `now`."""

    def restless(self, now: float) -> Collection[str]:
        """Nodes that are not simply connected, heard lately and well; see `Tick.restless`."""

    def usage(self) -> Mapping[str, NodeUsage]:
        """The latest heartbeat of every node. A snapshot: it does not change later."""


def carry_out(actions: Iterable[Action], dispatcher: Dispatcher) -> int:
    """Do them in order; returns how many failed. One that fails does not keep the others from being done."""
    failed = 0
    for action in actions:
        try:
            _do(action, dispatcher)
        except Exception:  # noqa: BLE001 one rope's trouble is not the writer's; it is logged and counted
            _log.exception("cannot carry out %s for %s", type(action).__name__, action.node)
            failed += 1
    return failed


def _do(action: Action, dispatcher: Dispatcher) -> None:
    match action:
        case SendFull():
            dispatcher.send_full(action)
        case SendDelta():
            dispatcher.send_delta(action)
        case SendOrder():
            dispatcher.send_order(action)
        case SendStopConfirmed():
            dispatcher.send_stop_confirmed(action)
        case SendRelist():
            dispatcher.send_relist(action)
        case CloseSession():
            dispatcher.close_session(action)
        case _:
            assert_never(action)
