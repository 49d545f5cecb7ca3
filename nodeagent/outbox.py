"""The control lane of one session: frames in order, never dropped; full means the session is closed and begun anew.

The bulk lane (logs, exec) comes with its first user. Used by `session`, filled through `link`.
"""

import asyncio
from collections import deque

from protocol.messages import FromAgent

FRAMES_MAX = 1024


class OutboxFull(Exception):
    """The Center does not read: what is lost is told by the next session's inventory."""


class Outbox:
    """A bounded queue that can tell when everything has left."""

    def __init__(self, frames_max: int = FRAMES_MAX) -> None:
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

    async def get(self) -> FromAgent:
        """The next frame; it counts as waiting until `sent`. Raises OutboxFull."""
        while not self._frames or self._full:
            if self._full:
                raise OutboxFull(f"more than {self._frames_max} frames wait to be sent")
            self._changed.clear()
            await self._changed.wait()
        return self._frames[0]

    def sent(self) -> None:
        """The frame last got has left."""
        self._frames.popleft()
        if not self._frames:
            self._empty.set()

    async def drained(self) -> None:
        """Wait until every frame has left."""
        await self._empty.wait()
