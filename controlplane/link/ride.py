"""An open session from Welcome to its end: frames become facts, what is in the outbox goes out.

Signs of life and heartbeats end in the hub without a task or a wait; all else waits its turn for the controller, told
by the session's one task. Decides nothing: the core does. Run by `endpoint.py`.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import assert_never

from controlplane.controller.loop import Controller
from controlplane.core.fact import (
    Fact,
    ImagesRemoved,
    Listed,
    Reported,
    SessionClosed,
    StopAsked,
    Synced,
    TaskReported,
)
from controlplane.core.images import unused
from controlplane.core.record import Now
from controlplane.link.admission import Stock
from controlplane.link.hub import Hub
from controlplane.link.relay import Relay, Relayed
from controlplane.link.session import Session
from controlplane.link.wire import Closed, Wire
from protocol.codec import ProtocolError, UnknownTag, decode_from_agent, encode
from protocol.messages import (
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
)
from protocol.streams import Ack, StreamCredit, StreamData, StreamEnd, Tail

FRAMES_PER_S = 200.0
FRAMES_BURST = 1000.0
"""More frames than this, sustained, end the session."""

FACTS_MAX = 16
"""What an agent said and the controller has not taken: then no more is read from it until there is room."""

IMAGES_MAX = 64
"""Images of one heartbeat that are looked at."""

_PULSE = encode(Pulse())
"""As every agent encodes it: known without a look inside."""

_log = logging.getLogger(__name__)


class Ride:
    """The `Listener` of its wire, and its one task."""

    __slots__ = (
        "_allowance",
        "_allowed_at",
        "_controller",
        "_facts",
        "_held",
        "_hub",
        "_now",
        "_observed",
        "_relay",
        "_session",
        "_stock",
        "_wire",
    )

    def __init__(
        self,
        controller: Controller,
        hub: Hub,
        relay: Relay,
        wire: Wire,
        session: Session,
        now: Callable[[], Now],
    ) -> None:
        self._controller = controller
        self._hub = hub
        self._relay = relay
        self._wire = wire
        self._session = session
        self._now = now
        self._stock = Stock()
        self._observed = 0
        self._facts: deque[Fact] = deque()
        self._held = False
        self._allowance = FRAMES_BURST
        self._allowed_at = self._now().mono

    async def run(self) -> None:
        """Until the session ends; never raises for what a peer does."""
        session = self._session
        try:
            session.outbox.wake = self.room
            self._relay.enter(session)
            self._wire.listen(self)
            self.room()
            closed = await self._work()
        except Exception:  # noqa: BLE001 a defect here ends one session, not the server
            _log.exception("session %d of %s failed", session.epoch, session.node)
            closed = Closed(1011, "a fault in the Center")
        finally:
            session.outbox.wake = _nobody  # no circle is left behind
            self._hub.leave(session)
            self._relay.leave(session)
        _log.info("session %d of %s ended: %s", session.epoch, session.node, closed)
        await self._controller.tell(
            SessionClosed(node=session.node, session_epoch=session.epoch, clean=session.clean, reason=closed.reason)
        )
        await self._wire.close(closed.code, closed.reason)

    # -- Listener ---------------------------------------------------------------------------------------------------

    def heard(self, frame: bytes | None) -> None:
        """See `Listener.heard`."""
        session = self._session
        if session.closed is not None:
            return
        mono = self._now().mono
        if not self._hub.heard(session, mono):
            session.end(1008, "a newer session of this node is open")
            return
        try:
            self._allow(mono)
            if frame is not None and frame != _PULSE:
                message = decode_from_agent(frame)
                if isinstance(message, Relayed):
                    self._relay.take(session, message)
                else:
                    self._take(message)
        except UnknownTag as error:
            session.send(Unsupported(tag=error.tag))
        except ProtocolError as error:
            _log.warning("bad frame from %s: %s", session.node, error)
            session.end(1002, str(error))
        except Closed as closed:
            session.end(closed.code, closed.reason)
        except Exception:  # noqa: BLE001 a defect here ends one session, not the server
            _log.exception("session %d of %s failed", session.epoch, session.node)
            session.end(1011, "a fault in the Center")

    def room(self) -> None:
        """See `Listener.room`. Also: the outbox has something, or is finished."""
        outbox = self._session.outbox
        while self._wire.has_room and (frame := outbox.take()) is not None:
            self._wire.write(frame)
        if outbox.ended:
            self._session.end(1012, "the Center restarts")

    def lost(self, closed: Closed) -> None:
        """See `Listener.lost`."""
        self._session.end(closed.code, closed.reason, by_peer=closed.by_peer)

    # -- what came --------------------------------------------------------------------------------------------------

    def _allow(self, mono: float) -> None:
        """A token bucket: an agent that floods us loses its session, not the Center its time."""
        self._allowance = min(FRAMES_BURST, self._allowance + (mono - self._allowed_at) * FRAMES_PER_S) - 1
        self._allowed_at = mono
        if self._allowance < 0:
            raise Closed(1008, f"more than {FRAMES_PER_S:.0f} frames/s")

    def _take(self, message: FromAgent) -> None:
        session, node, epoch = self._session, self._session.node, self._session.epoch
        match message:
            case Heartbeat():
                self._beat(message)
            case Pulse():
                pass  # that it came is all it says, and the hub has heard it
            case Observed():
                self._check_seq(message.seq)
                self._tell(Reported(node=node, session_epoch=epoch, containers=message.containers, gone=message.gone))
            case Inventory():
                self._list(message)
            case TaskUpdate():
                self._tell_of_task(TaskReported(node=node, session_epoch=epoch, update=message))
            case ConfirmStop():
                self._tell(StopAsked(node=node, session_epoch=epoch, ask=message))
            case Resync():
                session.want_full(message.reason or "the agent asked for it")
            case Goodbye():
                session.clean = True
            case Unsupported():
                _log.warning("%s does not know message %r", node, message.tag)
            case Hello() | Proof() | StreamData() | StreamCredit() | StreamEnd() | Ack() | Tail():
                raise Closed(1002, f"{type(message).__name__} in an open session")
            case _:
                assert_never(message)

    def _beat(self, beat: Heartbeat) -> None:
        session, offered = self._session, beat.images[:IMAGES_MAX]
        if beat.agent_id != session.agent_id:
            raise Closed(1008, "a heartbeat of another agent")
        self._hub.beat(session, beat)
        session.send(Beat(seq=beat.seq, unused=unused(self._controller.cluster, offered) if offered else ()))
        if beat.images_removed:
            self._tell(ImagesRemoved(node=session.node, session_epoch=session.epoch, images=beat.images_removed))

    def _check_seq(self, seq: int) -> None:
        """Reports are counted; after a gap everything is asked for again. What came is still news."""
        if seq != self._observed + 1:
            _log.warning("%s: report %d after %d: asking for the inventory", self._session.node, seq, self._observed)
            self._session.send(Relist())
        self._observed = seq

    def _tell_of_task(self, fact: TaskReported) -> None:
        """Not of one that has ended: agents tell their last 200 again at every reconnect."""
        if fact.update.task in self._controller.cluster.open_tasks:
            self._tell(fact)

    def _list(self, page: Inventory) -> None:
        whole = self._stock.add(page)
        if whole is not None:
            session = self._session
            self._tell(
                Listed(
                    node=session.node,
                    session_epoch=session.epoch,
                    containers=whole.containers,
                    engine_ok=whole.engine_ok,
                )
            )

    def _tell(self, fact: Fact) -> None:
        """For the controller, after what was told before."""
        self._facts.append(fact)
        if not self._held and len(self._facts) >= FACTS_MAX:
            self._held = True
            self._wire.hold(True)
        self._session.wake()

    # -- the task ---------------------------------------------------------------------------------------------------

    async def _work(self) -> Closed:
        """Tell the controller what was said, in order; returns why the session ended. What a peer said before it went
        is told; after an end of our own making nothing is.
        """
        session = self._session
        await self._controller.tell(Synced(node=session.node, session_epoch=session.epoch))
        while True:
            if session.closed is not None and not (session.closed.by_peer and self._facts):
                return session.closed
            if self._facts:
                await self._hand_over(self._facts.popleft())
            elif reason := session.wanted():
                await self._controller.tell(Synced(node=session.node, session_epoch=session.epoch, reason=reason))
            else:
                await session.news()

    async def _hand_over(self, fact: Fact) -> None:
        self._session.telling = True
        try:
            await self._controller.tell(fact)
        finally:
            self._session.telling = False
            self._hub.heard(self._session)
        if self._held and len(self._facts) < FACTS_MAX:
            self._held = False
            self._wire.hold(False)


def _nobody() -> None:
    """Nobody takes what comes after the end."""
