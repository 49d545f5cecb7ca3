"""`WebSocket /api/v1/stream` with subprotocol `ropeteam.live.v1`: a person's subscriptions, side by side on one socket.

Reads frames, keeps the table of subscriptions, sends what they tell, one frame at a time: a slow reader holds up its
own subscriptions, each of which is bounded in its own way, and nobody else. What is told is made in `telling`,
`logreading`, `execing` and `using`; the frames are in `protocol.live`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, assert_never

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from controlplane.core.record import Refused
from controlplane.web.answers import Rejected
from controlplane.web.door import Door
from controlplane.web.execing import Execing
from controlplane.web.logreading import LogReading
from controlplane.web.policy import Who
from controlplane.web.telling import Following, Telling
from controlplane.web.using import Using
from protocol.live import (
    LIVE,
    Beat,
    Credit,
    Deployment,
    Events,
    Exec,
    FromCenter,
    FromPerson,
    Input,
    Logs,
    Over,
    Resize,
    Stop,
    Top,
)

SUBSCRIPTIONS_MAX = 64
"""Of one socket."""
SEND_S = 10.0
"""A frame that is not taken within so many seconds ends the socket."""
BEAT_S = 15.0
LOOK_S = 1.0
"""How often it is asked whether the person still may."""
OVER = 1008
"""The person may no longer, or broke the rules."""

_GONE = (WebSocketDisconnect, TimeoutError, RuntimeError)
"""The person is gone, or too slow; Starlette raises RuntimeError once the socket is closed."""
_DECODER: msgspec.json.Decoder[FromPerson] = msgspec.json.Decoder(FromPerson)
_ENCODER = msgspec.json.Encoder()
_log = logging.getLogger(__name__)

Send = Callable[[FromCenter], Awaitable[None]]


class Subscription(Protocol):
    """One thing that a person looks at."""

    async def run(self) -> Over:
        """Tell until there is no more to tell. Raises Rejected, Refused."""

    def take(self, message: Input | Resize | Credit) -> None:
        """What the person says to it. Never waits. Raises Rejected."""


class _Bad(Exception):
    """The peer broke the rules: close with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Multiplex:
    """One accepted socket of `who`. `lasts`: asked each second, false ends it. `tells`: puts a frame into other words.
    `beat_s`: the longest silence.
    """

    def __init__(
        self,
        door: Door,
        socket: WebSocket,
        who: Who,
        *,
        lasts: Callable[[], bool] | None = None,
        tells: Callable[[FromCenter], FromCenter] = lambda frame: frame,
        beat_s: float = BEAT_S,
    ) -> None:
        self._door = door
        self._socket = socket
        self._who = who
        self._lasts = lasts
        self._tells = tells
        self._beat_s = beat_s
        self._turn = asyncio.Lock()
        self._open: dict[int, tuple[Subscription, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Until the person leaves, is too slow, or breaks the rules."""
        bad: _Bad | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [tasks.create_task(self._beat()), tasks.create_task(self._watch())]
                await self._read(tasks)
                for task in (*beside, *(task for _, task in self._open.values())):
                    task.cancel()
        except* _GONE:
            pass
        except* _Bad as group:
            bad = next(e for e in group.exceptions if isinstance(e, _Bad))
        if bad is not None:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._socket.close(bad.code, bad.reason)

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        while (frame := await self._socket.receive())["type"] != "websocket.disconnect":
            text = frame.get("text")
            try:
                message = _DECODER.decode(text if isinstance(text, str) else b"")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise _Bad(1003, f"not a frame of {LIVE}: {error}"[:100]) from error
            await self._take(message, tasks)

    async def _take(self, message: FromPerson, tasks: asyncio.TaskGroup) -> None:
        number = message.id
        match message:
            case Input() | Resize() | Credit():
                if (found := self._open.get(number)) is not None:
                    try:
                        found[0].take(message)
                    except (Rejected, Refused) as error:
                        del self._open[number]
                        found[1].cancel()
                        await self._send(Over(id=number, error=error.code, message=error.message))
            case Stop():
                if (found := self._open.pop(number, None)) is not None:
                    found[1].cancel()
                    await self._send(Over(id=number))
            case _:
                if number < 1 or number in self._open or len(self._open) >= SUBSCRIPTIONS_MAX:
                    raise _Bad(OVER, f"subscription {number} is open, no number, or one too many")
                subscription = self._made(message)
                self._open[number] = (subscription, tasks.create_task(self._carry(number, subscription)))

    def _made(self, message: Events | Deployment | Logs | Exec | Top) -> Subscription:
        match message:
            case Events():
                return Telling(self._door, message, self._send)
            case Deployment():
                return Following(self._door, message, self._send)
            case Logs():
                return LogReading(self._door, message, self._send)
            case Exec():
                return Execing(self._door, message, self._send, self._who)
            case Top():
                return Using(self._door, message, self._send)
            case _:
                assert_never(message)

    async def _carry(self, number: int, subscription: Subscription) -> None:
        try:
            over = await subscription.run()
        except (Rejected, Refused) as error:
            over = Over(id=number, error=error.code, message=error.message)
        except _GONE:
            raise
        except Exception as error:
            # Before Python 3.11.5 a task whose group failed stays half cancelled: nothing more is sent by it.
            if not isinstance(error, ExceptionGroup) or error.subgroup(_GONE) is None:
                _log.exception("a subscription failed", extra={"kind": type(subscription).__name__})
            raise _Bad(1011, "a fault in the Center") from error
        self._open.pop(number, None)
        await self._send(over)

    async def _send(self, frame: FromCenter) -> None:
        async with self._turn, asyncio.timeout(SEND_S):
            await self._socket.send_text(_ENCODER.encode(self._tells(frame)).decode())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            await self._send(Beat(id=0))

    async def _watch(self) -> None:
        while self._lasts is not None:
            await asyncio.sleep(LOOK_S)
            if not self._lasts():
                raise _Bad(OVER, "the session is over")
