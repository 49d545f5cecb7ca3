"""An agent that a restored Center does not know is taken in by that Center's own signature, while it adopts only."""

from pathlib import Path

import msgspec
import pytest

from controlplane.core.cluster import Cluster
from controlplane.link import admission
from controlplane.link.admission import Proved
from controlplane.link.turns import Turns
from controlplane.link.wire import Closed, Listener
from controlplane.store.identity import Identity, open_identity
from nodeagent.keys import AgentKey, new_seed
from protocol.codec import decode_from_center, encode
from protocol.handshake import agent_claim, registered_claim
from protocol.messages import PROTOCOL, Admitted, Capacity, Challenge, Hello, Proof, Versions
from tests.unit.controlplane.controller.fakes import cluster

NONCE = "ab" * 32


class Peer:
    """A wire with an agent behind it: says hello, and proves its key when it is challenged."""

    def __init__(self, tables: Cluster, key: AgentKey, shown: Admitted | None) -> None:
        self.cluster = tables.meta.cluster
        self.key = key
        self.shown = shown
        self.challenge: Challenge | None = None

    async def receive(self) -> bytes:
        if self.challenge is None:
            hello = Hello(
                agent_id="a-1", nonce=NONCE, protocol=PROTOCOL, boot_id="b", versions=Versions(), capacity=Capacity()
            )
            return encode(hello)
        claim = agent_claim(self.cluster, "a-1", NONCE, self.challenge.nonce)
        return encode(Proof(signature=self.key.sign(claim), admitted=self.shown))

    async def send(self, frame: bytes) -> None:
        message = decode_from_center(frame)
        assert isinstance(message, Challenge)
        self.challenge = message

    async def close(self, code: int, reason: str) -> None: ...

    def listen(self, listener: Listener) -> None: ...

    @property
    def has_room(self) -> bool:
        return True

    def write(self, frame: bytes) -> None: ...

    def hold(self, held: bool) -> None: ...


class Bench:
    """A Center's identity and tables, and an agent that it registered once."""

    def __init__(self, folder: Path) -> None:
        self.identity: Identity = open_identity(folder, new_cluster=True)
        self.tables = cluster()
        self.tables.meta = msgspec.structs.replace(self.tables.meta, adopting=True)
        self.key = AgentKey(new_seed())
        claim = registered_claim(self.tables.meta.cluster, "a-1", self.key.public)
        signature = self.identity.sign(claim)
        self.shown = Admitted(name="node-9", address="10.0.0.9", public_key=self.key.public, signature=signature)

    async def prove(self, shown: Admitted | None, key: AgentKey | None = None) -> Proved:
        peer = Peer(self.tables, key or self.key, shown)
        return await admission.prove(peer, self.tables, self.identity, Turns())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_by_the_centers_own_signature(bench: Bench) -> None:
    proved = await bench.prove(bench.shown)
    assert proved.unknown and (proved.owner.name, proved.owner.public_key) == ("node-9", bench.key.public)


async def test_not_without_it_nor_with_another_key_nor_with_that_of_another_center(bench: Bench) -> None:
    other = AgentKey(new_seed())
    claim = registered_claim(bench.tables.meta.cluster, "a-1", other.public)
    forged = msgspec.structs.replace(bench.shown, public_key=other.public, signature=other.sign(claim))
    stolen = msgspec.structs.replace(bench.shown, public_key=other.public)
    for shown, key in ((None, None), (bench.shown, other), (forged, other), (stolen, other)):
        with pytest.raises(Closed) as caught:
            await bench.prove(shown, key)
        assert caught.value.code == 1008


async def test_not_when_nothing_is_adopted(bench: Bench) -> None:
    bench.tables.meta = msgspec.structs.replace(bench.tables.meta, adopting=False)
    with pytest.raises(Closed):
        await bench.prove(bench.shown)
