"""The Center's end of every rope in virtual time: proofs, inventories, open sessions. Mirrors `controlplane.link`.

The hub and the sessions are the real ones; only what waits on sockets there is done with virtual time here.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from controlplane.core import adoption
from controlplane.core.command import Opened, OpenSession
from controlplane.core.fact import Fact, Listed, Reported, SessionClosed, StopAsked, Synced, TaskReported
from controlplane.core.node import Former
from controlplane.core.record import Refused
from controlplane.link import admission
from controlplane.link.admission import Stock
from controlplane.link.hub import Hub
from controlplane.link.outbox import CONTROL_BYTES, CONTROL_MAX, Outbox, OutboxFull
from controlplane.link.session import Session
from controlplane.link.wire import Closed
from protocol.codec import decode_from_agent, encode, pages
from protocol.handshake import agent_claim, center_claim
from protocol.messages import (
    Beat,
    Challenge,
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
    Welcome,
)
from tests.simulation.clock import Process
from tests.simulation.network import Connection, End
from tests.simulation.rope import signature

PROOF_S = 5.0
INVENTORY_S = 30.0


@lru_cache(maxsize=1024)
def _beat(seq: int) -> bytes:
    """The answer to a heartbeat, encoded once for all agents."""
    return encode(Beat(seq=seq))


class Lane(Outbox):
    """The real outbox's bounds over a simulated connection: what waits are the frames the network holds back."""

    def __init__(self, connection: Connection, end: End) -> None:
        super().__init__()
        self._connection = connection
        self._end = end

    def put(self, frame: bytes) -> None:
        held = self._end.held
        if held and (len(held) >= CONTROL_MAX or sum(len(f or b"") for f in held) > CONTROL_BYTES):
            raise OutboxFull
        self._connection.send(self._end, frame)

    def put_pages(self, frames: Any) -> None:
        for frame in frames:
            self.put(frame)


class Line(Session):
    """The real session; tells when it was ended or wants the full state."""

    def __init__(
        self, opened: Opened, agent_id: str, lane: Lane, ended: Callable[[str], None], wanted: Callable[[str], None]
    ) -> None:
        super().__init__(opened.node, agent_id, opened.session_epoch, lane)
        self._ended = ended
        self._wanted = wanted

    def end(self, code: int, reason: str, *, clean: bool = False, by_peer: bool = False) -> None:
        first = self._closed is None
        super().end(code, reason, clean=clean, by_peer=by_peer)
        if first:
            self._ended(reason)

    def want_full(self, reason: str) -> None:
        super().want_full(reason)
        self._full_wanted = ""
        self._wanted(reason)


class Office:
    """What callers need of the Center's process. `ask`: a command and what to do with its answer or refusal."""

    def __init__(
        self,
        process: Process,
        hub: Hub,
        cluster: Callable[[], Any],
        tell: Callable[[Fact], None],
        ask: Callable[[OpenSession, Callable[[Any], None]], None],
        opened: Callable[[str], None],
        nonce: Callable[[], str],
    ) -> None:
        self.process = process
        self.hub = hub
        self.cluster = cluster
        self.tell = tell
        self.ask = ask
        self.opened = opened
        self.nonce = nonce


