"""The change feed: every commit, after it was applied, to every subscriber. A slow one is told that it missed some.

Written by `loop.py`; read by the stream and the live pages in `web/`. Keeps no history: that is the journal.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from controlplane.core.cluster import Changes

COMMITS_MAX = 1000
"""Commits that wait for one subscriber."""


class Subscription:
    """One subscriber's bounded queue. Policy: full -> everything in it is dropped, and `next` tells so once."""

    def __init__(self, commits_max: int = COMMITS_MAX) -> None:
        self._commits: deque[Changes] = deque()
        self._max = commits_max
        self._missed = False
        self._woken = asyncio.Event()
        self.dropped = 0
        """Commits that it did not get, since it began."""

    async def next(self) -> Changes | None:
        """The next commit; None when some were skipped: look at everything again. For one reader."""
        while not self._commits and not self._missed:
            self._woken.clear()
            await self._woken.wait()
        if self._missed:
            self._missed = False
            return None
        return self._commits.popleft()

    def put(self, changes: Changes) -> None:
        """Queue a commit. Called by the feed."""
        if len(self._commits) >= self._max:
            self.dropped += len(self._commits)
            self._commits.clear()
            self._missed = True
        self._commits.append(changes)
        self._woken.set()

    @property
    def waiting(self) -> int:
        """Commits that wait."""
        return len(self._commits)


class Feed:
    """All subscribers."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._dropped = 0
        """Of subscribers that have left."""

    @contextmanager
    def subscribe(self, commits_max: int = COMMITS_MAX) -> Iterator[Subscription]:
        """Every commit from now on, until the context ends."""
        subscription = Subscription(commits_max)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            self._dropped += subscription.dropped

    def publish(self, changes: Changes) -> None:
        """Tell everyone. `changes` were committed and applied, and are not changed any more."""
        for subscription in self._subscriptions:
            subscription.put(changes)

    @property
    def longest(self) -> int:
        """Commits that wait for the slowest subscriber."""
        return max((s.waiting for s in self._subscriptions), default=0)

    @property
    def dropped(self) -> int:
        """Commits that subscribers did not get, since the start."""
        return self._dropped + sum(s.dropped for s in self._subscriptions)

    def __len__(self) -> int:
        return len(self._subscriptions)
