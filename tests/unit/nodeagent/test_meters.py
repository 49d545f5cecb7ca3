"""Figures go on whatever hangs."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from nodeagent import meters as meters_module
from nodeagent.core.container import Container, Usage
from nodeagent.meters import Meters, Readings, cpu_percent
from tests.contract.bench import want
from tests.fakes.docker import FakeDocker


@asynccontextmanager
async def running(meters: Meters) -> AsyncIterator[None]:
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as group:
        gathering = group.create_task(meters.run())
        yield
        gathering.cancel()


async def reading(meters: Meters, good: Callable[[Readings], bool]) -> Readings:
    """The latest figures once they are as wanted; the timeout of `running` ends the wait."""
    while not good(meters.latest):  # noqa: ASYNC110  the figures have no bell, as nothing but the heartbeat reads them
        await asyncio.sleep(0.002)
    return meters.latest


async def started(docker: FakeDocker, count: int) -> tuple[Container, ...]:
    image = docker.engine.add_image("busybox:1")
    for number in range(1, count + 1):
        await docker.start(await docker.create(want(image, replica=number), {}))
    return await docker.containers()


async def test_the_machine_is_measured() -> None:
    meters = Meters(FakeDocker(), "/", lambda: (), period_s=0.01)
    async with running(meters):
        seen = await reading(meters, lambda r: r.mem_total_mb > 0 and r.disk_total_gb > 0)
    assert 0 < seen.mem_free_mb <= seen.mem_total_mb
    assert 0 <= seen.disk_free_gb <= seen.disk_total_gb
    assert 0 <= seen.cpu_percent <= 100
    assert seen.load >= 0
    capacity = meters.capacity()
    assert capacity.cpus >= 1
    assert capacity.memory == round(seen.mem_total_mb * 1024 * 1024)
    assert capacity.disk == round(seen.disk_total_gb * 1024**3)


def test_the_capacity_is_known_before_anything_was_gathered() -> None:
    capacity = Meters(FakeDocker(), "/", lambda: ()).capacity()
    assert capacity.cpus >= 1 and capacity.memory > 0 and capacity.disk > 0


async def test_a_disk_root_out_of_sight_is_measured_at_its_nearest_parent(tmp_path: Path) -> None:
    meters = Meters(FakeDocker(), str(tmp_path / "var" / "lib" / "docker"), lambda: (), period_s=0.01)
    async with running(meters):
        assert (await reading(meters, lambda r: r.disk_total_gb > 0)).disk_total_gb > 0


async def test_only_running_containers_are_asked_for() -> None:
    docker = FakeDocker()
    containers = await started(docker, 3)
    docker.engine.held[containers[0].id].usage = Usage(cpu_percent=12.5, memory=99)
    await docker.stop(containers[1].id, 1.0)
    known = await docker.containers()
    meters = Meters(docker, "/", lambda: known, period_s=0.01)
    async with running(meters):
        seen = await reading(meters, lambda r: len(r.usage) > 0)
    assert set(seen.usage) == {containers[0].id, containers[2].id}
    assert seen.usage[containers[0].id] == Usage(cpu_percent=12.5, memory=99)


async def test_a_hung_docker_stops_its_own_figures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters_module, "USAGE_S", 0.02)
    loads = iter(float(n) for n in range(1, 1_000_000))
    monkeypatch.setattr("os.getloadavg", lambda: (next(loads), 0.0, 0.0))
    docker = FakeDocker()
    containers = await started(docker, 20)
    meters = Meters(docker, "/", lambda: containers, period_s=0.005)
    async with running(meters):
        await reading(meters, lambda r: len(r.usage) == 20)
        docker.engine.hung = True
        hung_at = (await reading(meters, lambda r: not r.usage)).load
        await reading(meters, lambda r: r.load > hung_at + 3)
        docker.engine.hung = False
        await reading(meters, lambda r: len(r.usage) == 20)


async def test_an_engine_that_is_down_is_survived() -> None:
    docker = FakeDocker()
    containers = await started(docker, 2)
    docker.engine.down = True
    meters = Meters(docker, "/", lambda: containers, period_s=0.005)
    async with running(meters):
        await reading(meters, lambda r: r.mem_total_mb > 0)
        docker.engine.down = False
        await reading(meters, lambda r: len(r.usage) == 2)


async def test_a_broken_disk_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("psutil.disk_usage", broken)
    meters = Meters(FakeDocker(), "/", lambda: (), period_s=0.005)
    async with running(meters):
        assert (await reading(meters, lambda r: r.mem_total_mb > 0)).disk_total_gb == 0.0


async def test_figures_that_cannot_be_read_do_not_end_the_agent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    meters = Meters(FakeDocker(), "/", lambda: (), period_s=0.001)
    tries, known = 0, psutil.virtual_memory

    def short_of_files() -> object:
        nonlocal tries
        tries += 1
        if tries < 5:
            raise OSError(24, "Too many open files")
        return known()

    monkeypatch.setattr("psutil.virtual_memory", short_of_files)
    async with running(meters):
        await reading(meters, lambda r: r.mem_total_mb > 0)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and "Too many open files" in said[0]


def test_cpu_is_what_was_busy_in_between() -> None:
    assert cpu_percent((10.0, 100.0), (15.0, 110.0)) == 50.0
    assert cpu_percent((10.0, 100.0), (10.0, 100.0)) == 0.0
    assert cpu_percent((10.0, 100.0), (9.0, 101.0)) == 0.0
    assert cpu_percent((10.0, 100.0), (20.0, 101.0)) == 100.0


async def test_outside_the_machines_network_no_ports_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        last = server.getsockname()[1]
        seen: dict[bool, tuple[int, ...]] = {}
        for sees in (True, False):
            meters = Meters(FakeDocker(), "/", lambda: (), port_from=last, port_to=last, sees_ports=sees, period_s=0.01)
            async with running(meters):
                seen[sees] = (await reading(meters, lambda r: r.mem_total_mb > 0)).ports
    assert last in seen[True] and seen[False] == ()
