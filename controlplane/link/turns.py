"""Turns for work that is short, but wanted by thousands at once: so much in one round of the event loop, then others
get their chance. Used by `endpoint.py`: when all agents come back, heartbeats of those that are in go on.
"""

import asyncio
import math
from collections import deque

TURNS = 12
"""In one round; a proof costs some 0.3 ms. Fewer starve those who wait when each round also sends many away."""


AGAIN_S = 1.0
"""The soonest that who is sent away may come again …"""
AGAIN_PER_S = 800
"""… so many a second, about what one core admits …"""
AGAIN_MAX_S = 20.0
"""… and the latest, however many strangers ask, too."""


class Appointments:
    """When those who find no place come again: one after another, not all at once to find none again. Times: monotonic
    seconds.
    """

    def __init__(self) -> None:
        self._last = 0.0

    def after_s(self, now: float) -> int:
        """Whole seconds, as `Retry-After` has them, for one more."""
        self._last = min(max(self._last + 1 / AGAIN_PER_S, now + AGAIN_S), now + AGAIN_MAX_S)
        return math.ceil(self._last - now)


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
