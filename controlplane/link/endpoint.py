"""`WebSocket /api/agent/session`: one socket, one TaskGroup with a reader, a writer and a watcher.

Turns frames into facts and sends what is in the session's outbox. Decides nothing: the core does; keeps nothing: the
hub does. Mounted by `app.py`.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import assert_never

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from controlplane.controller.loop import Controller
from controlplane.core.command import Opened, OpenSession
from controlplane.core.fact import Fact, Listed, Reported, SessionClosed, StopAsked, Synced, TaskReported
from controlplane.core.node import Former
from controlplane.core.record import Now, Refused
from controlplane.link import admission
from controlplane.link.admission import Proved, Stock
from controlplane.link.hub import Hub
from controlplane.link.session import Session
from controlplane.link.wire import Closed, StarletteWire, Wire
from controlplane.store.identity import Identity
from protocol.codec import ProtocolError, UnknownTag, decode_from_agent, pages
from protocol.messages import (
    SUBPROTOCOL,
    Beat,
    ConfirmStop,
    FromAgent,
    Goodbye,
    Heartbeat,
    Hello,
    Inventory,
    Observed,
    Proof,
    Pulse,
    Relist,
    Resync,
    TaskUpdate,
    Unsupported,
    Welcome,
)

ADMISSIONS_MAX = 4096
"""Sockets that may be proving their key at one time, about 30 KB each; the others are told to come again."""

FRAMES_PER_S = 200.0
FRAMES_BURST = 1000.0
"""More frames than this, sustained, end the session."""

_RETRY_CODES = frozenset({"full", "unavailable", "internal"})

_log = logging.getLogger(__name__)


class Endpoint:
    """The agents' door."""

    def __init__(self, controller: Controller, hub: Hub, identity: Identity, now: Callable[[], Now]) -> None:
        self._controller = controller
        self._hub = hub
        self._identity = identity
        self._now = now
        self._admissions = 0

    async def serve(self, socket: WebSocket) -> None:
        """Serve one socket to its end. Never raises for what a peer does."""
        refusal = self._refusal(socket)
        if refusal is not None:
            await socket.send_denial_response(refusal)
            return
        remote = socket.client.host if socket.client else ""
        self._admissions += 1
        try:
            await socket.accept(SUBPROTOCOL)
            wire = StarletteWire(socket)
            admitted = await self._admit(wire, remote)
        finally:
            self._admissions -= 1
        if admitted is not None:
            await _Ride(self._controller, self._hub, wire, admitted, self._now).run()

    def _refusal(self, socket: WebSocket) -> PlainTextResponse | None:
        """Browsers have no business here: a page must not speak with the rights of who looks at it."""
        if "origin" in socket.headers or "cookie" in socket.headers:
            return PlainTextResponse("this socket is for agents, not for browsers\n", 403)
        if SUBPROTOCOL not in socket.scope.get("subprotocols", ()):
            return PlainTextResponse(f"WebSocket subprotocol {SUBPROTOCOL} is needed\n", 400)
        if self._admissions >= ADMISSIONS_MAX:
            return PlainTextResponse("too many agents at once\n", 503, {"retry-after": "2"})
        return None

    async def _admit(self, wire: Wire, remote: str) -> Session | None:
        """The open session, welcomed; None when there is none, and the socket is closed."""
        try:
            proved = await admission.prove(wire, self._controller.cluster, self._identity)
            stock = await admission.inventory(wire)
            if isinstance(proved.owner, Former):
                await self._send_away(wire, proved.owner, stock)
            return await self._open(wire, proved, stock, remote)
        except Closed as closed:
            if not closed.by_peer:
                _log.info("no session for %s: %s", remote, closed.reason)
            await wire.close(closed.code, closed.reason)
            return None

    async def _open(self, wire: Wire, proved: Proved, stock: Inventory, remote: str) -> Session:
        command = OpenSession(
            actor=f"node {proved.owner.name}",
            agent_id=proved.hello.agent_id,
            hello=proved.hello,
            containers=stock.containers,
            engine_ok=stock.engine_ok,
            remote=remote,
        )
        try:
            opened: Opened = await self._controller.ask(command)
        except Refused as refused:
            if refused.code == "gone":
                await self._send_away_removed(wire, proved, stock)
            raise Closed(1013 if refused.code in _RETRY_CODES else 1008, refused.message) from refused
        if self._controller.cluster.agent(proved.hello.agent_id) is None:  # removed in the same breath
            await self._send_away_removed(wire, proved, stock)
        session = Session(opened.node, proved.hello.agent_id, opened.session_epoch)
        if not self._hub.enter(session):
            raise Closed(1008, "a newer session of this node is open")
        session.send(Welcome(node=opened.node, session_epoch=opened.session_epoch, incarnation=opened.incarnation))
        return session

    async def _send_away_removed(self, wire: Wire, proved: Proved, stock: Inventory) -> None:
        """The node was removed since its agent proved its key. Raises Closed, always."""
        former = self._controller.cluster.former.get(proved.hello.agent_id)
        if former is None:
            raise Closed(1008, "this node was removed")
        await self._send_away(wire, former, stock)

    async def _send_away(self, wire: Wire, former: Former, stock: Inventory) -> None:
        """Tell a removed node what to stop. Raises Closed, always."""
        stop = admission.farewell(self._controller.cluster, stock.containers)
        for refs, last in pages(stop):
            await wire.send(admission.removed_frame(list(refs), last=last))
        raise Closed(1000, f"node {former.name} was removed")


