"""`WebSocket /api/agent/session`: who gets a session. One task for each socket, from its first frame to its end.

Decides nothing: the core does; keeps nothing: the hub does. Opened sessions are served by `ride.py`. Given to
`upgrade.py` by `app.py`, which runs it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus

from controlplane.controller.loop import Controller
from controlplane.core.command import Opened, OpenSession, Readmit
from controlplane.core.node import Former, Node
from controlplane.core.record import Now, Refused
from controlplane.link import admission
from controlplane.link.admission import Proved
from controlplane.link.hub import Hub
from controlplane.link.relay import Relay
from controlplane.link.ride import Ride
from controlplane.link.session import Session
from controlplane.link.socket import AgentSocket
from controlplane.link.turns import Appointments, Turns
from controlplane.link.upgrade import Refusal
from controlplane.link.wire import Closed, Wire
from controlplane.store.identity import Identity
from protocol.codec import pages
from protocol.messages import PROTOCOL, SUBPROTOCOL, Inventory, Welcome

ADMISSIONS_MAX = 4096
"""Sockets that may be proving their key at one time, some KB each; the others are told to come again."""

QUEUE_MAX = 1024
"""Proofs and openings that wait for their turn, about 1 ms each. Beyond it agents are told at once when to come again:
who waits too long gives up, and all that was done for it was in vain.
"""

_RETRY_CODES = frozenset({"full", "unavailable", "internal"})

_log = logging.getLogger(__name__)


class Endpoint:
    """The agents' door. `enter` works while `run` does."""

    def __init__(
        self, controller: Controller, hub: Hub, relay: Relay, identity: Identity, now: Callable[[], Now]
    ) -> None:
        self._controller = controller
        self._hub = hub
        self._relay = relay
        self._identity = identity
        self._now = now
        self._turns = Turns()
        self._appointments = Appointments()
        self._admissions = 0
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Hold the tasks of all sockets, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await asyncio.Event().wait()
        finally:
            self._tasks = None

    def refusal(self, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """See `Door.refusal`. No browsers here: a page must not speak with the rights of who looks at it."""
        if b"origin" in headers or b"cookie" in headers:
            return Refusal(HTTPStatus.FORBIDDEN, "this socket is for agents, not for browsers")
        offered = headers.get(b"sec-websocket-protocol", b"").split(b",")
        if SUBPROTOCOL.encode() not in (name.strip() for name in offered):
            return Refusal(HTTPStatus.BAD_REQUEST, f"WebSocket subprotocol {SUBPROTOCOL} is needed")
        queue = self._turns.waiting + self._controller.status.waiting
        if self._tasks is None or self._admissions >= ADMISSIONS_MAX or queue >= QUEUE_MAX:
            again = f"retry-after: {self._appointments.after_s(self._now().mono)}\r\n"
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many agents at once", again)
        return None

    def enter(self, socket: AgentSocket) -> None:
        """See `Door.enter`."""
        assert self._tasks is not None  # `refusal` was asked in the same breath
        self._admissions += 1
        self._tasks.create_task(self._serve(socket, socket.remote))

    async def _serve(self, wire: Wire, remote: str) -> None:
        """Serve one socket to its end. Never raises for what a peer does."""
        try:
            admitted = await self._admit(wire, remote)
        except Exception:  # noqa: BLE001 a defect here ends one socket, not the server
            _log.exception("admission of %s failed", remote)
            await wire.close(1011, "a fault in the Center")
            return
        finally:
            self._admissions -= 1
        if admitted is not None:
            await Ride(self._controller, self._hub, self._relay, wire, admitted, self._now).run()

    async def _admit(self, wire: Wire, remote: str) -> Session | None:
        """The open session, welcomed; None when there is none, and the socket is closed."""
        try:
            proved = await admission.prove(wire, self._controller.cluster, self._identity, self._turns)
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
            held=stock.held,
            remote=remote,
        )
        try:
            if isinstance(proved.owner, Node) and proved.unknown:
                await self._controller.ask(_readmit(proved.owner, remote))
            opened: Opened = await self._controller.ask(command)
        except Refused as refused:
            if refused.code == "gone":
                await self._send_away_removed(wire, proved, stock)
            raise Closed(1013 if refused.code in _RETRY_CODES else 1008, refused.message) from refused
        if self._controller.cluster.agent(proved.hello.agent_id) is None:  # removed in the same breath
            await self._send_away_removed(wire, proved, stock)
        session = Session(opened.node, proved.hello.agent_id, opened.session_epoch, protocol=proved.hello.protocol)
        if not self._hub.enter(session):
            raise Closed(1008, "a newer session of this node is open")
        session.send(
            Welcome(
                node=opened.node,
                session_epoch=opened.session_epoch,
                incarnation=opened.incarnation,
                protocol=PROTOCOL,
            )
        )
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


def _readmit(node: Node, remote: str) -> Readmit:
    """As at its registration: without an address of its own it is where it comes from."""
    address = node.address or remote
    return Readmit(agent_id=node.agent_id, name=node.name, public_key=node.public_key, address=address)
