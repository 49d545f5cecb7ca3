"""What may happen to a node between the decision to open its session and the session."""

from typing import Any, cast

import pytest

from controlplane.controller.loop import Controller
from controlplane.core.cluster import Cluster
from controlplane.core.command import Opened
from controlplane.core.node import Former
from controlplane.core.record import Now
from controlplane.link.admission import Proved
from controlplane.link.endpoint import Endpoint
from controlplane.link.hub import Hub
from controlplane.link.relay import Relay
from controlplane.link.wire import Closed, Listener
from controlplane.store.identity import Identity
from protocol.codec import decode_from_center
from protocol.messages import PROTOCOL, Capacity, FromCenter, Hello, Inventory, Removed, Versions
from tests.unit.controlplane.controller.fakes import cluster

FORMER = Former(agent_id="a", name="n", public_key="", removed_at=1.0)
HELLO = Hello(agent_id="a", nonce="00", protocol=PROTOCOL, boot_id="b", versions=Versions(), capacity=Capacity())


class RemovedMeanwhile:
    """A controller that opens the session and removes the node before anybody hears of it."""

    def __init__(self, after: Cluster) -> None:
        self.cluster = after

    async def ask(self, command: object) -> Opened:
        return Opened(node="n", session_epoch=1, incarnation=1)


class SilentWire:
    def __init__(self) -> None:
        self.sent: list[FromCenter] = []

    async def receive(self) -> bytes:
        raise AssertionError("nothing is asked")

    async def send(self, frame: bytes) -> None:
        self.sent.append(decode_from_center(frame))

    async def close(self, code: int, reason: str) -> None:
        pass

    @property
    def has_room(self) -> bool:
        return True

    def listen(self, listener: Listener) -> None:
        raise AssertionError("no session is open")

    def write(self, frame: bytes) -> None:
        raise AssertionError("no session is open")

    def hold(self, held: bool) -> None:
        raise AssertionError("no session is open")


async def test_a_node_removed_while_its_session_opens_is_sent_away() -> None:
    hub, wire = Hub(lambda: Now(0.0, 0.0)), SilentWire()
    controller = cast(Controller, RemovedMeanwhile(cluster(FORMER)))
    relay = Relay(lambda: Now(0.0, 0.0), lambda _node, _tail: None)
    endpoint = Endpoint(controller, hub, relay, cast(Identity, None), lambda: Now(0.0, 0.0))
    opening: Any = endpoint._open(wire, Proved(hello=HELLO, owner=FORMER), Inventory(containers=()), "10.0.0.9")
    with pytest.raises(Closed, match="removed"):
        await opening
    assert wire.sent == [Removed()]
    assert hub.sessions() == 0
