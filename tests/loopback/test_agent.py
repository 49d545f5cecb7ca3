"""The agent as a whole against a tiny Center over real sockets, with a fake Docker Engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from nodeagent.app import Agent
from nodeagent.meters import Meters
from nodeagent.register import JoinRefused
from nodeagent.settings import Settings
from protocol.messages import (
    ConfirmStop,
    ContainerRef,
    Goodbye,
    Heartbeat,
    Hello,
    Inventory,
    Observed,
    Pulse,
    Removed,
    Resync,
    StopConfirmed,
    TaskOrder,
)
from protocol.spec import DesiredReplica, ServiceSpec
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine
from tests.loopback.tiny_center import TinyCenter, tiny_center


@pytest.fixture
async def center() -> AsyncIterator[TinyCenter]:
    async with tiny_center() as center:
        yield center


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def settings(center: TinyCenter, folder: Path, *, join: bool = True) -> Settings:
    token = center.token if join else None
    return Settings(data=folder, center=center.url, join=token, name="node-1", docker="tcp://fake")


@asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[Agent]:
    """The agent while it lives; ended like by SIGKILL: without a word."""
    async with asyncio.TaskGroup() as group:
        life = group.create_task(agent.live())
        yield agent
        life.cancel()


def an_agent(center: TinyCenter, folder: Path, engine: FakeEngine, *, join: bool = True) -> Agent:
    folder.mkdir(exist_ok=True)
    return Agent(
        settings(center, folder, join=join), lambda cluster, node: FakeDocker(engine, cluster=cluster, node=node)
    )


def want(engine: FakeEngine, replica: int = 1, epoch: int = 1, image: str = "") -> DesiredReplica:
    pinned = image or engine.add_image("web:1")
    spec = ServiceSpec(name="web", image="web:1", networks={"default": ()})
    return DesiredReplica(
        project="shop", service="web", replica=replica, epoch=epoch, revision=1, image=pinned, spec=spec
    )


def ref(replica: int = 1, epoch: int = 1) -> ContainerRef:
    return ContainerRef(project="shop", service="web", replica=replica, epoch=epoch)


def state(center: TinyCenter, at: ContainerRef) -> str:
    return center.reports[at].state if at in center.reports else ""


async def test_joins_and_runs_what_is_desired(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    center.busy_answers = 1
    center.desired = (want(engine, 1), want(engine, 2))
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: state(center, ref(1)) == state(center, ref(2)) == "running")
        await center.until(lambda: (beat := center.last(Heartbeat)) and len(beat.containers) == 2)
    beat = center.last(Heartbeat)
    assert beat is not None and beat.revision == 1 and beat.engine_ok and beat.mem_total_mb > 0
    assert len(center.registrations) == 2
    assert center.registrations[0].public_key == center.registrations[1].public_key


async def test_comes_back_with_its_identity_and_leaves_containers_alone(
    center: TinyCenter, engine: FakeEngine, tmp_path: Path
) -> None:
    center.desired = (want(engine),)
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: state(center, ref()) == "running")
    calls = len(engine.calls)
    center.seen.clear()
    async with running(an_agent(center, tmp_path, engine, join=False)):
        await center.until(lambda: center.last(Heartbeat))
        inventory = center.last(Inventory)
    assert inventory is not None and [report.state for report in inventory.containers] == ["running"]
    assert not {"create", "start", "stop", "restart", "remove"} & set(engine.calls[calls:])
    assert len(center.registrations) == 1


async def test_reconnects_when_the_session_breaks(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    center.desired = (want(engine),)
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: state(center, ref()) == "running")
        center.hang_up()
        await center.until(lambda: center.sessions == 2)
        await center.change(want(engine, 2))
        await center.until(lambda: state(center, ref(2)) == "running")


async def test_a_gap_asks_for_everything_and_applies_nothing(
    center: TinyCenter, engine: FakeEngine, tmp_path: Path
) -> None:
    center.desired = (want(engine),)
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: state(center, ref()) == "running")
        center.seq += 5
        await center.change(drop=(ref(),))
        await center.until(lambda: center.last(Resync))
        assert len(engine.held) == 1
        center.desired = ()
        await center.tell_all()
        await center.until(lambda: not center.reports)
    assert engine.held == {}


async def test_many_stops_are_asked_for_twice(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    center.desired = tuple(want(engine, replica) for replica in (1, 2, 3))
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: [state(center, ref(n)) for n in (1, 2, 3)] == ["running"] * 3)
        center.desired = ()
        center.revision = 7
        await center.tell_all()
        await center.until(lambda: center.last(ConfirmStop))
        question = center.last(ConfirmStop)
        assert question is not None and set(question.stop) == {ref(1), ref(2), ref(3)}
        assert len([h for h in engine.held.values() if h.container.status == "running"]) == 3
        await center.send(StopConfirmed(incarnation=1, revision=7))
        await center.until(lambda: not center.reports)
    assert engine.held == {}


async def test_tasks_pin_pull_and_restart(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    pinned = engine.publish("registry.example/web:2")
    center.desired = (want(engine),)
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: state(center, ref()) == "running")
        await center.send(TaskOrder(task="t1", kind="resolve", image="registry.example/web:2"))
        await center.send(TaskOrder(task="t2", kind="pull", image=pinned))
        await center.send(TaskOrder(task="t3", kind="restart", target=ref()))
        await center.until(
            lambda: all(center.task(t) and center.task(t)[-1].state == "done" for t in ("t1", "t2", "t3"))
        )
        assert center.task("t1")[-1].result == pinned
        assert pinned in engine.images and engine.calls.count("restart") == 1
        await center.send(TaskOrder(task="t3", kind="restart", target=ref()))
        await center.until(lambda: [u.state for u in center.task("t3")][-2:] == ["done", "done"])
    assert engine.calls.count("restart") == 1


async def test_on_a_short_disk_what_it_pulled_and_nobody_needs_goes(
    center: TinyCenter, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [0.5]
    monkeypatch.setattr(Meters, "free_share", property(lambda meters: free[0]))
    needed, unused, stranger = engine.publish("r.test/a:1"), engine.publish("r.test/b:1"), engine.add_image("mine:1")
    center.unused = {unused, stranger}
    center.desired = (want(engine),)
    config = msgspec.structs.replace(settings(center, tmp_path), docker="unix:///fake")
    agent = Agent(config, lambda cluster, node: FakeDocker(engine, cluster=cluster, node=node))
    async with running(agent):
        await center.until(lambda: state(center, ref()) == "running")
        for task, image in (("t1", needed), ("t2", unused)):
            await center.send(TaskOrder(task=task, kind="pull", image=image))
        await center.until(lambda: all(center.task(t) and center.task(t)[-1].state == "done" for t in ("t1", "t2")))
        assert "remove_image" not in engine.calls
        free[0] = 0.1
        await center.until(lambda: [m for m in center.seen if isinstance(m, Heartbeat) and m.images])
        async with asyncio.timeout(10):
            while "remove_image" not in engine.calls:  # noqa: ASYNC110 a knob of the fake, not an event
                await asyncio.sleep(0.02)
    assert unused not in engine.images and needed in engine.images and stranger in engine.images
    assert engine.calls.count("remove_image") == 1
    assert [held.container.status for held in engine.held.values()] == ["running"]


async def test_a_container_removed_by_hand_comes_back(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    center.desired = (want(engine),)
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: state(center, ref()) == "running")
        first = center.reports[ref()].container_id
        await FakeDocker(engine, cluster="c0ffee").remove(first)
        await center.until(lambda: state(center, ref()) == "running" and center.reports[ref()].container_id != first)


async def test_goodbye_closes_and_leaves_containers(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    center.desired = (want(engine),)
    async with running(an_agent(center, tmp_path, engine)) as agent:
        await center.until(lambda: state(center, ref()) == "running")
        await agent.leave()
        await center.until(lambda: center.close_codes)
    assert isinstance(center.seen[-1], Goodbye)
    assert center.close_codes == [1001]
    assert [held.container.status for held in engine.held.values()] == ["running"]


async def test_a_removed_node_stops_what_lives_elsewhere(
    center: TinyCenter, engine: FakeEngine, tmp_path: Path
) -> None:
    center.desired = (want(engine, 1), want(engine, 2))
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: state(center, ref(1)) == state(center, ref(2)) == "running")
        center.removed = Removed(stop=(ref(1),))
        center.hang_up()
        async with asyncio.timeout(10):
            while len(engine.held) > 1:  # noqa: ASYNC110  a removed node has no session that could tell
                await asyncio.sleep(0.02)
    kept = [held.container for held in engine.held.values()]
    assert [container.ref for container in kept] == [ref(2)] and kept[0].status == "running"


async def test_a_refused_token_ends_it(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    center.refuse_joins = True
    with pytest.raises(JoinRefused, match="used already"):
        await an_agent(center, tmp_path, engine).live()


async def test_a_center_with_another_key_is_not_joined(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    center.lie = True
    with pytest.raises(JoinRefused, match="identity key"):
        await an_agent(center, tmp_path, engine).live()


async def test_a_center_with_another_key_learns_nothing(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: center.last(Heartbeat))
        center.lie = True
        told = len(center.seen)
        center.hang_up()
        await center.until(lambda: len(center.seen) >= told + 3)
    assert {type(message) for message in center.seen[told:]} <= {Hello, Heartbeat, Pulse, Observed}
    assert isinstance(center.seen[-1], Hello) and isinstance(center.seen[-2], Hello)


async def test_engine_away_is_told_and_then_healed(center: TinyCenter, engine: FakeEngine, tmp_path: Path) -> None:
    center.desired = (want(engine),)
    async with running(an_agent(center, tmp_path, engine)):
        await center.until(lambda: state(center, ref()) == "running")
        engine.reboot()
        await center.until(lambda: state(center, ref()) == "running" and center.reports[ref()].restarts == 1)
