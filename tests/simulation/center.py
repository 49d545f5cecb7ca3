"""One life of the Center's process: the real writer, hub and core, run by hand in virtual time on a simulated store."""

import random
import traceback
from collections.abc import Callable, Sequence
from typing import Any, cast

from controlplane.controller.loop import ROUND_MAX, Controller, _Asked
from controlplane.core import center, detector
from controlplane.core.center import TICK_S, Outcome
from controlplane.core.cluster import KEYS, Changes, Cluster, Meta, Volatile
from controlplane.core.command import Command
from controlplane.core.fact import Fact, Tick
from controlplane.core.node import Node
from controlplane.core.record import Now, Record, Refused
from controlplane.link.hub import Hub
from controlplane.store.store import Store, StoreBroken
from tests.simulation.clock import WALL, Clock, Driven, Idle, Process
from tests.simulation.hub import Caller, Office
from tests.simulation.network import Connection
from tests.simulation.store import SimulatedStore

Reply = Callable[[Any], None]

LIMIT_S = 0.05
"""A tick that waits for a silence to reach a limit comes so much after it."""


class Answer:
    """Takes the place of the future a caller waits on. `gone`: the caller does not wait any more."""

    def __init__(self, process: Process, reply: Reply) -> None:
        self.gone = False
        self._process = process
        self._reply = reply

    def done(self) -> bool:
        """As of a future: answered or cancelled."""
        return self.gone

    def set_result(self, result: Any) -> None:
        """The command is durable."""
        self._tell(result)

    def set_exception(self, error: Refused) -> None:
        """It was refused."""
        self._tell(error)

    def cancel(self) -> None:
        """The caller went away."""
        self.gone = True

    def _tell(self, answer: Any) -> None:
        if not self.gone:
            self.gone = True
            self._process.after(0.0, self._reply, answer)


class CenterClock:
    """Its machine's clocks: monotonic time stands still while the machine is suspended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.suspended_s = 0.0
        self._at = -1.0
        self._suspended_at = 0.0
        self._reading = Now(0.0, 0.0)

    def now(self) -> Now:
        """See `SystemClock.now`. Asked for ten times at each instant, so the last answer is kept."""
        at = self._clock.now
        if at != self._at or self.suspended_s != self._suspended_at:
            self._at, self._suspended_at = at, self.suspended_s
            self._reading = Now(at - self.suspended_s, WALL + at)
        return self._reading

    def uptime_s(self) -> float:
        """See `SystemClock.uptime_s`."""
        return self._clock.now


class RuleFault(AssertionError):
    """A rule of the core raised something else than Refused."""


class Watching(Cluster):
    """The real cluster, telling what each commit changed."""

    watch: Callable[[Changes, list[Record | None]], None]

    def apply(self, changes: Changes) -> None:
        if not (changes.puts or changes.drops):
            super().apply(changes)
            return
        before = [_old(self, record) for record in (*changes.puts, *changes.drops)]
        super().apply(changes)
        self.watch(changes, before)


class Writer(Controller):
    """The real single writer, waiting for pokes instead of asyncio.

    With `idle_tick_s` above the product's 0.25 s its ticks come that late, as under load, unless something was decided
    or a silence reaches a limit before: then as punctual as the product's. Less than a pause (1 s) in any case.
    """

    idle_tick_s = TICK_S

    async def _round(self, waiting: Sequence[Fact | _Asked]) -> list[Outcome | Refused]:
        due_at, at = self._tick_at, self._clock.now().mono
        results = await super()._round(waiting)
        if self.idle_tick_s > TICK_S and self._tick_at == at + TICK_S < due_at:
            self._tick_at = due_at  # nothing asked for a tick but the habit
        return results

    async def tick(self) -> None:
        began, commits = self._clock.now().mono, self._commits
        await super().tick()
        if self._commits != commits or self._tick_at != began + TICK_S:
            return
        left_s = self.idle_tick_s
        for rope in cast(Hub, self._dispatcher)._ropes.values():
            silent_s = began - rope.heard_at
            limit_s = detector.SUSPECT_S if silent_s <= detector.SUSPECT_S else detector.OFFLINE_S
            if 0.0 <= limit_s - silent_s < left_s:
                left_s = limit_s - silent_s
        if left_s > TICK_S:
            self._tick_at = began + left_s + LIMIT_S

    def put(self, item: Any) -> None:
        """A fact, or a command with its answer."""
        self._inbox.put_nowait(item)

    def due_at(self) -> float:
        """When the next tick is due, in the Center's monotonic time."""
        return self._tick_at

    async def _waiting(self) -> list[Fact | _Asked]:
        while True:
            if self._tick_at <= self._clock.now().mono:
                return []
            found: list[Fact | _Asked] = []
            while len(found) < ROUND_MAX and not self._inbox.empty():
                found.append(self._inbox.get_nowait())
            if found:
                return found
            await Idle()

    def _fault(self, entry: Fact | Command | _Asked, error: Exception) -> Refused:
        event = entry.command if isinstance(entry, _Asked) else entry
        text = "".join(traceback.format_exception(error)[-4:])
        raise RuleFault(f"the rules failed at {type(event).__name__}: {text}") from error


