"""Steps on the fake engine: each ends in one event."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from msgspec.structs import replace

from nodeagent import executor
from nodeagent.core.container import FaultKind, PullProgress
from nodeagent.core.events import Event, PullMoved, StepDone, StepFailed
from nodeagent.core.replica import next_step
from nodeagent.core.steps import Create, Pull, Remove, Replace, Resolve, Restart, Start, Step, Stop
from nodeagent.executor import Executor
from protocol.spec import DesiredReplica, Mount, PortLease
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine
from tests.unit.nodeagent.core.made import IMAGE, a_ref, a_want, an_item


class Bench:
    """An executor with the fake engine and what it posted."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.engine.images[IMAGE] = IMAGE.partition("@")[2]
        self.docker = FakeDocker(self.engine)
        self.posted: list[Event] = []
        self.taken: PortLease | None = None

    async def post(self, event: Event) -> None:
        self.posted.append(event)

    async def do(self, *steps: Step) -> Event:
        """Carry steps out side by side; answers the last event."""
        async with asyncio.TaskGroup() as group:
            made = Executor(
                self.docker, group, self.post, port_test=lambda _: self.taken, routes=lambda: ("10.213.0.0/26",)
            )
            for step in steps:
                made.begin(step)
        return self.posted[-1]

    async def made(self, want: DesiredReplica) -> str:
        """A created container's id."""
        done = await self.do(Create(ref=a_ref(), want=want))
        assert isinstance(done, StepDone) and done.container is not None
        return done.container.id


async def test_the_life_of_a_container() -> None:
    bench, want = Bench(), a_want(port=20_001)
    container_id = await bench.made(want)
    assert bench.engine.networks["rope-shop-default"].subnet == "10.213.0.64/26"
    for step, status in (
        (Start(ref=a_ref(), container_id=container_id, want=want), "running"),
        (Restart(ref=a_ref(), container_id=container_id, grace_s=1), "running"),
        (Stop(ref=a_ref(), container_id=container_id, grace_s=1), "exited"),
    ):
        done = await bench.do(step)
        assert isinstance(done, StepDone) and done.looked
        assert done.container is not None and done.container.status == status
    gone = await bench.do(Remove(ref=a_ref(), container_id=container_id))
    assert isinstance(gone, StepDone) and gone.looked and gone.container is None
    assert bench.engine.networks == {}


async def test_named_volumes_are_made_before() -> None:
    bench, want = Bench(), a_want()
    mounts = (Mount(kind="volume", source="data", target="/d"), Mount(kind="volume", target="/anon"))
    await bench.made(replace(want, spec=replace(want.spec, mounts=mounts)))
    assert list(bench.engine.volumes) == ["shop_data"]


async def test_a_taken_port_is_found_before_docker_is_asked() -> None:
    bench, want = Bench(), a_want(port=20_001)
    container_id = await bench.made(want)
    bench.taken = want.ports[0]
    for step in (Create(ref=a_ref(), want=want), Start(ref=a_ref(), container_id=container_id, want=want)):
        failed = await bench.do(step)
        assert isinstance(failed, StepFailed) and failed.kind == "port_taken" and "20001" in failed.text
    assert "start" not in bench.engine.calls


async def test_a_replica_is_made_while_a_stale_copy_still_holds_its_port() -> None:
    bench, want = Bench(), a_want(port=20_001)
    bench.taken = want.ports[0]
    made = next_step(an_item(want), 0.0, blocked=True)
    assert isinstance(made, Create)
    assert isinstance(await bench.do(made), StepDone), "else the Center would be asked for another port"


async def test_a_pull_that_trickles_does_not_keep_its_place_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def trickle(_: str) -> AsyncGenerator[PullProgress, None]:
        while True:
            await asyncio.sleep(0.001)
            yield PullProgress(done=1, total=10**12)

    bench = Bench()
    monkeypatch.setattr(executor, "PULL_MAX_S", 0.02)
    monkeypatch.setattr(bench.docker, "pull", trickle)
    async with asyncio.timeout(5):
        failed = await bench.do(Pull(image="r.example/big@sha256:" + "b" * 64))
    assert isinstance(failed, StepFailed) and failed.kind == "timeout"


@pytest.mark.parametrize("kind", ["engine_down", "timeout", "error", "name_taken"])
async def test_a_fault_becomes_a_fact_with_a_look(kind: FaultKind) -> None:
    bench, want = Bench(), a_want()
    container_id = await bench.made(want)
    bench.engine.fail_next("start", kind, "why")
    failed = await bench.do(Start(ref=a_ref(), container_id=container_id, want=want))
    assert isinstance(failed, StepFailed) and (failed.kind, failed.text) == (kind, "why")
    assert failed.looked == (kind != "engine_down")


async def test_a_look_that_fails_is_said() -> None:
    bench, want = Bench(), a_want()
    container_id = await bench.made(want)
    bench.engine.fail_next("inspect", "timeout")
    done = await bench.do(Start(ref=a_ref(), container_id=container_id, want=want))
    assert isinstance(done, StepDone) and not done.looked


async def test_a_pull_moves_and_ends() -> None:
    bench = Bench()
    pinned = bench.engine.publish("r.example/x:1")
    done = await bench.do(Pull(image=pinned))
    assert isinstance(done, StepDone) and pinned in bench.engine.images
    assert any(isinstance(event, PullMoved) and event.total > 0 for event in bench.posted)
    calls = bench.engine.calls.count("pull")
    await bench.do(Pull(image=pinned))
    assert bench.engine.calls.count("pull") == calls, "it is there"


async def test_what_cannot_be_pulled_or_pinned_says_why() -> None:
    bench = Bench()
    failed = await bench.do(Pull(image="r.example/none@sha256:" + "d" * 64))
    assert isinstance(failed, StepFailed) and failed.kind == "image_missing"
    failed = await bench.do(Resolve(task="t", image="r.example/none:1"))
    assert isinstance(failed, StepFailed) and failed.kind == "image_missing"


async def test_resolve_answers_the_pinned_reference() -> None:
    bench = Bench()
    pinned = bench.engine.publish("r.example/x:1")
    done = await bench.do(Resolve(task="t", image="r.example/x:1"))
    assert isinstance(done, StepDone) and done.result == pinned


async def test_an_agent_that_cannot_replace_itself_says_so() -> None:
    failed = await Bench().do(Replace(task="t", image="agent:2"))
    assert isinstance(failed, StepFailed) and (failed.kind, failed.text) == (
        "refused",
        "this agent cannot replace itself",
    )


async def test_a_bug_in_one_step_does_not_end_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()

    async def odd(image: str) -> str:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(bench.docker, "resolve", odd)
    failed = await bench.do(Resolve(task="t", image="x"))
    assert isinstance(failed, StepFailed) and "ZeroDivisionError" in failed.text
