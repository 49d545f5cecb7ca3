"""An open session: liveness, order, gaps, limits, its end. Real sockets, the real core, no containers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from controlplane.core.action import SendDelta, SendFull
from controlplane.core.cluster import Changes
from controlplane.core.command import Deploy, OpenSession
from controlplane.core.fact import Listed, Reported, SessionClosed, StopAsked, Synced
from controlplane.link import hub, outbox, ride
from protocol.codec import FRAME_MAX
from protocol.messages import (
    Beat,
    ComeBack,
    ConfirmStop,
    ContainerBeat,
    Desired,
    DesiredDelta,
    Goodbye,
    Heartbeat,
    Inventory,
    Observed,
    Pulse,
    Relist,
    Resync,
    StopConfirmed,
    Unsupported,
)
from protocol.spec import DesiredReplica, ProjectSpec, ServiceSpec
from tests.loopback.center import Agent, Running, report, running_center, until


@pytest.fixture
async def center(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_center(tmp_path / "data") as running:
        yield running


def beat(agent: Agent, seq: int = 1, **fields: object) -> Heartbeat:
    given: dict[str, object] = {"cpu_usage": 12.5, "mem_free_mb": 2048.0, "disk_free_gb": 25.0, "disk_total_gb": 100.0}
    return Heartbeat(agent_id=agent.agent_id, seq=seq, **{**given, **fields})  # type: ignore[arg-type]  # fields or facts by name, as the test wants


def replica(number: int, filler: int = 0) -> DesiredReplica:
    spec = ServiceSpec(name="web", image="web:1", environment={"FILLER": "x" * filler})
    return DesiredReplica(
        project="shop", service="web", replica=number, epoch=1, revision=1, image="web@sha256:00", spec=spec
    )


def state(center: Running, node: str = "node-1") -> str:
    return center.center.controller.cluster.nodes[node].state


def facts(center: Running, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the controller is told from now on."""
    told: list[object] = []
    tell = center.center.controller.tell

    async def spy(fact: object) -> None:
        told.append(fact)
        await tell(fact)  # type: ignore[arg-type]  # fields or facts by name, as the test wants

    monkeypatch.setattr(center.center.controller, "tell", spy)
    return told


