"""Virtual time: a heap of what is due, and processes that die, stand still or go on. The only place where time moves.

Knows nothing of Center or agents. Driven by `world`.
"""

from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from typing import Any

WALL = 1_700_000_000.0
"""Unix seconds when a world begins: far from monotonic time, so that nobody mixes them up unseen."""

TINY_S = 1e-6
"""Wakes come this much late, so that rounding between two clocks makes none come early."""

CROWD = 20_000
CROWD_S = 1.0
"""So many events take longer than this, unless something spins."""

Call = Callable[..., None]


class Clock:
    """Seconds since the world began. What is due at the same instant comes in the order it was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Call, tuple[Any, ...]]] = []
        self._count = 0

    def after(self, seconds: float, call: Call, *args: Any) -> None:
        """Call later."""
        self._count += 1
        heappush(self._due, (self.now + seconds, self._count, call, args))

    def at(self, when: float, call: Call, *args: Any) -> None:
        """Call then, or now when that is past."""
        self._count += 1
        heappush(self._due, (when if when > self.now else self.now, self._count, call, args))

    def run(self, until: float) -> int:
        """Let time pass; gives the number of events."""
        due, before = self._due, self._count - len(self._due)
        looked_at, looked = self.now, self._count + CROWD
        while due and due[0][0] <= until:
            self.now, _, call, args = heappop(due)
            call(*args)
            if self._count > looked:
                assert self.now - looked_at > CROWD_S, f"{CROWD} events within {self.now - looked_at:.6f} s: it spins"
                looked_at, looked = self.now, self._count + CROWD
        self.now = until
        return self._count - len(due) - before


class Process:
    """A process of the simulated world: its calls are lost when it is dead and wait while it is stopped."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.up = True
        self.stopped = False
        self._waiting: list[tuple[Call, tuple[Any, ...]]] = []

    def after(self, seconds: float, call: Call, *args: Any) -> None:
        """Call later, if the process lives then."""
        self.clock.after(seconds, self._fire, call, args)

    def do(self, call: Call, *args: Any) -> None:
        """Call now, if the process lives and is not stopped; else when it goes on, or never."""
        if self.up and not self.stopped:
            call(*args)
        else:
            self._fire(call, args)

    def stop(self) -> None:
        """SIGSTOP."""
        self.stopped = True

    def go_on(self) -> None:
        """SIGCONT: what waited happens now, in its order."""
        self.stopped = False
        waiting, self._waiting = self._waiting, []
        for call, args in waiting:
            self._fire(call, args)

    def _fire(self, call: Call, args: tuple[Any, ...]) -> None:
        if self.up:
            if self.stopped:
                self._waiting.append((call, args))
            else:
                call(*args)


class Idle:
    """Awaited by a coroutine that has nothing to do until it is poked."""

    def __await__(self) -> Any:
        return (yield self)


class Delay:
    """Awaited by a coroutine that waits for the world, e.g. a disk, for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Any:
        return (yield self)


class Driven:
    """A coroutine of the product run by hand, without an event loop: real code in virtual time."""

    def __init__(self, process: Process, work: Coroutine[Any, Any, None], due_at: Callable[[], float]) -> None:
        self._process = process
        self._work = work
        self._due_at = due_at
        self._busy = False
        self._wake_at = -1.0

    def poke(self) -> None:
        """There may be something to do."""
        if not self._busy and self._process.up and not self._process.stopped:
            self._run()

    def close(self) -> None:
        """The process is dead."""
        self._busy = True
        self._work.close()

    def _run(self) -> None:
        self._busy = True
        go_on = self._work.send
        while (wants := go_on(None)) is None:
            pass
        if isinstance(wants, Delay):
            self._process.after(wants.seconds, self._run)
            return
        self._busy = False
        due_at, now = self._due_at(), self._process.clock.now
        if due_at != self._wake_at or self._wake_at <= now:
            self._wake_at = due_at
            if due_at < float("inf"):
                self._process.after((due_at - now if due_at > now else 0.0) + TINY_S, self._woken, due_at)

    def _woken(self, due_at: float) -> None:
        if due_at == self._wake_at:
            self._wake_at = -1.0
            self.poke()
