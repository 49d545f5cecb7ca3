"""The one writer: takes facts and commands in order; decides, commits, applies, answers, sends (DESIGN §2).

The only place that calls `center.handle` and `Cluster.apply`. It has no rules of its own. Run by `app.py` beside the
server; `link` and `web` talk to it through `ask` and `tell` and read `cluster`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from controlplane.controller.effects import Dispatcher, carry_out
from controlplane.controller.feed import Feed
from controlplane.core import center, rooms
from controlplane.core.action import CloseSession
from controlplane.core.center import TICK_S, Outcome
from controlplane.core.cluster import KEYS, Changes, Cluster, Meta
from controlplane.core.command import Command
from controlplane.core.fact import (
    Fact,
    ImagesRemoved,
    Listed,
    Reported,
    SessionClosed,
    StopAsked,
    Synced,
    TaskReported,
    Tick,
)
from controlplane.core.record import Now, Refused
from controlplane.store.store import Store, StoreBroken, StoreFull

INBOX_MAX = 4096
"""Facts and commands that wait. Policy: nothing is dropped; who brings one more waits for a place."""

ROUND_MAX = 64
"""Decisions that are committed together: what waited while the last commit ran."""

TICK_MIN_S = 0.02
"""However soon the core wants to be called again."""

PROBE_S = 5.0
"""How often a full store is tried again when nothing else tries it."""

PAUSE_S = 1.0
"""A gap between ticks that the failure detector must not miss, even when the tick could not be committed."""

_SAME_LOG_S = 60.0
"""A tick that fails again and again is logged so often."""

_log = logging.getLogger(__name__)


class Clock(Protocol):
    """Where time comes from: `controller.clock.SystemClock`, or a test."""

    def now(self) -> Now:
        """Monotonic and wall seconds."""

    def uptime_s(self) -> float:
        """Seconds that count while the machine sleeps, too."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the writer is, for `/readyz` and `/metrics`. Counters since the start of the process."""

    running: bool
    store_full: bool
    decisions: int
    commits: int
    faults: int
    """Events whose rules failed: a defect of ours, see the log."""
    waiting: int
    """Facts and commands in the inbox."""
    gap_s: float
    """Time between the last two ticks; 0.25 s when all is well."""


def _unmeasured(seconds: float) -> None:
    """Nobody wants to know."""


class _Asked(NamedTuple):
    command: Command
    reply: "asyncio.Future[Any]"