async def test_a_heartbeat_is_answered_and_kept_but_never_reaches_the_controller(
    center: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        await until(lambda: state(center) == "online")
        told = facts(center, monkeypatch)
        commits = center.center.controller.status.commits
        containers = (ContainerBeat(project_code="shop", service="web", replica=1, epoch=2, status="running"),)
        for seq in (1, 2, 3):
            await rope.send(beat(agent, seq, engine_ok=False, containers=containers, ports=(80, 443)))
            assert await rope.expect(Beat) == Beat(seq=seq)
        figures = center.center.hub.figures("node-1")
        assert figures.heartbeat is not None and figures.heartbeat.seq == 3 and figures.connected
        assert figures.last_seen_s is not None and figures.last_seen_s < 1
        usage = center.center.hub.usage()["node-1"]
        assert (usage.engine_bad, usage.disk_free, usage.mem_free) == (3, 0.25, 2048 * 1024 * 1024)
        assert usage.seen == {("shop/web/1", 2)} and usage.ports == {80, 443}
        await rope.send(beat(agent, 4))
        await rope.expect(Beat)
        assert center.center.hub.usage()["node-1"].engine_bad == 0
        assert told == [] and center.center.controller.status.commits == commits


async def test_a_pulse_is_a_sign_of_life_and_nothing_more(center: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        await until(lambda: state(center) == "online")
        told = facts(center, monkeypatch)
        await asyncio.sleep(0.3)
        silent_s = center.center.hub.figures("node-1").last_seen_s
        assert silent_s is not None and silent_s > 0.25
        await rope.send(Pulse())
        await until(lambda: (center.center.hub.figures("node-1").last_seen_s or 0) < 0.2)
        await rope.send(beat(agent))
        assert isinstance(await rope.receive(), Beat) and told == [], "it needs no answer"


async def test_a_heartbeat_of_another_agent_ends_the_session(center: Running) -> None:
    agent, other = await center.node("node-1"), await center.node("node-2")
    async with agent.session() as rope:
        await rope.send(beat(other))
        assert (await rope.closed())[0] == 1008


async def test_the_newest_session_wins_and_the_late_close_of_the_old_one_changes_nothing(
    center: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await center.node("node-1")
    async with agent.session() as old:
        await until(lambda: state(center) == "online")
        told = facts(center, monkeypatch)
        async with agent.session() as new:
            assert (await old.closed())[0] == hub.SUPERSEDED
            await until(lambda: any(isinstance(f, SessionClosed) and f.session_epoch == old.epoch for f in told))
            await new.send(beat(agent))
            await new.expect(Beat)
            await asyncio.sleep(0.6)
            sighting = center.center.hub.sightings(center.center.clock.now().mono)["node-1"]
            assert sighting.connected and not sighting.aborted
            assert state(center) == "online"


async def test_a_broken_line_is_seen_at_once_and_a_goodbye_is_not_trouble(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        await until(lambda: state(center) == "online")
        await rope.send(Goodbye())
    await asyncio.sleep(0.6)
    assert state(center) == "online", "a restart of the agent is no trouble before it is silent"
    async with agent.session() as rope:
        rope.socket.transport.abort()
        await until(lambda: state(center) == "suspect")
    async with agent.session():
        await until(lambda: state(center) == "online")


async def test_reports_are_passed_on_and_a_gap_asks_for_the_inventory(
    center: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        await until(lambda: state(center) == "online")
        told = facts(center, monkeypatch)
        await rope.send(Observed(seq=1, containers=(report(1),)))
        await rope.send(Observed(seq=2, containers=(report(1, 2),)))
        await rope.send(Observed(seq=4, containers=(report(1, 4),)))
        await rope.expect(Relist)
        await rope.send(Observed(seq=5, containers=(report(1, 5),)))
        await rope.send(Inventory(containers=(report(1, 5),), last=False))
        await rope.send(Inventory(containers=(report(2),)))
        await until(lambda: any(isinstance(f, Listed) for f in told))
    reports = [f.containers[0].state_seq for f in told if isinstance(f, Reported)]
    assert reports == [1, 2, 4, 5], "what comes after a gap is still news"
    (listed,) = [f for f in told if isinstance(f, Listed)]
    assert [c.replica for c in listed.containers] == [1, 2] and listed.session_epoch == 1


async def test_resync_brings_the_full_state_under_the_next_number(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        assert rope.desired is not None and rope.desired.seq == 1
        center.center.hub.send_delta(SendDelta(node="node-1", incarnation=1, revision=1, replicas=(replica(1),)))
        assert (await rope.expect(DesiredDelta)).after == 1
        await rope.send(Resync(reason="the delta did not fit"))
        assert (await rope.expect(Desired)).seq == 3
        center.center.hub.send_delta(SendDelta(node="node-1", incarnation=1, revision=1))
        assert (await rope.expect(DesiredDelta)).after == 3


async def test_a_delta_longer_than_a_frame_becomes_the_full_state(
    center: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        told = facts(center, monkeypatch)
        many = tuple(replica(n, 10_000) for n in range(10))
        center.center.hub.send_delta(SendDelta(node="node-1", incarnation=1, revision=1, replicas=many))
        center.center.hub.send_delta(SendDelta(node="node-1", incarnation=1, revision=1, replicas=(replica(1),)))
        assert (await rope.expect(Desired)).seq == 2, "no delta goes out in between"
        assert [f.reason for f in told if isinstance(f, Synced)] == ["the change is longer than a frame"]


async def test_a_long_full_state_is_paged_and_complete(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        wanted = tuple(replica(n, 10_000) for n in range(30))
        full = SendFull(node="node-1", session_epoch=rope.epoch, incarnation=1, revision=9, replicas=wanted)
        center.center.hub.send_full(full)
        pages = [await rope.expect(Desired)]
        while not pages[-1].last:
            pages.append(await rope.expect(Desired))
    assert len(pages) > 4 and [p.page for p in pages] == list(range(len(pages)))
    assert {(p.seq, p.revision) for p in pages} == {(2, 9)}
    assert tuple(r for p in pages for r in p.replicas) == wanted


async def test_a_replica_no_frame_can_hold_is_left_out_rather_than_ending_every_session(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        wanted = (replica(1), replica(2, FRAME_MAX), replica(3))
        center.center.hub.send_full(
            SendFull(node="node-1", session_epoch=rope.epoch, incarnation=1, revision=9, replicas=wanted)
        )
        assert [r.replica for r in (await rope.expect(Desired)).replicas] == [1, 3]


async def test_what_is_meant_for_an_older_session_is_not_sent(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.session():
        pass
    async with agent.session() as rope:
        stale = SendFull(node="node-1", session_epoch=rope.epoch - 1, incarnation=1, revision=9, replicas=())
        center.center.hub.send_full(stale)
        await rope.send(beat(agent))
        await rope.expect(Beat)


async def test_a_second_question_before_a_mass_stop_is_answered(
    center: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        assert rope.desired is not None
        told = facts(center, monkeypatch)
        ask = ConfirmStop(incarnation=rope.desired.incarnation, revision=rope.desired.revision, stop=())
        await rope.send(ask)
        answer = await rope.expect(StopConfirmed)
        assert (answer.incarnation, answer.revision) == (ask.incarnation, ask.revision)
        assert told == [StopAsked(node="node-1", session_epoch=rope.epoch, ask=ask)]


async def test_an_unknown_message_is_answered_and_a_bad_one_ends_the_session(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        await rope.socket.send('{"type":"wonder","x":1}')
        assert await rope.expect(Unsupported) == Unsupported(tag="wonder")
        await rope.socket.send('{"type":"beat","seq":1}')
        assert await rope.expect(Unsupported) == Unsupported(tag="beat"), "the other direction's words are unknown, too"
        await rope.socket.send('{"type":"observed","seq":"one"}')
        assert (await rope.closed())[0] == 1002
    async with agent.session() as rope:
        await rope.send(agent.hello())
        assert (await rope.closed())[0] == 1002


async def test_a_frame_over_the_limit_ends_the_session(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        await rope.socket.send(" " * (FRAME_MAX + 1))
        assert (await rope.closed())[0] == 1009


async def test_a_flood_ends_the_session(center: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ride, "FRAMES_BURST", 20.0)
    agent = await center.node("node-1")
    async with agent.session() as rope:
        await asyncio.sleep(0.1)
        for seq in range(200):
            await rope.send(beat(agent, seq))
        assert (await rope.closed())[0] == 1008


async def test_an_agent_that_does_not_read_loses_its_session_and_holds_little(
    center: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        await until(lambda: state(center) == "online")
        rope.socket.transport.pause_reading()
        delta = SendDelta(node="node-1", incarnation=1, revision=1, replicas=(replica(1, 40_000),))
        sent = 0
        while center.center.hub.sessions():
            center.center.hub.send_delta(delta)
            sent += 1
            await asyncio.sleep(0)
            assert sent * 40_000 < 32 * 1024 * 1024, "the bound of the outbox does not hold"
        assert sent * 40_000 > outbox.CONTROL_BYTES
        await until(lambda: state(center) == "suspect" or not center.center.hub.sessions())
    async with agent.session():
        await until(lambda: state(center) == "online")


async def test_a_node_is_not_silent_while_the_center_does_not_listen(
    center: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await center.node("node-1")
    held = asyncio.Event()
    async with agent.session() as rope:
        tell = center.center.controller.tell

        async def slow(fact: object) -> None:
            await held.wait()
            await tell(fact)  # type: ignore[arg-type]  # fields or facts by name, as the test wants

        monkeypatch.setattr(center.center.controller, "tell", slow)
        await rope.send(Observed(seq=1))
        await asyncio.sleep(0.2)
        later = center.center.clock.now().mono + 100
        assert center.center.hub.sightings(later)["node-1"].silent_s == 0.0
        held.set()


async def test_agents_are_told_to_come_back_one_after_the_other(tmp_path: Path) -> None:
    async with running_center(tmp_path / "data") as center:
        agents = [await center.node(f"node-{n}") for n in range(3)]
        async with agents[0].session() as a, agents[1].session() as b, agents[2].session() as c:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(center.center.hub.dismiss())
                waits = [(await rope.expect(ComeBack)).after_s for rope in (a, b, c)]
            assert [(await rope.closed())[0] for rope in (a, b, c)] == [1012, 1012, 1012]
    assert len(set(waits)) == 3 and all(0.5 <= w <= 8 for w in waits)


async def test_an_old_center_is_told_what_it_must_know(center: Running) -> None:
    """An agent that has obeyed more than this Center knows is refused: its data are from an older backup."""
    agent = await center.node("node-1")
    async with agent.session() as rope:
        assert rope.desired is not None
        told = rope.desired.revision
    hello = agent.hello()
    agent.hello = lambda: msgspec.structs.replace(hello, incarnation=1, revision=told + 1000)  # type: ignore[method-assign]  # it claims to have seen more
    async with agent.socket() as rope:
        await agent.prove(rope)
        await rope.send(Inventory(containers=()))
        code, reason = await rope.closed()
        assert code == 1008 and "backup" in reason


async def test_images_that_no_revision_uses_are_named_and_their_end_is_written_down(center: Running) -> None:
    agent = await center.node("node-1")
    used, unused = (f"web@sha256:{digit * 64}" for digit in "ab")
    spec = ProjectSpec(code="shop", services={"web": ServiceSpec(name="web", image=used)})
    await center.center.controller.ask(Deploy(spec=spec))
    async with agent.session() as rope:
        await rope.send(beat(agent, 1, images=(used, unused)))
        assert await rope.expect(Beat) == Beat(seq=1, unused=(unused,))
        told: list[Changes] = []
        with center.center.controller.feed.subscribe() as feed:
            await rope.send(beat(agent, 2, images_removed=(unused,)))
            assert await rope.expect(Beat) == Beat(seq=2)
            async with asyncio.timeout(5):
                while not any(unused in e.text for changes in told for e in changes.events):
                    told.append(await feed.next() or Changes())
        (line,) = [e for changes in told for e in changes.events if e.kind == "node.image"]
        assert line.node == "node-1"


async def test_a_second_admission_does_not_jump_over_a_newer_one(center: Running) -> None:
    """Two sockets of one agent prove their key at the same time: the later epoch stays, whichever is faster."""
    agent = await center.node("node-1")
    async with agent.session() as rope:
        newer = await center.center.controller.ask(OpenSession(agent_id=agent.agent_id, hello=agent.hello()))
        assert newer.session_epoch == rope.epoch + 1
        async with agent.session() as newest:
            assert newest.epoch == rope.epoch + 2
            assert (await rope.closed())[0] == hub.SUPERSEDED


async def test_a_restart_of_the_center_keeps_nodes_and_epochs(tmp_path: Path) -> None:
    async with running_center(tmp_path / "data") as center:
        agent = await center.node("node-1")
        async with agent.session() as rope:
            await until(lambda: state(center) == "online")
            assert rope.epoch == 1 and rope.desired is not None
            revision = rope.desired.revision
    async with running_center(tmp_path / "data") as center:
        assert center.center.hub.figures("node-1").last_seen_s is None
        await until(lambda: state(center) == "unknown", "what is known of a node before the restart does not count")
        agent.url = center.session_url
        async with agent.session() as rope:
            assert rope.epoch == 2 and rope.desired is not None and rope.desired.revision >= revision
            await until(lambda: state(center) == "online")
