"""One session of the rope: handshake, then frames both ways until it ends (DESIGN §3.2-3.5).

Knows the order of a session and its liveness, not what messages mean: everything from `Welcome` on is posted to the
core. Reconnecting is for `link`.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from nodeagent.bulk import Bulk
from nodeagent.core.events import Event, Received, SessionClosed, SessionOpened
from nodeagent.identity import Identity
from nodeagent.keys import is_signed, new_nonce
from nodeagent.outbox import Outbox, OutboxFull
from nodeagent.pauses import beat_s
from protocol import handshake
from protocol.codec import FRAME_MAX, ProtocolError, UnknownTag, decode_from_center, encode
from protocol.messages import (
    STREAMS_SINCE,
    Beat,
    Challenge,
    ComeBack,
    FromAgent,
    FromCenter,
    Heartbeat,
    Hello,
    Proof,
    Pulse,
    Removed,
    Streamed,
    Unsupported,
    Welcome,
)
from protocol.versions import spoken_with_center

SILENCE_S = 15.0
"""A Center that sent nothing for so long is gone; it answers each heartbeat."""
SEND_S = 10.0
"""A frame that cannot be written for so long: the line is dead."""
PULSES = 2
"""Signs of life between two heartbeats: silence begins at most 1.84 s before a line is cut, not 5.5 s. With a cut of
12 s and a second until the line is heard again that stays below the 15 s of a lost node.
"""
HEARTBEAT_MIN_S = 0.05
HEARTBEAT_MAX_S = 60.0


class Streams(Protocol):
    """What serves the streams of a session."""

    def take(self, message: Streamed) -> None:
        """A message about a stream; never waits."""

    def welcomed(self) -> None:
        """The session is open with a Center that knows streams."""

    async def run(self) -> None:
        """Serve until cancelled."""


StreamsMaker = Callable[[Bulk, Callable[[FromAgent], None]], Streams]

log = logging.getLogger(__name__)


class SessionOver(Exception):
    """It ended, and why."""


class NotOurCenter(SessionOver):
    """Whoever answers cannot prove the Center's identity key."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a session went. `come_back_s`: the Center's wish. `removed`: this node is no part of the cluster."""

    reason: str
    welcomed: bool = False
    come_back_s: float | None = None
    removed: bool = False


class Session:
    """`number`: counts this agent's sessions. `hello` makes the first frame from a nonce, `heartbeat` one from a
    sequence number; both answer at once from what is known. `post` takes what the Center says. `streams`: makes what
    serves the streams of this session, from the bulk lane and what sends on the control lane.
    """

    def __init__(
        self,
        socket: ClientConnection,
        number: int,
        identity: Identity,
        *,
        hello: Callable[[str], Hello],
        heartbeat: Callable[[int], Heartbeat],
        post: Callable[[Event], Awaitable[None]],
        streams: StreamsMaker,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.number = number
        bulk = Bulk(lambda: self.outbox.wake())
        self.outbox = Outbox(bulk=bulk.take)
        self._streams = streams(bulk, self.outbox.put)
        self._socket = socket
        self._identity = identity
        self._hello = hello
        self._heartbeat = heartbeat
        self._post = post
        self._silence_s = silence_s
        self._period_s = 5.0
        self._welcomed = asyncio.Event()
        self._asked = (0, 0.0)
        """The last heartbeat, and when it was put on the lane …"""
        self._answer_s = 0.0
        """… and how long it took until the answer to one came, last."""
        self._come_back_s: float | None = None
        self._removed = False

    async def hold(self) -> Ended:
        """Go through the handshake and stay until it ends; never raises for what the line or the Center does."""
        try:
            recall = await self._shake_hands()
            await self._post(SessionOpened(session=self.number, recall=recall))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._streams.run(), name="streams")
                group.create_task(self._write(), name="session writer")
                group.create_task(self._beat(), name="heartbeat")
                group.create_task(self._read(), name="session reader")
        except* (SessionOver, ProtocolError, OutboxFull, ConnectionClosed, TimeoutError, OSError) as group:
            reason = _first(group)
        finally:
            await self._post(SessionClosed(session=self.number))
        return Ended(
            reason=reason,
            welcomed=self._welcomed.is_set(),
            come_back_s=self._come_back_s,
            removed=self._removed,
        )

    async def _shake_hands(self) -> bool:
        """Exchange proofs; True when the Center asks what was desired here."""
        nonce = new_nonce()
        await self._send(self._hello(nonce))
        challenge = await self._receive()
        if isinstance(challenge, ComeBack):
            self._come_back_s = challenge.after_s
            raise SessionOver("the Center asks to come back later")
        if not isinstance(challenge, Challenge):
            raise SessionOver(f"the Center began with {type(challenge).__name__}, not with its challenge")
        me = self._identity
        claim = (me.cluster, me.agent_id, nonce, challenge.nonce)
        if challenge.cluster != me.cluster or not is_signed(
            me.center_key, challenge.signature, handshake.center_claim(*claim)
        ):
            raise NotOurCenter("whoever answers there cannot prove the Center's identity key; nothing was told to it")
        shown = me.admission if challenge.recall else None
        await self._send(Proof(signature=me.key.sign(handshake.agent_claim(*claim)), admitted=shown))
        return challenge.recall

    async def _read(self) -> None:
        while True:
            try:
                message = await self._receive()
            except UnknownTag as unknown:
                self.outbox.put(Unsupported(tag=unknown.tag))
                continue
            if isinstance(message, Streamed):
                self._streams.take(message)
                continue
            match message:
                case Welcome(heartbeat_s=heartbeat_s, session_epoch=epoch, protocol=protocol):
                    if _spoken(protocol) >= STREAMS_SINCE:
                        self._streams.welcomed()
                    log.info("session %d with the Center is open", epoch)
                    self._period_s = min(max(heartbeat_s, HEARTBEAT_MIN_S), HEARTBEAT_MAX_S)
                    self._welcomed.set()
                case Beat(seq=seq) if seq == self._asked[0]:
                    self._answer_s = time.monotonic() - self._asked[1]
                case ComeBack(after_s=after_s):
                    self._come_back_s = after_s
                case Removed():
                    self._removed = True
                case _:
                    pass
            await self._post(Received(session=self.number, message=message))

    async def _write(self) -> None:
        while True:
            message = await self.outbox.get()
            await self._send(message)
            self.outbox.sent()

    async def _beat(self) -> None:
        await self._welcomed.wait()
        for count in itertools.count():
            seq, pulse = divmod(count, PULSES + 1)
            self.outbox.put(Pulse() if pulse else self._timed(self._heartbeat(seq + 1)))
            await asyncio.sleep(beat_s(self._period_s / (PULSES + 1)))

    def _timed(self, heartbeat: Heartbeat) -> Heartbeat:
        """With how long the answer to the one before took; from now on this one's is waited for."""
        self._asked = (heartbeat.seq, time.monotonic())  # uvloop's clock has milliseconds only
        return msgspec.structs.replace(heartbeat, answer_ms=round(self._answer_s * 1000, 2))

    async def _receive(self) -> FromCenter:
        try:
            async with asyncio.timeout(self._silence_s):
                frame = await self._socket.recv()
        except TimeoutError:
            raise SessionOver(f"the Center was silent for {self._silence_s:g} s") from None
        return decode_from_center(frame)

    async def _send(self, message: FromAgent) -> None:
        frame = encode(message)
        if len(frame) > FRAME_MAX:
            log.error(
                "a %s of %d bytes was not sent: frames have at most %d", type(message).__name__, len(frame), FRAME_MAX
            )
            return
        async with asyncio.timeout(SEND_S):
            await self._socket.send(frame, text=True)


def _spoken(protocol: int) -> int:
    try:
        return spoken_with_center(protocol)
    except ValueError as error:
        raise SessionOver(str(error)) from error


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if isinstance(found, ConnectionClosed):
        close = found.rcvd
        return f"closed by the Center ({close.code} {close.reason})".replace(" )", ")") if close else "the line broke"
    return str(found) or type(found).__name__