class Controller:
    """The cluster and the only hand that changes it."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        dispatcher: Dispatcher,
        clock: Clock,
        handle: Callable[[Cluster, Fact | Command, Now], Outcome] = center.handle,
        took: Callable[[float], object] = _unmeasured,
    ) -> None:
        """`took`: told how long each commit took, seconds."""
        self._cluster = cluster
        self._ahead = _copy(cluster)
        """The cluster with what was decided but is not durable yet; nobody else sees it."""
        rooms.warm(self._ahead, clock.now())
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._handle = handle
        self._took = took
        self._inbox: asyncio.Queue[Fact | _Asked] = asyncio.Queue(INBOX_MAX)
        self._ended = False
        self._tick_at = clock.now().mono + TICK_S
        self._ticked_at = clock.uptime_s()
        self._gap_s = TICK_S
        self._missed_pause_s = 0.0
        self._tick_fault_at = -_SAME_LOG_S
        self._full = False
        self._probe_at = 0.0
        self._unheard: set[str] = set()
        """Nodes with a fact that could not be committed: their sessions start anew when the store works again."""
        self._decisions = self._commits = self._faults = 0
        self.feed = Feed()

    @property
    def cluster(self) -> Cluster:
        """The tables, to read."""
        return self._cluster

    @property
    def status(self) -> Status:
        """See `Status`."""
        return Status(
            running=not self._ended,
            store_full=self._full,
            decisions=self._decisions,
            commits=self._commits,
            faults=self._faults,
            waiting=self._inbox.qsize(),
            gap_s=max(self._gap_s, self._clock.uptime_s() - self._ticked_at),
        )

    def faults(self) -> list[str]:
        """Why the Center cannot do its work now, in sentences; empty when it can."""
        status, found = self.status, []
        if not status.running:
            found.append("the Center is stopping")
        if status.store_full:
            found.append("the store takes no changes: its disk is full or its database is locked")
        if status.gap_s > 10 * PAUSE_S:
            found.append(f"no decision for {status.gap_s:.0f} s")
        return found

    async def ask(self, command: Command) -> Any:
        """Obey `command` and return its answer, after it is durable.

        Raises Refused: by the rules, or `full` when the store has no room, `internal` for a fault of ours,
        `unavailable` when the Center stops. A caller that is cancelled leaves the command in force.
        """
        if self._ended:
            raise _stopping()
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        await self._inbox.put(_Asked(command, reply))
        if self._ended and not reply.done():  # it got its place after the inbox was emptied for good
            raise _stopping()
        return await reply

    async def tell(self, fact: Fact) -> None:
        """Hand over what happened; waits for a place in the inbox, not for the decision."""
        if not self._ended:
            await self._inbox.put(fact)

    async def run(self) -> None:
        """Work until cancelled. Raises StoreBroken; no other error ends it."""
        try:
            while True:
                if self._tick_at <= self._clock.now().mono:
                    await self.tick()
                elif waiting := await self._waiting():
                    await self._round(waiting)
        finally:
            self._end()

    async def _waiting(self) -> list[Fact | _Asked]:
        """What is in the inbox, up to a round; waits for the first until a tick is due, then empty."""
        try:
            async with asyncio.timeout(self._tick_at - self._clock.now().mono):
                found = [await self._inbox.get()]
        except TimeoutError:
            return []
        while len(found) < ROUND_MAX and not self._inbox.empty():
            found.append(self._inbox.get_nowait())
        return found

    async def tick(self) -> None:
        """Let the core look at time and nodes: called by `run`, and once before it, when nothing is served yet."""
        now, uptime_s = self._clock.now(), self._clock.uptime_s()
        self._gap_s, self._ticked_at = uptime_s - self._ticked_at, uptime_s
        self._tick_at = now.mono + TICK_S
        gap_s = self._gap_s + self._missed_pause_s
        self._missed_pause_s = gap_s if gap_s > PAUSE_S else 0.0
        tick = Tick(
            sightings=self._dispatcher.sightings(now.mono),
            usage=self._dispatcher.usage(),
            gap_s=gap_s,
            restless=self._dispatcher.restless(now.mono),
        )
        (result,) = await self._round([tick])
        if isinstance(result, Refused):
            return
        self._missed_pause_s = 0.0
        if self._full and now.mono >= self._probe_at:
            self._probe_at = now.mono + PROBE_S
            await self._probe()

    async def _round(self, waiting: Sequence[Fact | _Asked]) -> list[Outcome | Refused]:
        """Decide each, commit all at once, apply, answer and send each: in this order. Raises StoreBroken.

        Each is decided on what those before it decided (`_ahead`); others see nothing of it before it is durable. When
        the commit fails, all of it is forgotten, and each is tried alone.
        """
        results: list[Outcome | Refused] = []
        stored: list[Changes] = []
        try:
            for entry in waiting:
                results.append(self._decide(entry.command if isinstance(entry, _Asked) else entry))
                await asyncio.sleep(0)  # a long round must not keep the sockets waiting
            stored = [r.changes for r in results if isinstance(r, Outcome) and r.changes.stored]
            if stored:
                began_s = self._clock.uptime_s()
                await self._store.commit(*stored)
                self._took(self._clock.uptime_s() - began_s)
                self._commits += 1
        except StoreBroken:
            _answer_all(waiting, _stopping())
            raise
        except Exception as error:  # noqa: BLE001 one that cannot be written must not take the Center from all nodes
            self._forget(results)
            if len(waiting) > 1:  # which ones can be written shows when each is tried alone
                return [result for entry in waiting for result in await self._round([entry])]
            stored, results = [], [self._unwritten(waiting[0], error)]
        except BaseException:
            _answer_all(waiting, _stopping())
            raise
        await self._carry_all_on(zip(waiting, results, strict=True))
        if stored:
            self._note_works()
        return results

    async def _carry_all_on(self, decided: Iterator[tuple[Fact | _Asked, Outcome | Refused]]) -> None:
        """One after another; the sockets get their chance between. When cancelled, the rest at once: it is durable."""
        try:
            for entry, result in decided:
                self._carry_on(entry, result)
                await asyncio.sleep(0)
        finally:
            for entry, result in decided:
                self._carry_on(entry, result)

    def _decide(self, event: Fact | Command) -> Outcome | Refused:
        """One decision, made on and added to `_ahead`. Refused: by the rules, or `internal` for a fault in them."""
        self._decisions += 1
        try:
            outcome = self._handle(self._ahead, event, self._clock.now())
        except Refused as error:
            return error if isinstance(event, Command) else self._fault(event, error)
        except Exception as error:  # noqa: BLE001 a defect in one rule must not, either; it changed nothing
            return self._fault(event, error)
        self._ahead.apply(outcome.changes)
        return outcome

    def _carry_on(self, entry: Fact | _Asked, result: Outcome | Refused) -> None:
        """Make a decision visible, now that it is durable; or say that there is none."""
        if isinstance(result, Outcome):
            self._cluster.apply(result.changes)
            if result.wake_at:
                soonest = self._clock.now().mono + TICK_MIN_S
                self._tick_at = min(self._tick_at, max(soonest, result.wake_at))
            self._faults += carry_out(result.actions, self._dispatcher)
            if result.changes.puts or result.changes.drops or result.changes.events:
                self.feed.publish(result.changes)
        if isinstance(entry, _Asked):
            _answer(entry.reply, result)
        elif isinstance(result, Refused):
            self._unlearned(entry, result)

    def _unlearned(self, fact: Fact, refused: Refused) -> None:
        """What a node told was not written down: it shall tell everything again, when that is of use."""
        session = _session(fact)
        if session is None:
            return
        if refused.code == "full":
            self._unheard.add(session.node)
        else:
            self._dispatcher.close_session(session)

    def _unwritten(self, entry: Fact | _Asked, error: Exception) -> Refused:
        """A decision that could not be committed: for want of room, or because it is wrong."""
        if not isinstance(error, StoreFull):
            return self._fault(entry.command if isinstance(entry, _Asked) else entry, error)
        self._note_full(error)
        return Refused("full", str(error))

    def _forget(self, results: Sequence[Outcome | Refused]) -> None:
        """What was decided and is not durable never was. Costs what was decided, not what there is: on a full disk this
        happens all the time.
        """
        for result in reversed(results):
            if isinstance(result, Outcome):
                self._ahead.take_back(result.changes, self._cluster)

    def _fault(self, event: Fact | Command, error: Exception) -> Refused:
        self._faults += 1
        mono = self._clock.now().mono
        if not isinstance(event, Tick):
            _log.error("the rules failed at %s", _name(event), exc_info=error)
        elif mono - self._tick_fault_at >= _SAME_LOG_S:
            self._tick_fault_at = mono
            _log.error("the rules failed at a tick; %d faults so far", self._faults, exc_info=error)
        return Refused("internal", "a fault in the Center; nothing was applied, see its log")

    async def _probe(self) -> None:
        """Try a full store again, with a row that is there already."""
        try:
            await self._store.commit(Changes(puts=[self._cluster.meta]))
        except StoreFull:
            return
        self._note_works()

    def _note_full(self, error: StoreFull) -> None:
        if not self._full:
            _log.error("%s", error)
            self._probe_at = self._clock.now().mono + PROBE_S
        self._full = True

    def _note_works(self) -> None:
        if not self._full:
            return
        _log.warning("the store takes changes again")
        self._full = False
        for node in sorted(self._unheard):
            epoch = self._cluster.nodes[node].session_epoch if node in self._cluster.nodes else 0
            self._dispatcher.close_session(CloseSession(node=node, session_epoch=epoch, reason="resync: disk was full"))
        self._unheard.clear()

    def _end(self) -> None:
        self._ended = True
        while not self._inbox.empty():
            _answer_all([self._inbox.get_nowait()], _stopping())


def _stopping() -> Refused:
    return Refused("unavailable", "the Center is stopping; try again in a few seconds")


def _answer_all(entries: Sequence[Fact | _Asked], refused: Refused) -> None:
    for entry in entries:
        if isinstance(entry, _Asked):
            _answer(entry.reply, refused)


def _answer(reply: "asyncio.Future[Any]", result: Outcome | Refused) -> None:
    if reply.done():  # the caller is gone; what it asked for is done all the same
        return
    if isinstance(result, Refused):
        reply.set_exception(result)
    else:
        reply.set_result(result.reply)


def _copy(cluster: Cluster) -> Cluster:
    """Tables of its own with the same records."""
    records = (record for kind in KEYS if kind is not Meta for record in cluster.table(kind).values())
    return Cluster(cluster.meta, cluster.volatile, records)


def _name(event: Fact | Command) -> str:
    """For the log: a fact in full, a command without its content, which may hold secrets of users."""
    if isinstance(event, Fact):
        return repr(event)[:2000]
    about = (f"{key}={getattr(event, key)!r}" for key in ("node", "project", "agent_id", "name") if hasattr(event, key))
    return f"{type(event).__name__}({', '.join(about)})"


def _session(fact: Fact) -> CloseSession | None:
    """How to end the session a fact came from."""
    match fact:
        case Reported() | Listed() | TaskReported() | StopAsked() | ImagesRemoved() | Synced() | SessionClosed():
            return CloseSession(node=fact.node, session_epoch=fact.session_epoch, reason="resync")
        case Tick():
            return None
        case _:
            raise AssertionError(f"{type(fact).__name__} is not a fact the loop knows")
