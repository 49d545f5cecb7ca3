"""Bodies of `POST /api/agent/register`: mutants, and well-signed ones whose values are beyond reason.

Holds: 200, or a Refused with a code that people know; never another exception; what is stored can be stored.
"""

import random
from collections import Counter
from typing import Any, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request
from starlette.types import Message

from controlplane.controller.loop import Controller
from controlplane.core import center
from controlplane.core.cluster import Cluster
from controlplane.core.command import Command
from controlplane.core.node import JoinTicket
from controlplane.core.record import Refused
from controlplane.link.registration import Registration
from controlplane.store.identity import Identity
from controlplane.store.tables import statements
from controlplane.web.answers import STATUS
from protocol.api import RegisterRequest
from protocol.handshake import JoinToken, register_claim, secret_hash
from tests.fuzz.mutations import Mutator
from tests.fuzz.shapes import Shapes
from tests.unit.controlplane import sample_cluster

NODES_MAX = 50
"""Nodes that were taken in, before the cluster begins anew."""


class _Deciding:
    """Stands for the controller: decides and applies, without a store."""

    def __init__(self) -> None:
        self.cluster: Cluster = sample_cluster.shop()

    async def ask(self, command: Command) -> Any:
        outcome = center.handle(self.cluster, command, sample_cluster.NOW)
        for sql, rows in statements(outcome.changes):
            assert sql and all(isinstance(column, str | int | float) for row in rows for column in row)
            for row in rows:
                for column in row:
                    str(column).encode()
        self.cluster.apply(outcome.changes)
        return outcome.reply


class Bodies:
    """Registrations from a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._shapes = Shapes(self._chance)
        self._mutator = Mutator(self._chance)
        self._identity = Identity(self._chance.randbytes(32))
        self._count = 0
        self._begin()

    def _begin(self) -> None:
        self._deciding = _Deciding()
        controller = cast("Controller", self._deciding)
        self._registration = Registration(controller, self._identity, lambda: sample_cluster.NOW)

    async def fuzz(self, count: int) -> Counter[str]:
        """So many. Raises what a defect raises, with the body noted."""
        outcomes = Counter[str]()
        for _ in range(count):
            body = self._body()
            try:
                outcomes[await self._one(body)] += 1
            except Exception as error:
                error.add_note(f"of {body[:3000]!r}")
                raise
            if len(self._deciding.cluster.nodes) > NODES_MAX:
                self._begin()
        return outcomes

    def _body(self) -> bytes:
        """A token that is good, and a body signed with a key of its own; half of them are broken afterwards."""
        self._count += 1
        ticket = f"t{self._count}"
        secret = secret_hash("s")
        self._deciding.cluster.tickets[ticket] = JoinTicket(
            id=ticket, secret_hash=secret, expires_at=sample_cluster.WALL + 1000
        )
        key = Ed25519PrivateKey.from_private_bytes(self._chance.randbytes(32))
        asked = self._shapes.value(RegisterRequest)
        asked["token"] = str(JoinToken(ticket, "s", self._identity.fingerprint))
        asked["public_key"] = key.public_key().public_bytes_raw().hex()
        if self._chance.random() < 0.7:
            asked["name"] = f"node-{self._count}"
        asked["signature"] = key.sign(register_claim(asked["token"], asked["public_key"], asked["name"])).hex()
        body = msgspec.json.encode(asked)
        return self._mutator.mutant(body) if self._chance.random() < 0.5 else body

    async def _one(self, body: bytes) -> str:
        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        address = f"10.{self._count >> 16 & 255}.{self._count >> 8 & 255}.{self._count & 255}"
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "client": (address, 1)}
        try:
            answer = await self._registration.register(Request(scope, receive))
        except Refused as refused:
            assert refused.code in STATUS and refused.code != "internal", refused.code
            return refused.code
        assert answer.status_code == 200
        return "registered"