class _Ride:
    """An open session from Welcome to its end."""

    def __init__(self, controller: Controller, hub: Hub, wire: Wire, session: Session, now: Callable[[], Now]) -> None:
        self._controller = controller
        self._hub = hub
        self._wire = wire
        self._session = session
        self._now = now
        self._stock = Stock()
        self._observed = 0
        self._allowance = FRAMES_BURST
        self._allowed_at = now().mono

    async def run(self) -> None:
        session, closed = self._session, Closed(1006, "connection lost", by_peer=True)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(), name=f"read {session.node}")
                tasks.create_task(self._write(), name=f"write {session.node}")
                tasks.create_task(self._watch(), name=f"watch {session.node}")
        except* Closed as group:
            closed = _root(group)
        except* Exception as group:  # noqa: BLE001 a defect here ends one session, not the server
            _log.error("session %d of %s failed", session.epoch, session.node, exc_info=group)
            closed = Closed(1011, "a fault in the Center")
        finally:
            self._hub.leave(session)
        _log.info("session %d of %s ended: %s", session.epoch, session.node, closed)
        await self._controller.tell(
            SessionClosed(node=session.node, session_epoch=session.epoch, clean=session.clean, reason=closed.reason)
        )
        await self._wire.close(closed.code, closed.reason)

    # -- writer and watcher -----------------------------------------------------------------------------------------

    async def _write(self) -> None:
        while (frame := await self._session.outbox.next()) is not None:
            await self._wire.send(frame)
        raise Closed(1012, "the Center restarts")

    async def _watch(self) -> None:
        session = self._session
        await self._controller.tell(Synced(node=session.node, session_epoch=session.epoch))
        while True:
            reason = await session.full_wanted()
            await self._controller.tell(Synced(node=session.node, session_epoch=session.epoch, reason=reason))

    # -- reader -----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            frame = await self._wire.receive()
            if not self._hub.heard(self._session):
                raise Closed(1008, "a newer session of this node is open")
            self._allow()
            try:
                await self._take(decode_from_agent(frame))
            except UnknownTag as error:
                self._session.send(Unsupported(tag=error.tag))
            except ProtocolError as error:
                _log.warning("bad frame from %s: %s", self._session.node, error)
                raise Closed(1002, str(error)) from error

    def _allow(self) -> None:
        """A token bucket: an agent that floods us loses its session, not the Center its time."""
        mono = self._now().mono
        self._allowance = min(FRAMES_BURST, self._allowance + (mono - self._allowed_at) * FRAMES_PER_S) - 1
        self._allowed_at = mono
        if self._allowance < 0:
            raise Closed(1008, f"more than {FRAMES_PER_S:.0f} frames/s")

    async def _take(self, message: FromAgent) -> None:
        session, node, epoch = self._session, self._session.node, self._session.epoch
        match message:
            case Heartbeat():
                if message.agent_id != session.agent_id:
                    raise Closed(1008, "a heartbeat of another agent")
                self._hub.beat(session, message)
                session.send(Beat(seq=message.seq))
            case Pulse():
                pass  # that it came is all it says, and the hub has heard it
            case Observed():
                self._check_seq(message.seq)
                await self._tell(
                    Reported(node=node, session_epoch=epoch, containers=message.containers, gone=message.gone)
                )
            case Inventory():
                await self._list(message)
            case TaskUpdate():
                await self._tell(TaskReported(node=node, session_epoch=epoch, update=message))
            case ConfirmStop():
                await self._tell(StopAsked(node=node, session_epoch=epoch, ask=message))
            case Resync():
                session.want_full(message.reason or "the agent asked for it")
            case Goodbye():
                session.clean = True
            case Unsupported():
                _log.warning("%s does not know message %r", node, message.tag)
            case Hello() | Proof():
                raise Closed(1002, f"{type(message).__name__} in an open session")
            case _:
                assert_never(message)

    def _check_seq(self, seq: int) -> None:
        """Reports are counted; after a gap everything is asked for again. What came is still news."""
        if seq != self._observed + 1:
            _log.warning("%s: report %d after %d: asking for the inventory", self._session.node, seq, self._observed)
            self._session.send(Relist())
        self._observed = seq

    async def _list(self, page: Inventory) -> None:
        whole = self._stock.add(page)
        if whole is not None:
            await self._tell(
                Listed(
                    node=self._session.node,
                    session_epoch=self._session.epoch,
                    containers=whole.containers,
                    engine_ok=whole.engine_ok,
                )
            )

    async def _tell(self, fact: Fact) -> None:
        self._session.telling = True
        try:
            await self._controller.tell(fact)
        finally:
            self._session.telling = False
            self._hub.heard(self._session)


def _root(group: BaseExceptionGroup[Closed]) -> Closed:
    """Why it ended: our own reason before what it caused on the line."""
    found = [e for e in group.exceptions if isinstance(e, Closed)]
    return min(found, key=lambda e: e.by_peer)
