"""Turns for work that is short, but wanted by thousands at once: so much in one round of the event loop, then others
get their chance. Used by `endpoint.py`: when all agents come back, heartbeats of those that are in go on.
"""

import asyncio
from collections import deque

TURNS = 12
"""In one round; a proof costs some 0.3 ms. Fewer starve those who wait when each round also sends many away."""


class Turns:
    """First come, first served."""

    def __init__(self, turns: int = TURNS) -> None:
        self._turns = turns
        self._left = turns
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._due = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def take(self) -> None:
        """Wait for a turn; at once when there is one left in this round."""
        loop = asyncio.get_running_loop()
        if not self._due:
            self._due = True
            loop.call_soon(self._next_round)
        if self._left > 0 and not self._waiting:
            self._left -= 1
            return
        mine = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _next_round(self) -> None:
        self._left = self._turns
        while self._waiting and self._left > 0:
            first = self._waiting.popleft()
            if not first.done():  # else its caller gave up
                first.set_result(None)
                self._left -= 1
        self._due = bool(self._waiting) or self._left < self._turns
        if self._due:
            asyncio.get_running_loop().call_soon(self._next_round)
