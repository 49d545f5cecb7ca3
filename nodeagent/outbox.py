"""What one session sends, in two lanes. Control: frames in order, never dropped; full means the session is closed and
begun anew. Bulk (logs, exec): asked for a frame only when nothing else waits.

Used by `session`, filled through `link`; the bulk lane itself is in `bulk`.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from protocol.messages import FromAgent

FRAMES_MAX = 1024


class OutboxFull(Exception):
    """The Center does not read: what is lost is told by the next session's inventory."""


class Outbox:
    """A bounded queue that can tell when everything has left. `bulk`: the next frame of the bulk lane, if any."""

    def __init__(self, frames_max: int = FRAMES_MAX, bulk: Callable[[], FromAgent | None] | None = None) -> None:
        self._bulk = bulk or _nothing
        self._is_bulk = False
        """The frame last got is of the bulk lane."""
        self._frames: deque[FromAgent] = deque()
        self._frames_max = frames_max
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._full = False

    def put(self, message: FromAgent) -> None:
        """Add a frame. When there is no room the lane is broken for good and `get` raises OutboxFull."""
        if len(self._frames) >= self._frames_max:
            self._full = True
        else:
            self._frames.append(message)
            self._empty.clear()
        self._changed.set()

    def wake(self) -> None:
        """The bulk lane may have a frame."""
        self._changed.set()

    async def get(self) -> FromAgent:
        """The next frame; it counts as waiting until `sent`. Raises OutboxFull."""
        while True:
            if self._full:
                raise OutboxFull(f"more than {self._frames_max} frames wait to be sent")
            self._is_bulk = not self._frames
            frame = self._bulk() if self._is_bulk else self._frames[0]
            if frame is not None:
                return frame
            self._changed.clear()
            await self._changed.wait()

    def sent(self) -> None:
        """The frame last got has left."""
        if self._is_bulk:
            return
        self._frames.popleft()
        if not self._frames:
            self._empty.set()

    async def drained(self) -> None:
        """Wait until every frame has left."""
        await self._empty.wait()


def _nothing() -> None:
    """No bulk lane."""
