"""The bulk lane of one session: streams wait here for their turn, heartbeats never wait for them (DESIGN §3.7).

How much may be sent is `protocol.flow`'s business; this is where writers wait and the session's writer is woken. Made
by `session`, filled by `streams` and `tails`.
"""

import asyncio
from collections.abc import Callable

from protocol.flow import Lane
from protocol.streams import StreamData, StreamEnd, Tail

PENDING_BYTES = 32 * 1024
"""Bytes of one stream that wait to be sent; then its source is not read any further."""


class Bulk:
    """`wake`: called when there may be something to take."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lane = Lane(self._loop.time())
        self._wake = wake
        self._moved = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def take(self) -> StreamData | StreamEnd | Tail | None:
        """The next frame, None when there is none, or not now. For the session's writer."""
        now = self._loop.time()
        frame = self._lane.next(now)
        if isinstance(frame, StreamData):
            self._moved.set()
        elif frame is None and (at := self._lane.wake_at(now)) is not None and self._timer is None:
            self._timer = self._loop.call_at(at, self._due)
        return frame

    def open(self, stream: int, credit: int) -> None:
        """A new stream that may send so many bytes."""
        self._lane.open(stream, credit)

    def grant(self, stream: int, credit: int) -> None:
        """Its reader takes so many bytes more."""
        self._lane.grant(stream, credit)
        self._wake()

    async def write(self, stream: int, data: bytes, channel: int = 1) -> None:
        """Send bytes of a stream; waits while too many wait already."""
        while data:
            while self._lane.pending(stream) >= PENDING_BYTES:
                self._moved.clear()
                await self._moved.wait()
            self._lane.push(stream, data[:PENDING_BYTES], channel)
            data = data[PENDING_BYTES:]
            self._wake()

    def finish(self, stream: int, reason: str = "", code: int | None = None) -> None:
        """The stream ends after what was written."""
        self._lane.finish(stream, reason, code)
        self._wake()

    def drop(self, stream: int) -> None:
        """Its reader is gone: what waits of it is dropped."""
        self._lane.drop(stream)
        self._moved.set()

    def offer(self, tail: Tail) -> bool:
        """Send last lines when nothing else is to be sent; False when too many wait."""
        taken = self._lane.offer(tail)
        self._wake()
        return taken

    def acked(self, frames: int) -> None:
        """The Center has so many frames of the lane."""
        self._lane.acked(frames, self._loop.time())
        self._wake()

    def close(self) -> None:
        """The session is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        self._timer = None
        self._wake()
