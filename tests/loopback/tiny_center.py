"""A Center of a few lines that speaks the agent's side of the protocol truly: joins, proves its key, sends what a test
says. Not the product's Center: it decides nothing, so the agent is tested alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from aiohttp import WSMessageTypeError, WSMsgType, web

from nodeagent.keys import AgentKey, is_signed, new_nonce, new_seed
from protocol import handshake
from protocol.api import ErrorAnswer, ErrorBody, RegisterAnswer, RegisterRequest
from protocol.codec import decode_from_agent, encode
from protocol.handshake import JoinToken
from protocol.messages import (
    PROTOCOL,
    SUBPROTOCOL,
    Beat,
    Challenge,
    ContainerRef,
    ContainerReport,
    Desired,
    DesiredDelta,
    FromAgent,
    FromCenter,
    Heartbeat,
    Hello,
    Inventory,
    Observed,
    Proof,
    Removed,
    TaskUpdate,
    Welcome,
)
from protocol.spec import DesiredReplica

CLUSTER = "c0ffee"
M = TypeVar("M", bound=msgspec.Struct)
WAIT_S = 10.0


class TinyCenter:
    """What the agent sent is in `seen`, newest state of each replica in `reports`."""

    def __init__(self) -> None:
        self.key = AgentKey(new_seed())
        self.token = JoinToken("t1", "secret", handshake.key_fingerprint(self.key.public))
        self.url = ""
        self.desired: tuple[DesiredReplica, ...] = ()
        self.revision = 1
        self.seq = 0
        self.removed: Removed | None = None
        self.refuse_joins = False
        self.busy_answers = 0
        self.lie = False
        self.answer_beats = True
        self.protocol = PROTOCOL
        self.busy_sessions = 0
        self.unused: set[str] = set()
        """Images that no kept revision uses."""
        self.registrations: list[RegisterRequest] = []
        self.seen: list[FromAgent] = []
        self.reports: dict[ContainerRef, ContainerReport] = {}
        self.connections = 0
        self.sessions = 0
        """Connections that came to Welcome."""
        self.refused_at: list[float] = []
        self.opened_at: list[float] = []
        self.close_codes: list[int | None] = []
        self._public_key = ""
        self._socket: web.WebSocketResponse | None = None
        self._transport: asyncio.Transport | None = None
        self._changed = asyncio.Condition()

    async def register(self, request: web.Request) -> web.Response:
        """`POST /api/agent/register`."""
        body = msgspec.json.decode(await request.read(), type=RegisterRequest)
        self.registrations.append(body)
        if self.busy_answers > 0:
            self.busy_answers -= 1
            return web.Response(status=503, headers={"Retry-After": "0.05"})
        claim = handshake.register_claim(body.token, body.public_key, body.name)
        if self.refuse_joins or body.token != str(self.token) or not is_signed(body.public_key, body.signature, claim):
            refused = ErrorAnswer(error=ErrorBody(code="token_refused", message="the join token was used already"))
            return web.Response(status=403, body=msgspec.json.encode(refused))
        self._public_key = body.public_key
        key = AgentKey(new_seed()) if self.lie else self.key
        answer = RegisterAnswer(
            agent_id="agent-1",
            node=body.name,
            cluster=CLUSTER,
            center_key=key.public,
            heartbeat_s=0.2,
            session_path="/api/agent/session",
            signature=key.sign(handshake.registered_claim(CLUSTER, "agent-1", body.public_key)),
        )
        return web.Response(body=msgspec.json.encode(answer))

    async def session(self, request: web.Request) -> web.WebSocketResponse:
        """`/api/agent/session`."""
        if self.busy_sessions > 0:
            self.busy_sessions -= 1
            self.refused_at.append(asyncio.get_running_loop().time())
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "0.6"})
        socket = web.WebSocketResponse(protocols=[SUBPROTOCOL], compress=False)
        await socket.prepare(request)
        self.connections += 1
        with contextlib.suppress(WSMessageTypeError):
            await self._speak(request, socket)
        return socket

    async def _speak(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        hello = await self._next(socket, Hello)
        nonce = new_nonce()
        key = AgentKey(new_seed()) if self.lie else self.key
        claim = (CLUSTER, hello.agent_id, hello.nonce, nonce)
        challenge = Challenge(cluster=CLUSTER, nonce=nonce, signature=key.sign(handshake.center_claim(*claim)))
        await socket.send_str(encode(challenge).decode())
        if self.lie:
            await socket.receive()
            return
        proof = await self._next(socket, Proof)
        assert is_signed(self._public_key, proof.signature, handshake.agent_claim(*claim))
        if self.removed is not None:
            await socket.send_str(encode(self.removed).decode())
        while not (await self._next(socket, Inventory)).last:
            pass
        if self.removed is None:
            self._transport = request.transport
            await self._open(socket)
        await self._listen(socket)

    async def _open(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self.sessions += 1
        self.opened_at.append(asyncio.get_running_loop().time())
        welcome = Welcome(
            node="node-1", session_epoch=self.sessions, incarnation=1, heartbeat_s=0.2, protocol=self.protocol
        )
        await self.send(welcome)
        await self.tell_all()

    async def _listen(self, socket: web.WebSocketResponse) -> None:
        async for frame in socket:
            assert frame.type == WSMsgType.TEXT
            message = await self._note(decode_from_agent(frame.data))
            if isinstance(message, Heartbeat) and self.answer_beats:
                unused = tuple(image for image in message.images if image in self.unused)
                await socket.send_str(encode(Beat(seq=message.seq, unused=unused)).decode())
        self.close_codes.append(socket.close_code)
        async with self._changed:
            self._changed.notify_all()

    async def send(self, message: FromCenter) -> None:
        """Send on the current session."""
        assert self._socket is not None
        await self._socket.send_str(encode(message).decode())

    async def send_raw(self, frame: str) -> None:
        """Send a frame that may be no message."""
        assert self._socket is not None
        await self._socket.send_str(frame)

    async def tell_all(self) -> None:
        """Send the full desired state, a replica per page."""
        pages = self.desired or (None,)
        for page, want in enumerate(pages):
            await self.send(
                Desired(
                    seq=self.seq,
                    incarnation=1,
                    revision=self.revision,
                    page=page,
                    last=page == len(pages) - 1,
                    replicas=(want,) if want is not None else (),
                )
            )

    async def change(self, *replicas: DesiredReplica, drop: tuple[ContainerRef, ...] = ()) -> None:
        """Send a delta."""
        self.revision += 1
        delta = DesiredDelta(after=self.seq, incarnation=1, revision=self.revision, replicas=replicas, drop=drop)
        self.seq += 1
        await self.send(delta)

    def hang_up(self) -> None:
        """Break the current connection without a word."""
        assert self._transport is not None
        self._transport.abort()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until it holds, looking at every frame."""
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: bool(holds()))

    def last(self, kind: type[M]) -> M | None:
        """The newest message of a kind."""
        return next((m for m in reversed(self.seen) if isinstance(m, kind)), None)

    def task(self, task: str) -> list[TaskUpdate]:
        """All updates on a task."""
        return [m for m in self.seen if isinstance(m, TaskUpdate) and m.task == task]

    async def _next(self, socket: web.WebSocketResponse, kind: type[M]) -> M:
        message = await self._note(decode_from_agent(await socket.receive_str()))
        assert isinstance(message, kind), message
        return message

    async def _note(self, message: FromAgent) -> FromAgent:
        async with self._changed:
            self.seen.append(message)
            if isinstance(message, Inventory | Observed):
                for report in message.containers:
                    self.reports[_ref(report)] = report
            if isinstance(message, Observed):
                for ref in message.gone:
                    self.reports.pop(ref, None)
            self._changed.notify_all()
        return message


@asynccontextmanager
async def tiny_center() -> AsyncIterator[TinyCenter]:
    """A Center on a free loopback port."""
    center = TinyCenter()
    app = web.Application()
    app.router.add_post("/api/agent/register", center.register)
    app.router.add_get("/api/agent/session", center.session)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    center.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield center
    finally:
        await runner.cleanup()


def _ref(report: ContainerReport) -> ContainerRef:
    return ContainerRef(project=report.project, service=report.service, replica=report.replica, epoch=report.epoch)


__all__ = ["CLUSTER", "TinyCenter", "tiny_center"]
