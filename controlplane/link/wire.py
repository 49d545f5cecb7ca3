"""A socket to an agent as the link sees it: text frames in and out, and a close. No messages, no sessions.

Small on purpose, so that a leaner server can take uvicorn's place (DESIGN §2, Process rules).
"""

import asyncio
from contextlib import suppress
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

SEND_S = 10.0
"""A frame that does not leave within so many seconds ends the session."""

CLOSE_S = 1.0
"""How long a close frame may take; the kernel drops the socket by its own timeout then."""


class Closed(Exception):
    """The session ends. `code`, `reason`: of the WebSocket close. `by_peer`: the other side ended it, or the line."""

    def __init__(self, code: int, reason: str, *, by_peer: bool = False) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.by_peer = by_peer


class Wire(Protocol):
    """One accepted socket."""

    async def receive(self) -> str:
        """The next text frame. Raises Closed."""

    async def send(self, frame: bytes) -> None:
        """Send one text frame. Raises Closed when the peer is gone, or does not read for `SEND_S`."""

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye, if the peer still listens; never raises for the world, never waits long."""


class StarletteWire:
    """A `Wire` over Starlette's WebSocket, already accepted."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str:
        """See `Wire.receive`."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Closed(message.get("code", 1005), message.get("reason") or "", by_peer=True)
        text = message.get("text")
        if not isinstance(text, str):
            raise Closed(1003, "text frames only")
        return text

    async def send(self, frame: bytes) -> None:
        """See `Wire.send`."""
        try:
            async with asyncio.timeout(SEND_S):
                await self._socket.send_text(frame.decode())
        except TimeoutError:
            raise Closed(1013, f"the agent did not read for {SEND_S:.0f} s") from None
        except (WebSocketDisconnect, RuntimeError) as error:  # Starlette raises RuntimeError once a close was sent
            raise Closed(1006, "connection lost", by_peer=True) from error

    async def close(self, code: int, reason: str) -> None:
        """See `Wire.close`."""
        if self._socket.application_state is not WebSocketState.CONNECTED:
            return
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code, _short(reason))


def _short(reason: str) -> str:
    """A close frame takes 123 bytes of UTF-8."""
    return reason.encode()[:120].decode(errors="ignore")
