"""Figures of the ropes as samples: of nodes that are heard, and of projects there are."""

import asyncio
import math
from pathlib import Path

from controlplane.core.record import Now
from controlplane.core.views import Figures
from controlplane.link.sampling import STALE_S, sample, samples
from controlplane.store.rings import FINE_S, Rings
from protocol.messages import ContainerBeat, Heartbeat
from tests.unit.controlplane.sample_cluster import shop


def container(project: str, cpu: float, memory: float) -> ContainerBeat:
    return ContainerBeat(
        project_code=project, service="web", replica=1, epoch=1, status="running", cpu_usage=cpu, mem_mb=memory
    )


def figures(cpu: float, *containers: ContainerBeat, connected: bool = True, last_seen_s: float = 1.0) -> Figures:
    beat = Heartbeat(
        agent_id="a",
        seq=1,
        cpu_usage=cpu,
        mem_free_mb=1000,
        mem_total_mb=4000,
        disk_free_gb=1,
        containers=containers,
    )
    return Figures(heartbeat=beat, connected=connected, last_seen_s=last_seen_s)


async def test_a_projects_figures_are_the_sum_of_its_copies() -> None:
    seen = {
        "node-1": figures(12.5, container("shop", 80, 100), container("shop", 40, 50)),
        "node-2": figures(1.0, container("shop", 30, 10)),
    }
    found = await samples(shop(), lambda name: seen[name])
    assert found == {("node", "node-1"): (12.5, 3000), ("node", "node-2"): (1, 3000), ("project", "shop"): (150, 160)}


async def test_who_is_not_heard_has_no_figures() -> None:
    seen = {
        "node-1": figures(1, container("shop", 1, 1), connected=False),
        "node-2": figures(1, last_seen_s=STALE_S + 1),
    }
    assert await samples(shop(), lambda name: seen[name]) == {}
    assert await samples(shop(), lambda name: Figures()) == {}


async def test_whatever_agents_say_only_projects_there_are_get_a_place() -> None:
    seen = {
        "node-1": figures(math.inf, container("nobody", 1, 1), container("shop", -5, math.nan)),
        "node-2": figures(1e300),
    }
    found = await samples(shop(), lambda name: seen[name])
    assert set(found) == {("node", "node-1"), ("node", "node-2"), ("project", "shop")}
    assert math.isnan(found["node", "node-1"].cpu) and found["node", "node-2"].cpu == 100
    assert found["project", "shop"].cpu == 0


async def test_memory_is_known_only_of_a_machine_that_tells_how_much_it_has() -> None:
    told = Heartbeat(agent_id="a", seq=1, cpu_usage=5, mem_free_mb=1000, disk_free_gb=1)
    found = await samples(shop(), lambda name: Figures(heartbeat=told, connected=True, last_seen_s=1.0))
    assert found["node", "node-1"].cpu == 5 and math.isnan(found["node", "node-1"].memory_mb)


async def test_each_step_of_time_gets_one_sample(tmp_path: Path) -> None:
    rings = Rings(tmp_path)
    wall = 1_800_000_009.95
    began = asyncio.get_running_loop().time()

    def now() -> Now:
        passed = asyncio.get_running_loop().time() - began
        return Now(passed, wall + passed)

    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(rings.run()),
            tasks.create_task(sample(shop(), lambda name: figures(7), rings, now)),
        ]
        async with asyncio.timeout(5):
            await rings.loaded.wait()
            while not rings.newest:  # noqa: ASYNC110 it is a number, not an event
                await asyncio.sleep(0.01)
        for task in running:
            task.cancel()
    assert rings.newest == 1_800_000_010 // FINE_S
    assert rings.hour(("node", "node-1"), 1_800_000_010).cpu[-1] == 7
