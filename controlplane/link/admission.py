"""The beginning of a session: both sides prove their key, the agent shows what it has (DESIGN §3.2).

Order: Hello, Challenge, Proof, Inventory pages. Nothing an unproven peer sends is long, slow or believed. Called by
`endpoint.py`; opens nothing by itself.
"""

import asyncio
import secrets
from typing import TypeVar

import msgspec

from controlplane.core import adoption
from controlplane.core.cluster import Cluster
from controlplane.core.node import Former, Node
from controlplane.link.turns import Turns
from controlplane.link.wire import Closed, Wire
from controlplane.store.identity import Identity, is_signed
from protocol.codec import ProtocolError, decode_from_agent, encode
from protocol.handshake import NONCE_BYTES, agent_claim, center_claim, registered_claim
from protocol.messages import Challenge, ContainerRef, ContainerReport, Hello, Inventory, Proof, Removed
from protocol.spec import DesiredReplica
from protocol.versions import spoken_with_agent

T = TypeVar("T")

PROOF_S = 5.0
"""From the open socket to a good proof."""

UNPROVEN_MAX = 4096
"""Bytes of a frame from a peer that has not proved its key."""

INVENTORY_S = 30.0
"""For all pages of the first inventory."""

CONTAINERS_MAX = 4096
"""Containers of ours on one node; more is not believed."""


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """The peer holds the key of this node, or of one that was removed."""

    hello: Hello
    owner: Node | Former
    unknown: bool = False
    """The owner is not in the tables: a restored Center takes it in again."""


class Stock:
    """Collects the pages of an inventory. Raises Closed when there is no end to them."""

    def __init__(self) -> None:
        self._containers: list[ContainerReport] = []
        self._held: list[DesiredReplica] = []

    def add(self, page: Inventory) -> Inventory | None:
        """The whole inventory when this was its last page."""
        self._containers.extend(page.containers)
        self._held.extend(page.held)
        if max(len(self._containers), len(self._held)) > CONTAINERS_MAX:
            raise Closed(1009, f"more than {CONTAINERS_MAX} containers")
        if not page.last:
            return None
        held, containers = tuple(self._held), tuple(self._containers)
        whole = Inventory(containers=containers, engine_ok=page.engine_ok, held=held)
        self._containers, self._held = [], []
        return whole


async def prove(wire: Wire, cluster: Cluster, identity: Identity, turns: Turns) -> Proved:
    """Exchange proofs. Raises Closed: a peer that is slow, long, unknown, or has not the key it should have."""
    try:
        async with asyncio.timeout(PROOF_S):
            hello = await _first(wire, Hello)
            _negotiate(hello.protocol)
            await turns.take()
            nonce = secrets.token_hex(NONCE_BYTES)
            claim = center_claim(cluster.meta.cluster, hello.agent_id, hello.nonce, nonce)
            await wire.send(
                encode(
                    Challenge(
                        cluster=cluster.meta.cluster,
                        nonce=nonce,
                        signature=identity.sign(claim),
                        recall=adoption.recalls(cluster.meta, hello),
                    )
                )
            )
            proof = await _first(wire, Proof)
    except TimeoutError:
        raise Closed(1008, f"no proof within {PROOF_S:.0f} s") from None
    await turns.take()
    owner = cluster.agent(hello.agent_id) or cluster.former.get(hello.agent_id)
    claim = agent_claim(cluster.meta.cluster, hello.agent_id, hello.nonce, nonce)
    known = owner or _admitted(cluster, identity, hello, proof)
    if known is None or not is_signed(known.public_key, proof.signature, claim):
        raise Closed(1008, "unknown agent, or not its key")
    return Proved(hello=hello, owner=known, unknown=owner is None)


def _admitted(cluster: Cluster, identity: Identity, hello: Hello, proof: Proof) -> Node | None:
    """The node that the agent was registered as, by this Center's own signature, after the backup was taken."""
    shown = proof.admitted
    if shown is None or not cluster.meta.adopting:
        return None
    claim = registered_claim(cluster.meta.cluster, hello.agent_id, shown.public_key)
    if not is_signed(identity.public_key, shown.signature, claim):
        return None
    name, address, key = shown.name, shown.address, shown.public_key
    return Node(name=name, agent_id=hello.agent_id, public_key=key, address=address, registered_at=0.0)


def _negotiate(protocol: int) -> None:
    try:
        spoken_with_agent(protocol)
    except ValueError as error:
        raise Closed(1008, str(error)) from error


async def inventory(wire: Wire) -> Inventory:
    """All pages as one. Raises Closed."""
    stock, whole = Stock(), None
    try:
        async with asyncio.timeout(INVENTORY_S):
            while whole is None:
                whole = stock.add(await _next(wire, Inventory))
    except TimeoutError:
        raise Closed(1008, f"no inventory within {INVENTORY_S:.0f} s") from None
    return whole


def farewell(cluster: Cluster, containers: tuple[ContainerReport, ...]) -> list[ContainerRef]:
    """What a removed node must stop: replicas that live elsewhere now, and those that shall live no more.

    What nobody else has taken over runs on, unwatched (DESIGN §3.6). A copy is told by its epoch: another machine may
    have been registered under the name of this one.
    """
    stop = []
    for container in containers:
        replica = cluster.replicas.get(container.id)
        gone = replica is None or replica.ending
        elsewhere = replica is not None and replica.wanted is not None and replica.wanted.epoch != container.epoch
        if gone or elsewhere:
            stop.append(
                ContainerRef(
                    project=container.project,
                    service=container.service,
                    replica=container.replica,
                    epoch=container.epoch,
                )
            )
    return stop


def removed_frame(stop: list[ContainerRef], *, last: bool) -> bytes:
    """A page of the answer to a removed node."""
    return encode(Removed(stop=tuple(stop), last=last))


async def _first(wire: Wire, kind: type[T]) -> T:
    frame = await wire.receive()
    if len(frame) > UNPROVEN_MAX:
        raise Closed(1009, f"at most {UNPROVEN_MAX} bytes before the proof")
    return _read(frame, kind)


async def _next(wire: Wire, kind: type[T]) -> T:
    return _read(await wire.receive(), kind)


def _read(frame: bytes, kind: type[T]) -> T:
    try:
        message = decode_from_agent(frame)
    except ProtocolError as error:
        raise Closed(1002, str(error)) from error
    if not isinstance(message, kind):
        raise Closed(1002, f"{kind.__name__} is due, not {type(message).__name__}")
    return message
