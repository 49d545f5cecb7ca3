"""The one writer: commit before memory before sending; errors sorted; liveness on time. Rules and store are fakes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from controlplane.controller import loop
from controlplane.controller.loop import Controller
from controlplane.core.action import CloseSession
from controlplane.core.center import TICK_S, Outcome
from controlplane.core.cluster import Changes, Cluster, Meta
from controlplane.core.command import Command, DrainNode, ResumeNode
from controlplane.core.fact import Fact, Reported, SessionClosed, Tick
from controlplane.core.journal import Event
from controlplane.core.node import Node
from controlplane.core.record import Now, Refused
from controlplane.store.store import StoreBroken, StoreFull
from tests.unit.controlplane.controller.fakes import FakeClock, FakeRopes, FakeStore, cluster

NODE = Node(name="node-1", agent_id="a", public_key="", address="10.0.0.1", registered_at=1.0, session_epoch=3)
CLOSE = CloseSession(node="node-1", session_epoch=3, reason="because")
DRAIN = DrainNode(node="node-1")
REPORT = Reported(node="node-1", session_epoch=3)

Rule = Callable[[Cluster, Fact | Command, Now], Outcome]


def nothing(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
    return Outcome(changes=Changes())


def counting(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
    """Each command and fact but a tick raises the revision and sends something; the answer is the new revision."""
    if isinstance(event, Tick):
        return Outcome(changes=Changes())
    number = cluster.meta.revision + 1
    event_ = Event(seq=number, at=now.wall, kind="test", text="…", cause=number)
    changes = Changes(puts=[Meta(cluster="c1", revision=number)], events=[event_])
    return Outcome(changes=changes, actions=(CLOSE,), reply=number)


class Bench:
    def __init__(self, rule: Rule) -> None:
        self.log: list[Any] = []
        self.store, self.clock = FakeStore(self.log), FakeClock()
        self.cluster = cluster(NODE)
        self.ropes = FakeRopes(self.log, look=lambda: self.cluster.meta.revision)
        self.controller = Controller(self.cluster, self.store, self.ropes, self.clock, rule)

    async def turn(self, count: int = 20) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def tick(self, after_s: float = TICK_S) -> None:
        """Let time pass and wake the loop."""
        self.clock.mono += after_s
        await self.controller.tell(SessionClosed(node="nobody", session_epoch=0, clean=True))
        await self.turn()


@asynccontextmanager
async def running(rule: Rule) -> AsyncIterator[Bench]:
    bench = Bench(rule)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(bench.controller.run())
        await bench.turn()
        try:
            yield bench
        finally:
            task.cancel()


async def test_a_command_is_committed_then_applied_then_sent_and_answered() -> None:
    async with running(counting) as bench:
        bench.store.gate = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            answer = tasks.create_task(bench.controller.ask(DRAIN))
            await bench.turn()
            assert bench.cluster.meta.revision == 0 and bench.log == [] and not answer.done()
            bench.store.gate.set()
        assert answer.result() == 1
        (committed, changes), sent = bench.log
        assert committed == "commit" and changes.puts == [Meta(cluster="c1", revision=1)]
        assert sent == (CLOSE, 1), "memory was changed before anything was sent"


async def test_events_are_taken_one_by_one_in_order() -> None:
    async with running(counting) as bench:
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(bench.controller.ask(DRAIN)) for _ in range(50)]
        assert [a.result() for a in answers] == list(range(1, 51))


async def test_what_waits_during_a_commit_is_committed_together() -> None:
    async with running(counting) as bench:
        bench.store.gate = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(bench.controller.ask(DRAIN))]
            await bench.turn()
            answers += [tasks.create_task(bench.controller.ask(DRAIN)) for _ in range(10)]
            await bench.turn()
            assert bench.cluster.meta.revision == 0, "nobody sees what is not durable"
            bench.store.gate.set()
        assert [a.result() for a in answers] == list(range(1, 12))
        commits = [entry[1:] for entry in bench.log if entry[0] == "commit"]
        assert [len(changes) for changes in commits] == [1, 10]
        assert [c.puts[0].revision for changes in commits for c in changes] == list(range(1, 12)), "in order"


async def test_a_full_store_forgets_the_whole_round() -> None:
    async with running(counting) as bench:
        bench.store.gate, bench.store.error = asyncio.Event(), StoreFull("the disk is full")
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(outcome(bench.controller.ask(DRAIN))) for _ in range(5)]
            await bench.turn()
            bench.store.gate.set()
        assert [a.result() for a in answers] == ["full"] * 5
        bench.store.error = None
        assert await bench.controller.ask(DRAIN) == 1, "what was not durable never was"


async def test_what_writes_nothing_is_answered_although_the_store_is_full() -> None:
    def rule(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
        if isinstance(event, ResumeNode):
            return Outcome(changes=Changes(), reply=cluster.meta.revision)
        return counting(cluster, event, now)

    async with running(rule) as bench:
        bench.store.error = StoreFull("the disk is full")
        async with asyncio.TaskGroup() as tasks:
            change = tasks.create_task(outcome(bench.controller.ask(DRAIN)))
            look = tasks.create_task(bench.controller.ask(ResumeNode(node="node-1")))
        assert change.result() == "full"
        assert look.result() == 0, "it does not see what was forgotten"


async def test_one_change_that_cannot_be_written_fails_alone() -> None:
    class Picky(FakeStore):
        async def commit(self, *changes: Changes) -> None:
            if any(isinstance(r, Node) for one in changes for r in one.puts):
                raise ValueError("no such column")
            await super().commit(*changes)

    def rule(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
        if isinstance(event, ResumeNode):
            return Outcome(changes=Changes(puts=[NODE]))
        return counting(cluster, event, now)

    async with running(rule) as bench:
        bench.controller._store = Picky(bench.log)
        async with asyncio.TaskGroup() as tasks:
            good = [tasks.create_task(outcome(bench.controller.ask(DRAIN))) for _ in range(2)]
            bad = tasks.create_task(outcome(bench.controller.ask(ResumeNode(node="node-1"))))
            good.append(tasks.create_task(outcome(bench.controller.ask(DRAIN))))
        assert [g.result() for g in good] == ["done"] * 3 and bad.result() == "internal"
        assert bench.cluster.meta.revision == 3


async def test_a_decision_without_stored_changes_writes_nothing_but_is_applied() -> None:
    async with running(nothing) as bench:
        await bench.controller.ask(DRAIN)
        assert bench.log == [] and bench.controller.status.commits == 0


async def test_subscribers_see_a_commit_when_memory_has_it() -> None:
    async with running(counting) as bench:
        with bench.controller.feed.subscribe() as subscription:
            await bench.controller.ask(DRAIN)
            changes = await subscription.next()
            assert changes is not None and changes.events[0].seq == 1 == bench.cluster.meta.revision


async def test_a_refusal_is_the_answer_and_changes_nothing() -> None:
    def refuse(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
        if isinstance(event, DrainNode):
            raise Refused("conflict", "no", "node")
        return counting(cluster, event, now)

    async with running(refuse) as bench:
        with pytest.raises(Refused) as caught:
            await bench.controller.ask(DRAIN)
        assert (caught.value.code, caught.value.field) == ("conflict", "node")
        assert bench.log == [] and bench.controller.status.faults == 0
        assert await bench.controller.ask(ResumeNode(node="node-1")) == 1


async def test_a_stop_in_the_middle_of_a_round_leaves_nothing_that_is_durable_untold() -> None:
    bench = Bench(counting)
    bench.store.gate = asyncio.Event()
    run = asyncio.create_task(bench.controller.run())
    answers = [asyncio.create_task(bench.controller.ask(DRAIN)) for _ in range(10)]
    await bench.turn(40)
    bench.store.gate.set()
    await answers[0]
    assert not answers[9].done(), "they are told one after another"
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    assert [await answer for answer in answers] == list(range(1, 11)) and bench.cluster.meta.revision == 10


async def test_a_cancelled_caller_leaves_the_command_in_force() -> None:
    async with running(counting) as bench:
        bench.store.gate = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(bench.controller.ask(DRAIN))
            await bench.turn()
            task.cancel()
            await bench.turn()
            bench.store.gate.set()
        await bench.turn()
        assert bench.cluster.meta.revision == 1


def failing(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
    if isinstance(event, ResumeNode):
        return Outcome(changes=Changes(), reply="fine")
    raise AssertionError("a rule is wrong")


async def test_a_fault_in_a_rule_fails_the_command_only_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with running(failing) as bench:
        with pytest.raises(Refused) as caught:
            await bench.controller.ask(DRAIN)
        assert caught.value.code == "internal" and "a rule is wrong" not in caught.value.message
        assert await bench.controller.ask(ResumeNode(node="node-1")) == "fine"
        assert bench.controller.status.faults == 1
    assert "the rules failed at DrainNode(node='node-1')" in caplog.text and "a rule is wrong" in caplog.text


async def test_a_fault_at_a_fact_makes_the_node_start_anew(caplog: pytest.LogCaptureFixture) -> None:
    async with running(failing) as bench:
        await bench.controller.tell(REPORT)
        await bench.turn()
        assert bench.log == [(CloseSession(node="node-1", session_epoch=3, reason="resync"), 0)]
    assert "Reported(node='node-1'" in caplog.text


async def test_faults_at_ticks_are_counted_all_and_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async with running(failing) as bench:
        for _ in range(5):
            await bench.tick()
        assert bench.controller.status.faults >= 5
    assert caplog.text.count("the rules failed at a tick") == 1


async def test_trouble_with_one_rope_is_not_the_writers() -> None:
    async with running(counting) as bench:
        bench.ropes.error = OSError("gone")
        assert await bench.controller.ask(DRAIN) == 1
        assert bench.controller.status.faults == 1


async def test_a_full_store_refuses_changes_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with running(counting) as bench:
        bench.store.error = StoreFull("the disk is full")
        for _ in range(2):
            with pytest.raises(Refused) as caught:
                await bench.controller.ask(DRAIN)
            assert caught.value.code == "full"
        await bench.controller.tell(REPORT)
        await bench.turn()
        assert bench.cluster.meta.revision == 0 and bench.log == [], "nothing is applied or sent"
        assert bench.controller.faults() and bench.controller.status.store_full
        bench.store.error = None
        assert await bench.controller.ask(DRAIN) == 1
        await bench.turn()
        assert bench.controller.faults() == [] and not bench.controller.status.store_full
        resync = CloseSession(node="node-1", session_epoch=3, reason="resync: disk was full")
        assert (resync, 1) in bench.log, "what the node told meanwhile is asked for again"
    assert caplog.text.count("the disk is full") == 1 and caplog.text.count("takes changes again") == 1


async def test_a_full_store_is_tried_again_when_nothing_else_tries_it() -> None:
    async with running(counting) as bench:
        bench.store.error = StoreFull("the disk is full")
        with suppress(Refused):
            await bench.controller.ask(DRAIN)
        bench.clock.mono += loop.PROBE_S
        await bench.turn()
        assert bench.controller.status.store_full
        bench.store.error = None
        bench.clock.mono += loop.PROBE_S + TICK_S
        async with asyncio.timeout(2):
            while bench.controller.status.store_full:  # noqa: ASYNC110 the loop wakes by its own timer
                await asyncio.sleep(0.05)
        assert bench.cluster.meta.revision == 0 and ("commit", Changes(puts=[bench.cluster.meta])) in bench.log


async def test_a_broken_store_ends_the_loop_and_who_waits_is_told() -> None:
    bench = Bench(counting)
    bench.store.error = StoreBroken("fsync failed")
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(outcome(bench.controller.ask(DRAIN))) for _ in range(3)]
        await bench.turn()
        with pytest.raises(StoreBroken):
            await bench.controller.run()
    assert [w.result() for w in waiting] == ["unavailable"] * 3
    assert await outcome(bench.controller.ask(DRAIN)) == "unavailable"
    await bench.controller.tell(REPORT)
    assert bench.controller.faults() == ["the Center is stopping"]


async def outcome(asked: Any) -> str:
    try:
        await asked
    except Refused as refused:
        return refused.code
    return "done"


async def test_a_full_inbox_makes_callers_wait_and_drops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "INBOX_MAX", 2)
    monkeypatch.setattr(loop, "ROUND_MAX", 1)
    async with running(counting) as bench:
        bench.store.gate = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            told = [tasks.create_task(bench.controller.tell(REPORT)) for _ in range(10)]
            await bench.turn()
            assert sum(t.done() for t in told) == 3, "one is being decided, two wait"
            bench.store.gate.set()
        await bench.turn(100)
        assert bench.cluster.meta.revision == 10


def ticks_into(seen: list[Tick]) -> Rule:
    def rule(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
        if isinstance(event, Tick):
            seen.append(event)
        return Outcome(changes=Changes())

    return rule


async def test_ticks_bring_what_the_link_knows_and_the_gap_with_sleep_in_it() -> None:
    seen: list[Tick] = []
    async with running(ticks_into(seen)) as bench:
        await bench.tick(0.25)
        bench.clock.asleep_s = 40.0
        await bench.tick(0.25)
    assert [round(t.gap_s, 3) for t in seen] == [0.25, 40.25]
    assert seen[0].sightings["node-1"].connected and seen[0].usage["node-1"].cpu_usage == 5.0


async def test_ticks_go_before_a_full_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "ROUND_MAX", 4)
    seen: list[type] = []

    def rule(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
        seen.append(type(event))
        return Outcome(changes=Changes())

    async with running(rule) as bench:
        bench.clock.mono += 1.0
        for _ in range(100):
            await bench.controller.tell(REPORT)
        await bench.turn(50)
        assert seen.index(Tick) <= 4, "at most the round that began before goes first"


async def test_a_pause_is_not_lost_when_its_tick_could_not_be_committed() -> None:
    seen: list[float] = []

    def rule(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
        if isinstance(event, Tick):
            seen.append(round(event.gap_s, 2))
            return Outcome(changes=Changes(puts=[Meta(cluster="c1")]))
        return Outcome(changes=Changes())

    async with running(rule) as bench:
        bench.store.error = StoreFull("the disk is full")
        bench.clock.asleep_s = 20.0
        await bench.tick()
        bench.store.error = None
        await bench.tick()
        await bench.tick()
    assert seen == [20.25, 20.5, 0.25]


async def test_the_core_is_called_again_when_it_wants() -> None:
    seen: list[float] = []

    def rule(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
        if isinstance(event, Tick):
            seen.append(now.mono)
        return Outcome(changes=Changes(), wake_at=now.mono + 0.1 if isinstance(event, DrainNode) else 0.0)

    async with running(rule) as bench:
        start = bench.clock.mono
        await bench.controller.ask(DRAIN)
        await bench.tick(0.11)
        assert seen == [start + 0.11]
