"""How the bulk lane of a session flows: never so much on the line that a heartbeat waits behind it. Pure.

Two bounds. Each stream has the credit that its reader gave, end to end. All streams of a session together have one
window of unacknowledged bytes: 16 KiB until the line was measured fast. Both ends of the rope use it (DESIGN §3.7).
"""

from collections import OrderedDict, deque

import msgspec

from protocol.streams import StreamData, StreamEnd, Tail

WINDOW_BYTES = 16 * 1024
"""Unacknowledged bytes of frames at first."""
WINDOW_MIN_BYTES = 8 * 1024
WINDOW_MAX_BYTES = 256 * 1024
FAST_S = 0.5
"""An acknowledgement within so long lets a window that was in use grow to twice its size …"""
SLOW_S = 1.0
"""… and one that took longer halves it: what is unacknowledged shall take about a second on the line."""
DATA_MAX = 32 * 1024
"""Bytes of one stream in one frame: 43 KiB on the wire."""
FRAMES_PER_S = 50.0
FRAMES_BURST = 25.0
"""Frames of the lane: what comes in drops leaves in gulps, well below what the Center allows an agent."""
OVERHEAD_BYTES = 80
"""Of a frame around its data, about."""
TAILS_MAX = 64
"""Tails that wait for their turn, which comes when no stream has anything to send."""


