"""WebSocket frames of one peer (RFC 6455), without I/O: bytes as they come in, whole messages out; answers as bytes.

The server's side, without extensions: what a client sends is masked, what goes out is not. Text only, messages of at
most `FRAME_MAX` bytes, however they are cut into fragments. Knows no socket and no message. Used by `socket.py`.
"""

from typing import Literal, NamedTuple

from protocol.codec import FRAME_MAX

try:
    from websockets.speedups import apply_mask  # in C
except ImportError:  # a wheel without it
    from websockets.utils import apply_mask

CONTROL_MAX = 125
"""Bytes of a ping, pong or close."""

PIECES_MAX = 2000
"""Messages and control frames in one read: more are a flood, and looking at them would keep the loop busy."""

_FIN = 0x80
_RESERVED = 0x70
_MASKED = 0x80
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_KINDS: dict[int, Literal["text", "close", "ping", "pong"]] = {
    _TEXT: "text",
    _CLOSE: "close",
    _PING: "ping",
    _PONG: "pong",
}
_SILENT_CODES = frozenset({1005, 1006, 1015})
"""Close codes that never go over a wire."""


class BadFrame(Exception):
    """The peer broke the rules of WebSocket or ours. `code`: for the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Piece(NamedTuple):
    """A whole text message, or a control frame."""

    kind: Literal["text", "close", "ping", "pong"]
    body: bytes


class Frames:
    """What one peer sends. Holds at most one message and one frame that are not complete yet."""

    __slots__ = ("_parts", "_parts_size", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._parts: list[bytes] | None = None
        self._parts_size = 0

    def feed(self, data: bytes) -> list[Piece]:
        """What is complete now, in order. Raises BadFrame; nothing more can be read from this peer then."""
        if self._rest:
            data = self._rest + data
        found: list[Piece] = []
        start, size = 0, len(data)
        while size - start >= 2:
            body_at, body_size = self._head(data, start)
            end = body_at + body_size
            if body_at < 0 or end > size:
                break
            body = apply_mask(data[body_at:end], data[body_at - 4 : body_at])
            piece = self._joined(data[start], body)
            if piece is not None:
                found.append(piece)
                if len(found) > PIECES_MAX:
                    raise BadFrame(1008, "a flood of frames")
            start = end
        self._rest = data[start:] if start else data
        return found

    def _head(self, data: bytes, start: int) -> tuple[int, int]:
        """Where the body of the frame at `start` begins, and its size; (-1, 0) when that cannot be told yet."""
        first, second = data[start], data[start + 1]
        opcode, length = first & 15, second & 127
        if first & _RESERVED or opcode not in (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG):
            raise BadFrame(1002, "a frame of a kind that was not agreed on")
        if not second & _MASKED:
            raise BadFrame(1002, "a frame without a mask")
        if opcode == _BINARY:
            raise BadFrame(1003, "text frames only")
        if opcode >= _CLOSE and (length > CONTROL_MAX or not first & _FIN):
            raise BadFrame(1002, "a control frame that is long or in fragments")
        wide = 2 if length == 126 else 8 if length == 127 else 0
        if len(data) - start < 6 + wide:
            return -1, 0
        if wide:
            length = int.from_bytes(data[start + 2 : start + 2 + wide])
        if length + self._parts_size > FRAME_MAX:
            raise BadFrame(1009, f"at most {FRAME_MAX} bytes in a message")
        return start + 6 + wide, length

    def _joined(self, first: int, body: bytes) -> Piece | None:
        """The piece that this frame completes, if it does."""
        opcode = first & 15
        if opcode >= _CLOSE:
            return Piece(_KINDS[opcode], body)
        if (opcode == _CONTINUATION) is (self._parts is None):
            raise BadFrame(1002, "a fragment out of order")
        if self._parts is None:
            if first & _FIN:
                return Piece("text", body)
            self._parts = []
        self._parts.append(body)
        self._parts_size += len(body) or 1  # empty fragments without end are counted, too
        if not first & _FIN:
            return None
        whole, self._parts, self._parts_size = b"".join(self._parts), None, 0
        return Piece("text", whole)


def text_frame(body: bytes) -> bytes:
    """A text message in one frame."""
    return _framed(_TEXT, body)


def pong_frame(body: bytes) -> bytes:
    """The answer to a ping."""
    return _framed(_PONG, body)


def close_frame(code: int, reason: str) -> bytes:
    """A close; a reason that is too long is cut."""
    if code in _SILENT_CODES:
        return _framed(_CLOSE, b"")
    return _framed(_CLOSE, code.to_bytes(2) + reason.encode()[: CONTROL_MAX - 5].decode(errors="ignore").encode())


def close_said(body: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; 1005 when it says none."""
    return (int.from_bytes(body[:2]), body[2:].decode(errors="replace")) if len(body) >= 2 else (1005, "")


def _framed(opcode: int, body: bytes) -> bytes:
    size = len(body)
    if size < 126:
        return bytes((_FIN | opcode, size)) + body
    if size < 1 << 16:
        return bytes((_FIN | opcode, 126)) + size.to_bytes(2) + body
    return bytes((_FIN | opcode, 127)) + size.to_bytes(8) + body
