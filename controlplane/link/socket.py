"""The agents' end of a WebSocket, straight on the event loop's transport: no task and no queue between a read and its
meaning, which is what makes a heartbeat cheap (notes: limits §2).

Turns bytes into calls and back. Knows no messages; opened by `upgrade.py`.
"""

import asyncio
from collections import deque
from collections.abc import MutableSet
from contextlib import suppress
from typing import Any, cast

from controlplane.link.frames import BadFrame, Frames, close_frame, close_said, pong_frame, text_frame
from controlplane.link.wire import Closed, Listener

SEND_S = 10.0
"""What does not leave within so many seconds ends the socket."""

CLOSE_S = 1.0
"""How long the peer may take to answer a close; then the line is broken off."""

WAITING_MAX = 4
"""Frames that came and nobody received yet; more are left in the kernel."""


class AgentSocket(asyncio.Protocol):
    """A `Wire`. `connections`: the server's set of what it must end when it stops."""

    __slots__ = (
        "_choke",
        "_close_sent",
        "_closed",
        "_connections",
        "_frames",
        "_listener",
        "_room",
        "_transport",
        "_waiter",
        "_waiting",
        "remote",
    )

    def __init__(self, transport: asyncio.Transport, remote: str, connections: MutableSet[Any]) -> None:
        self._transport = transport
        self._connections = connections
        self.remote = remote
        self._frames: Frames | None = Frames()
        self._waiting: deque[bytes] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._listener: Listener | None = None
        self._closed: Closed | None = None
        self._close_sent = False
        self._room = True
        self._choke: asyncio.TimerHandle | None = None
        connections.add(self)

    # -- Wire -------------------------------------------------------------------------------------------------------

    async def receive(self) -> bytes:
        """See `Wire.receive`. For one reader, before `listen`."""
        while not self._waiting:
            if self._closed is not None:
                raise self._closed
            await self._change()
        frame = self._waiting.popleft()
        if not self._waiting:
            self._waiting = None
            self.hold(False)
        return frame

    async def send(self, frame: bytes) -> None:
        """See `Wire.send`. For one writer, before `listen`."""
        while not self._room and self._closed is None:
            await self._change()
        if self._closed is not None:
            raise self._closed
        self.write(frame)

    async def close(self, code: int, reason: str) -> None:
        """See `Wire.close`."""
        self._listener = None
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                if self._closed is None:
                    self._say_close(code, reason)
                    self.hold(False)
                while self in self._connections:
                    await self._change()
                return
        self._transport.abort()

    def listen(self, listener: Listener) -> None:
        """See `Wire.listen`."""
        self._listener = listener
        while self._waiting:
            listener.heard(self._waiting.popleft())
        self._waiting = None
        self.hold(False)
        if self._closed is not None:
            listener.lost(self._closed)

    @property
    def has_room(self) -> bool:
        """See `Wire.has_room`."""
        return self._room

    def write(self, frame: bytes) -> None:
        """See `Wire.write`."""
        if self._closed is None and not self._close_sent:
            self._transport.write(text_frame(frame))

    def hold(self, held: bool) -> None:
        """See `Wire.hold`."""
        if self._transport.is_closing() or self._transport.is_reading() is not held:
            return
        if held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # -- asyncio.Protocol -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._frames is None:
            return
        try:
            pieces = self._frames.feed(data)
        except BadFrame as bad:
            self._frames = None
            self._lose(Closed(bad.code, bad.reason))
            self._say_close(bad.code, bad.reason)
            return
        for kind, body in pieces:
            match kind:
                case "text":
                    self._take(body)
                case "close":
                    self._end(body)
                    return
                case "ping":
                    if not self._close_sent:
                        self._transport.write(pong_frame(body))
                    self._alive()
                case "pong":
                    self._alive()

    def connection_lost(self, error: Exception | None) -> None:
        """The line is gone."""
        self._connections.discard(self)
        self._frames = None
        self._calm()
        self._lose(Closed(1006, "connection lost", by_peer=True))
        self._changed()

    def pause_writing(self) -> None:
        """The peer reads slower than we write."""
        self._room = False
        self._choke = asyncio.get_running_loop().call_later(SEND_S, self._choked)

    def resume_writing(self) -> None:
        """There is room again."""
        self._room = True
        self._calm()
        self._changed()
        if self._listener is not None:
            self._listener.room()

    def shutdown(self) -> None:
        """The server stops."""
        self._lose(Closed(1012, "the Center restarts"))
        self._say_close(1012, "the Center restarts")
        self._transport.close()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _take(self, body: bytes) -> None:
        if self._close_sent or self._closed is not None:
            return
        if self._listener is not None:
            self._listener.heard(body)
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(body)
        if len(self._waiting) >= WAITING_MAX:
            self.hold(True)
        self._changed()

    def _alive(self) -> None:
        if self._listener is not None:
            self._listener.heard(None)

    def _end(self, body: bytes) -> None:
        """The peer closes, or answers our close."""
        self._frames = None
        code, reason = close_said(body)
        self._lose(Closed(code, reason, by_peer=True))
        self._say_close(code, "")
        self._transport.close()

    def _say_close(self, code: int, reason: str) -> None:
        if not self._close_sent and not self._transport.is_closing():
            self._close_sent = True
            self._transport.write(close_frame(code, reason))

    def _choked(self) -> None:
        self._lose(Closed(1013, f"the agent did not read for {SEND_S:.0f} s"))
        self._transport.abort()

    def _calm(self) -> None:
        if self._choke is not None:
            self._choke.cancel()
            self._choke = None

    def _lose(self, closed: Closed) -> None:
        if self._closed is None:
            self._closed = closed
            if self._listener is not None:
                self._listener.lost(closed)
            self._changed()

    async def _change(self) -> None:
        """Wait until something happens on this socket. For one waiter."""
        self._waiter = cast("asyncio.Future[None]", asyncio.get_running_loop().create_future())
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _changed(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