class Window:
    """Bytes of bulk frames on one line. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.size = WINDOW_BYTES
        self.unacknowledged = 0
        self._frames = 0
        self._flying: deque[tuple[int, int, float, bool]] = deque()
        """Number of the frame, its bytes, when it was sent, whether the window was full enough to be measured."""
        self._since_ask = 0
        self._asked = 0
        """Frames that ask and were not answered."""

    @property
    def room(self) -> int:
        """Bytes that may be sent now."""
        return max(0, self.size - self.unacknowledged)

    def asks(self, size: int) -> bool:
        """Whether a frame of so many bytes, sent next, shall ask for an acknowledgement."""
        return self._asked == 0 or self._since_ask + size >= self.size // 4

    def sent(self, size: int, now: float) -> None:
        """A frame of so many bytes left. Call `asks` with the same size before."""
        if self.asks(size):
            self._since_ask, self._asked = 0, self._asked + 1
        else:
            self._since_ask += size
        self._frames += 1
        self.unacknowledged += size
        self._flying.append((self._frames, size, now, self.unacknowledged * 2 >= self.size))

    def acked(self, frames: int, now: float) -> None:
        """The peer has so many frames of this session. Fits the window to how long the last of them took."""
        took: float | None = None
        busy = False
        while self._flying and self._flying[0][0] <= frames:
            _, size, at, full = self._flying.popleft()
            self.unacknowledged -= size
            took, busy = now - at, full
        if took is None:
            return
        self._asked = max(0, self._asked - 1) if self._flying else 0
        if took > SLOW_S:
            self.size = max(WINDOW_MIN_BYTES, self.size // 2)
        elif took < FAST_S and busy:
            self.size = min(WINDOW_MAX_BYTES, self.size * 2)


class _Out:
    """What one stream still has to send."""

    def __init__(self, credit: int) -> None:
        self.credit = credit
        self.waiting: deque[tuple[int, bytes, bool]] = deque()
        """Channel, bytes, whether the channel ends with them."""
        self.size = 0
        self.end: StreamEnd | None = None

    def ready(self) -> bool:
        """True when there is something that credit allows to be sent."""
        if not self.waiting:
            return self.end is not None
        return self.credit > 0 or not self.waiting[0][1]

    def take(self, size_max: int) -> tuple[int, bytes, bool]:
        """The next bytes of one channel, joined from what waits."""
        channel, data, eof = self.waiting.popleft()
        parts, size, limit = [], 0, min(size_max, self.credit)
        while True:
            part = data[: limit - size]
            parts.append(part)
            size += len(part)
            if len(part) < len(data):
                self.waiting.appendleft((channel, data[len(part) :], eof))
                eof = False
                break
            if eof or size >= limit or not self.waiting or self.waiting[0][0] != channel:
                break
            _, data, eof = self.waiting.popleft()
        self.size -= size
        self.credit -= size
        return channel, b"".join(parts), eof


class Lane:
    """The outgoing bulk of one session: streams take turns, within the window, at most `FRAMES_PER_S` frames a second.

    Nothing here waits: whoever pushes looks at `pending` first; whoever sends calls `next` again at `wake_at`.
    """

    def __init__(self, now: float) -> None:
        self.window = Window()
        self._outs: OrderedDict[int, _Out] = OrderedDict()
        self._tails: deque[Tail] = deque()
        self._tokens = FRAMES_BURST
        self._at = now

    def offer(self, tail: Tail) -> bool:
        """Queue last lines of a container; False when too many wait."""
        if len(self._tails) >= TAILS_MAX:
            return False
        self._tails.append(tail)
        return True

    def open(self, stream: int, credit: int = 0) -> None:
        """A new stream that may send so many bytes."""
        self._outs[stream] = _Out(credit)

    def grant(self, stream: int, credit: int) -> None:
        """Its reader took some: so many bytes more. Unknown streams are ignored."""
        if (out := self._outs.get(stream)) is not None:
            out.credit += max(0, credit)

    def pending(self, stream: int) -> int:
        """Bytes that wait to be sent; 0 for a stream that is not open."""
        out = self._outs.get(stream)
        return out.size if out is not None else 0

    def push(self, stream: int, data: bytes, channel: int = 1, *, eof: bool = False) -> None:
        """Queue bytes; dropped when the stream is not open, or over."""
        out = self._outs.get(stream)
        if out is not None and out.end is None and (data or eof):
            out.waiting.append((channel, data, eof))
            out.size += len(data)

    def finish(self, stream: int, reason: str = "", code: int | None = None) -> None:
        """The stream ends after what waits."""
        out = self._outs.get(stream)
        if out is not None and out.end is None:
            out.end = StreamEnd(stream=stream, reason=reason, code=code)

    def drop(self, stream: int) -> None:
        """Forget a stream and what waits of it."""
        self._outs.pop(stream, None)

    def acked(self, frames: int, now: float) -> None:
        """See `Window.acked`."""
        self.window.acked(frames, now)

    def next(self, now: float) -> StreamData | StreamEnd | Tail | None:
        """The next frame to send, None when there is nothing, or not now. A stream that ended is forgotten."""
        self._tokens = min(FRAMES_BURST, self._tokens + (now - self._at) * FRAMES_PER_S)
        self._at = now
        if self._tokens < 1:
            return None
        for stream, out in self._outs.items():
            if not out.ready():
                continue
            if not out.waiting:
                del self._outs[stream]
                return out.end
            size_max = min(DATA_MAX, (min(self.window.room, self.window.size // 2) - OVERHEAD_BYTES) * 3 // 4)
            if size_max <= 0:
                return None
            channel, data, eof = out.take(size_max)
            self._outs.move_to_end(stream)
            return StreamData(stream=stream, data=data, channel=channel, eof=eof, ack=self._sent(len(data), now))
        if self._tails and self.window.room >= min(_size(self._tails[0]), self.window.size // 2):
            tail = self._tails.popleft()
            return msgspec.structs.replace(tail, ack=self._sent(len(tail.lines), now))
        return None

    def _sent(self, data_size: int, now: float) -> bool:
        """Count a frame that leaves; whether it asks for an acknowledgement."""
        self._tokens -= 1
        size = data_size * 4 // 3 + OVERHEAD_BYTES
        ask = self.window.asks(size)
        self.window.sent(size, now)
        return ask

    def wake_at(self, now: float) -> float | None:
        """When to call `next` again although nothing happens; None = only when something does."""
        if self._tokens >= 1 or self.window.room <= OVERHEAD_BYTES:
            return None
        if not self._tails and not any(out.ready() for out in self._outs.values()):
            return None
        return now + (1 - self._tokens) / FRAMES_PER_S


def _size(tail: Tail) -> int:
    return len(tail.lines) * 4 // 3 + OVERHEAD_BYTES