class Caller:
    """One socket from the first frame to its end."""

    def __init__(self, office: Office, connection: Connection) -> None:
        self._office = office
        self.connection = connection
        self.end = End(office.process, self._take, self._closed)
        self._hello: Hello | None = None
        self._nonce = ""
        self._owner: Any = None
        self._stock = Stock()
        self._asked = False
        self.session: Session | None = None
        self._observed = 0
        office.process.after(PROOF_S, self._too_late, "proof")
        office.process.after(INVENTORY_S, self._too_late, "inventory")

    def _take(self, frame: bytes) -> None:
        if self._asked and self.session is None:
            return  # nothing is read while the session is being opened; agents send nothing either
        try:
            if self.session is not None:
                if not self._office.hub.heard(self.session):
                    raise Closed(1008, "a newer session of this node is open")
                self._serve(self.session, decode_from_agent(frame))
            else:
                self._admit(decode_from_agent(frame))
        except Closed as closed:
            self._over(closed.reason)

    # -- admission --------------------------------------------------------------------------------------------------

    def _admit(self, message: FromAgent) -> None:
        cluster = self._office.cluster()
        if self._hello is None:
            if not isinstance(message, Hello):
                raise Closed(1002, "Hello is due")
            self._hello, self._nonce = message, self._office.nonce()
            claim = center_claim(cluster.meta.cluster, message.agent_id, message.nonce, self._nonce)
            challenge = Challenge(
                cluster=cluster.meta.cluster,
                nonce=self._nonce,
                signature=signature("center", claim),
                recall=adoption.recalls(cluster.meta, message),
            )
            self.connection.send(self.end, encode(challenge))
        elif self._owner is None:
            if not isinstance(message, Proof):
                raise Closed(1002, "Proof is due")
            hello = self._hello
            owner = cluster.agent(hello.agent_id) or cluster.former.get(hello.agent_id)
            claim = agent_claim(cluster.meta.cluster, hello.agent_id, hello.nonce, self._nonce)
            if owner is None or signature(owner.public_key, claim) != message.signature:
                raise Closed(1008, "unknown agent, or not its key")
            self._owner = owner
        else:
            if not isinstance(message, Inventory):
                raise Closed(1002, "Inventory is due")
            whole = self._stock.add(message)
            if whole is not None:
                self._open(self._hello, whole)

    def _open(self, hello: Hello, stock: Inventory) -> None:
        self._asked = True
        if isinstance(self._owner, Former):
            self._send_away(self._owner, stock)
        command = OpenSession(
            actor=f"node {self._owner.name}",
            agent_id=hello.agent_id,
            hello=hello,
            containers=stock.containers,
            engine_ok=stock.engine_ok,
            held=stock.held,
        )
        self._office.ask(command, lambda answer: self._answered(hello, stock, answer))

    def _answered(self, hello: Hello, stock: Inventory, answer: Any) -> None:
        try:
            self._enter(hello, stock, answer)
        except Closed as closed:
            self._over(closed.reason)

    def _enter(self, hello: Hello, stock: Inventory, answer: Any) -> None:
        if isinstance(answer, Refused):
            former = self._office.cluster().former.get(hello.agent_id)
            if answer.code == "gone" and former is not None:
                self._send_away(former, stock)
            raise Closed(1008, answer.message)
        if not self.end.open:
            return  # it went away meanwhile
        lane = Lane(self.connection, self.end)
        session = Line(answer, hello.agent_id, lane, self._later_over, self._full_wanted)
        if not self._office.hub.enter(session):
            raise Closed(1008, "a newer session of this node is open")
        self.session, self._stock = session, Stock()
        self._office.opened(session.node)
        session.send(Welcome(node=answer.node, session_epoch=answer.session_epoch, incarnation=answer.incarnation))
        self._office.tell(Synced(node=session.node, session_epoch=session.epoch))

    def _send_away(self, former: Former, stock: Inventory) -> None:
        stop = admission.farewell(self._office.cluster(), stock.containers)
        for refs, last in pages(stop):
            self.connection.send(self.end, admission.removed_frame(list(refs), last=last))
        raise Closed(1000, f"node {former.name} was removed")

    def _too_late(self, what: str) -> None:
        if self.end.open and (self._owner is None if what == "proof" else not self._asked):
            self._over(f"no {what} in time")

    # -- an open session --------------------------------------------------------------------------------------------

    def _serve(self, session: Session, message: FromAgent) -> None:
        node, epoch, tell = session.node, session.epoch, self._office.tell
        match message:
            case Heartbeat():
                if message.agent_id != session.agent_id:
                    raise Closed(1008, "a heartbeat of another agent")
                self._office.hub.beat(session, message)
                session._queue(_beat(message.seq))
            case Pulse():
                pass
            case Observed():
                self._report(session, message)
            case Inventory():
                self._list(session, message)
            case TaskUpdate() if message.task not in self._office.cluster().open_tasks:
                pass
            case TaskUpdate():
                tell(TaskReported(node=node, session_epoch=epoch, update=message))
            case ConfirmStop():
                tell(StopAsked(node=node, session_epoch=epoch, ask=message))
            case Resync():
                session.want_full(message.reason or "the agent asked for it")
            case Goodbye():
                session.clean = True
            case _:
                raise Closed(1002, f"{type(message).__name__} in an open session")

    def _report(self, session: Session, message: Observed) -> None:
        if message.seq != self._observed + 1:
            session.send(Relist())
        self._observed = message.seq
        fact = Reported(
            node=session.node, session_epoch=session.epoch, containers=message.containers, gone=message.gone
        )
        self._office.tell(fact)

    def _list(self, session: Session, message: Inventory) -> None:
        whole = self._stock.add(message)
        if whole is not None:
            node, epoch = session.node, session.epoch
            fact = Listed(node=node, session_epoch=epoch, containers=whole.containers, engine_ok=whole.engine_ok)
            self._office.tell(fact)

    def _full_wanted(self, reason: str) -> None:
        if self.session is not None:
            self._office.tell(Synced(node=self.session.node, session_epoch=self.session.epoch, reason=reason))

    # -- the end ----------------------------------------------------------------------------------------------------

    def _later_over(self, reason: str) -> None:
        self._office.process.after(0.0, self._over, reason)

    def _over(self, reason: str) -> None:
        if self.end.open:
            self.connection.close(self.end)
            self._left(reason)

    def _closed(self) -> None:
        """The other side closed, or the line broke."""
        self._left("connection lost")

    def _left(self, reason: str) -> None:
        session = self.session
        if session is not None:
            self._office.hub.leave(session)
            self._office.tell(
                SessionClosed(node=session.node, session_epoch=session.epoch, clean=session.clean, reason=reason)
            )
