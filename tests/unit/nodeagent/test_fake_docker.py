"""The fake Docker keeps the contract of the real one, and its knobs do what they say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from nodeagent.core.container import Docker, DockerEvent, DockerFault
from tests.contract.bench import (
    EXITS_3,
    HEALTHY,
    NOT_THERE,
    PRINTED,
    PRINTS,
    UNHEALTHY,
    Bench,
    Timeline,
    eventually,
    want,
)
from tests.contract.docker_contract import NO_NETWORK, DockerContract, fault, run
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine, Program


class FakeBench:
    """A fake engine with the programs of the suite's commands."""

    def __init__(self, bind_root: Path) -> None:
        self.engine = FakeEngine()
        self.engine.programs = {
            EXITS_3: Program(exit_code=3),
            PRINTS: Program(output=PRINTED),
            HEALTHY: Program(health="healthy"),
            UNHEALTHY: Program(health="unhealthy", health_output="nothing fine here\n"),
            NOT_THERE: Program(error=f'exec: "{NOT_THERE[0]}": executable file not found in $PATH'),
        }
        self.bind_root = str(bind_root)
        self.tag = "local/busybox:1"
        self.image = self.engine.add_image(self.tag)
        self.published = "127.0.0.1:5000/app:1"
        self.pinned = self.engine.publish(self.published)
        self.fake = self.other()
        self.docker: Docker = self.fake

    def other(self, *, cluster: str = "cluster-1", node: str = "node-1") -> FakeDocker:
        return FakeDocker(self.engine, cluster=cluster, node=node, bind_roots=(self.bind_root,))

    async def tag_image(self, reference: str, name: str) -> str:
        image_id = self.engine.images[reference]
        self.engine.images[name] = self.engine.images[image_id] = image_id
        return image_id

    async def foreign_container(self, name: str) -> None:
        self.engine.add_foreign(name)

    async def hold_port(self, port: int) -> None:
        self.engine.foreign_ports.add(port)

    async def free_port(self) -> None:
        self.engine.foreign_ports.clear()

    async def kill(self, container_id: str) -> None:
        self.engine.exit(container_id, 137)

    async def restart_engine(self) -> None:
        self.engine.down = True
        self.engine.down = False


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    yield FakeBench(tmp_path)


@pytest.fixture
def fakes(tmp_path: Path) -> FakeBench:
    return FakeBench(tmp_path)


class TestFakeDocker(DockerContract):
    """The whole suite."""


async def test_a_dead_engine_answers_nothing_and_its_containers_go_on(fakes: FakeBench) -> None:
    container_id = await run(fakes.docker, want(fakes.image))
    fakes.engine.down = True
    async with fault("engine_down"):
        await fakes.docker.containers()
    fakes.engine.down = False
    seen = await fakes.docker.inspect(container_id)
    assert seen is not None and seen.status == "running"


async def test_a_hung_engine_never_answers_until_it_is_thawed(fakes: FakeBench) -> None:
    fakes.engine.hung = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await fakes.docker.info()
    fakes.engine.hung = False
    await fakes.docker.info()


async def test_a_call_fails_as_told_and_only_once(fakes: FakeBench) -> None:
    fakes.engine.fail_next("create", "timeout")
    async with fault("timeout"):
        await fakes.docker.create(want(fakes.image), NO_NETWORK)
    await fakes.docker.create(want(fakes.image), NO_NETWORK)
    assert fakes.engine.calls.count("create") == 2


async def test_a_start_takes_as_long_as_told_by_the_tests_clock(fakes: FakeBench) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    fakes.engine.sleep = sleep
    fakes.engine.start_delay_s = 7.0
    await run(fakes.docker, want(fakes.image))
    assert slept == [7.0]


async def test_after_a_reboot_nothing_runs(fakes: FakeBench) -> None:
    container_id = await run(fakes.docker, want(fakes.image))
    fakes.engine.reboot()
    seen = await fakes.docker.inspect(container_id)
    assert seen is not None and (seen.status, seen.exit_code) == ("exited", 255)


async def test_an_injected_event_reaches_the_reader(fakes: FakeBench) -> None:
    timeline = Timeline()
    async with asyncio.TaskGroup() as group:
        gathering = group.create_task(timeline.gather(fakes.docker))
        await eventually(_count(timeline), lambda count: count == 1)
        fakes.engine.inject(DockerEvent(action="oom", container_id="x"))
        await eventually(_count(timeline), lambda count: count == 2)
        gathering.cancel()
    assert timeline.actions("x") == ["oom"]


async def test_a_pull_fails_while_the_registry_is_away(fakes: FakeBench) -> None:
    fakes.engine.registry_down = True
    with pytest.raises(DockerFault) as raised:
        async with aclosing(fakes.docker.pull(fakes.pinned)) as pull:
            async for _ in pull:
                pass
    assert raised.value.kind == "pull_failed"


def _count(timeline: Timeline) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return len(timeline.seen)

    return count
