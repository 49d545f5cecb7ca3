"""A socket to an agent as the link sees it: text frames in and out, and a close. No messages, no sessions.

Small on purpose, so that one server can take the place of another (DESIGN §2, Process rules). `socket.py` has the one
in use.
"""

from typing import Protocol


class Closed(Exception):
    """The session ends. `code`, `reason`: of the WebSocket close. `by_peer`: the other side ended it, or the line."""

    def __init__(self, code: int, reason: str, *, by_peer: bool = False) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.by_peer = by_peer


class Listener(Protocol):
    """Who is told what happens on a wire, at once and without a task. Nothing here may wait or raise."""

    def heard(self, frame: bytes | None) -> None:
        """A text frame came; None: a sign of life without content."""

    def room(self) -> None:
        """`write` takes frames again."""

    def lost(self, closed: Closed) -> None:
        """The socket is gone, or going; the last call."""


class Wire(Protocol):
    """One accepted socket. First `receive` and `send` in turns; after `listen` frames come by call."""

    async def receive(self) -> bytes:
        """The next text frame. Raises Closed."""

    async def send(self, frame: bytes) -> None:
        """Send one text frame. Raises Closed when the peer is gone, or does not read for long."""

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye, if the peer still listens; never raises for the world, never waits long."""

    def listen(self, listener: Listener) -> None:
        """From now on the listener is told; first what came before and nobody received."""

    @property
    def has_room(self) -> bool:
        """`write` may be called; when not, `room` will tell."""

    def write(self, frame: bytes) -> None:
        """Send one text frame without waiting; into the void when the socket is gone."""

    def hold(self, held: bool) -> None:
        """Stop or go on reading what the peer sends."""
