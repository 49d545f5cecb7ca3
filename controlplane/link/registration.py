"""`POST /api/agent/register`: a join token and a key make a node (DESIGN §3.1). Mounted by `app.py`.

Checks that the request is what it says: its shape, its signature, a token of this Center. Whether the token, the name
and the rest are good is the core's word. Failures are counted per address, so that nobody tries tokens for long.
"""

import math
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from controlplane.controller.loop import Controller
from controlplane.core.command import Register
from controlplane.core.node import Node
from controlplane.core.record import Now, Refused
from controlplane.store.identity import Identity, is_signed
from protocol.api import ErrorAnswer, ErrorBody, RegisterAnswer, RegisterRequest
from protocol.handshake import JoinToken, register_claim, registered_claim, secret_hash
from protocol.messages import PROTOCOL
from protocol.names import is_legal
from protocol.versions import spoken_with_agent

BODY_MAX = 64 * 1024

FAILURES_MAX = 10
FAILURES_S = 60.0
"""So many failures from one address within so many seconds, then 429."""

ADDRESSES_MAX = 10_000
"""Addresses whose failures are remembered; the one that failed longest ago is forgotten first."""

SESSION_PATH = "/api/agent/session"
HEARTBEAT_S = 5.0

_KEY = re.compile(r"[0-9a-f]{64}")


class Failures:
    """When each address failed lately. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until this address may try again; 0 = it may."""
        times = self._times.get(address, deque())
        while times and now - times[0] >= FAILURES_S:
            times.popleft()
        return FAILURES_S - (now - times[0]) if len(times) >= FAILURES_MAX else 0.0

    def add(self, address: str, now: float) -> None:
        """It failed again."""
        self._times.setdefault(address, deque(maxlen=FAILURES_MAX)).append(now)
        self._times.move_to_end(address)
        if len(self._times) > ADDRESSES_MAX:
            self._times.popitem(last=False)


class Registration:
    """The handler."""

    def __init__(self, controller: Controller, identity: Identity, now: Callable[[], Now]) -> None:
        self._controller = controller
        self._identity = identity
        self._now = now
        self._failures = Failures()

    async def register(self, request: Request) -> Response:
        """Answer 200 with a RegisterAnswer. Raises Refused, answered by the guards around all routes."""
        remote, mono = request.client.host if request.client else "", self._now().mono
        wait_s = self._failures.wait_s(remote, mono)
        if wait_s > 0:
            return _too_many(wait_s)
        try:
            asked, token = self._read(await request.body())
            node: Node = await self._controller.ask(_command(asked, token, remote))
        except Refused as refused:
            if refused.code not in ("full", "unavailable", "internal"):
                self._failures.add(remote, mono)
            raise
        return Response(msgspec.json.encode(self._answer(node)), media_type="application/json")

    def _read(self, body: bytes) -> tuple[RegisterRequest, JoinToken]:
        if len(body) > BODY_MAX:
            raise Refused("too_large", f"at most {BODY_MAX} bytes")
        try:
            asked = msgspec.json.decode(body, type=RegisterRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused("bad_request", f"not a registration: {error}") from error
        if not is_legal(_KEY, asked.public_key):
            raise Refused("invalid", "an Ed25519 public key is 64 hex characters", "public_key")
        try:
            token = JoinToken.parse(asked.token)
        except ValueError as error:
            raise Refused("forbidden", str(error), "token") from error
        if token.fingerprint != self._identity.fingerprint:
            raise Refused("forbidden", "this join token was made by another Center", "token")
        try:
            spoken_with_agent(asked.protocol)
        except ValueError as error:
            raise Refused("unsupported", str(error), "protocol") from error
        if not is_signed(asked.public_key, asked.signature, register_claim(asked.token, asked.public_key, asked.name)):
            raise Refused("forbidden", "the signature was not made with this key", "signature")
        return asked, token

    def _answer(self, node: Node) -> RegisterAnswer:
        cluster = self._controller.cluster.meta.cluster
        return RegisterAnswer(
            agent_id=node.agent_id,
            node=node.name,
            cluster=cluster,
            center_key=self._identity.public_key,
            heartbeat_s=HEARTBEAT_S,
            session_path=SESSION_PATH,
            protocol=PROTOCOL,
            signature=self._identity.sign(registered_claim(cluster, node.agent_id, node.public_key)),
        )


def _command(asked: RegisterRequest, token: JoinToken, remote: str) -> Register:
    return Register(
        actor=f"node {asked.name}",
        ticket=token.id,
        secret_hash=secret_hash(token.secret),
        agent_id=secrets.token_hex(8),
        name=asked.name,
        public_key=asked.public_key,
        address=asked.address or remote,
        labels=asked.labels,
        weight=asked.weight,
        capacity=asked.capacity,
        versions=asked.versions,
        engine_id=asked.engine_id[:200],
    )


def _too_many(wait_s: float) -> Response:
    message = f"{FAILURES_MAX} registrations failed from your address within a minute; wait"
    body = ErrorAnswer(error=ErrorBody(code="busy", message=message))
    headers = {"retry-after": str(math.ceil(wait_s))}
    return Response(msgspec.json.encode(body), 429, headers, "application/json")