class Center:
    """A started Center. `decided`: told of every decision before it is committed; `committed`: after it was applied."""

    def __init__(
        self,
        clock: Clock,
        clocks: CenterClock,
        store: SimulatedStore,
        chance: random.Random,
        decided: Callable[[Cluster, Fact | Command, Outcome], None],
        committed: Callable[[Changes, list[Record | None]], None],
        opened: Callable[[str], None],
        died: Callable[[], None],
        idle_tick_s: float,
    ) -> None:
        self.process = Process(clock)
        self.clocks = clocks
        self.started_at = clock.now
        self._store = store
        self._decided = decided
        self._died = died
        meta, records = store.load()
        nodes = {r.name: (r.state, r.held) for r in records if isinstance(r, Node)}
        watch = detector.first(clocks.now().mono, nodes)
        self.cluster = Watching(meta, Volatile(watch=watch), records)
        self.cluster.watch = committed
        self.hub = Hub(clocks.now)
        self.writer = Writer(self.cluster, cast(Store, store), self.hub, clocks, handle=self._handle)
        self.writer.idle_tick_s = idle_tick_s
        self._driven = Driven(self.process, self._run(), lambda: self.writer.due_at() + self.clocks.suspended_s)
        self._callers: list[Caller] = []
        self._office = Office(
            self.process,
            self.hub,
            lambda: self.cluster,
            self.tell,
            lambda command, reply: cast(None, self.ask(command, reply)),
            opened,
            lambda: f"{chance.getrandbits(64):064x}",
        )
        self._driven.poke()

    def tell(self, fact: Fact) -> None:
        """Hand over what happened."""
        self.writer.put(fact)
        self._driven.poke()

    def ask(self, command: Command, reply: Reply) -> Answer:
        """Ask for something; the answer comes when it is durable, or never when the process dies."""
        answer = Answer(self.process, reply)
        self.writer.put(_Asked(command, cast(Any, answer)))
        self._driven.poke()
        return answer

    def answer_call(self, connection: Connection) -> None:
        """Somebody connects."""
        caller = Caller(self._office, connection)
        connection.center, connection.caller = caller.end, caller
        self._callers = [c for c in self._callers if c.end.open]
        self._callers.append(caller)

    def kill(self, *, power: bool = False) -> None:
        """SIGKILL, or its machine lost power (then nobody is told)."""
        self.process.up = False
        for caller in self._callers:
            if power:
                caller.connection.vanish(caller.end)
            else:
                caller.connection.close(caller.end)
        self._driven.close()
        self._store.crash()

    def go_on(self) -> None:
        """SIGCONT."""
        self.process.go_on()
        self._driven.poke()

    async def _run(self) -> None:
        try:
            await self.writer.tick()
            await self.writer.run()
        except StoreBroken:
            self.process.clock.after(0.0, self._died)
            while True:
                await Idle()

    def _handle(self, cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
        outcome = center.handle(cluster, event, now)
        if not isinstance(event, Tick) or outcome.changes.puts or outcome.changes.drops or outcome.actions:
            self._decided(cluster, event, outcome)
        return outcome


def _old(cluster: Cluster, record: Record) -> Record | None:
    if isinstance(record, Meta):
        return cluster.meta
    found: Record | None = cluster.table(type(record)).get(KEYS[type(record)][1](record))
    return found
