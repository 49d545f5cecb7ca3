"""The restore drill on real sockets and engines in memory: backup, more deploys, the Center lost, a new one adopts."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from controlplane.store.backup import write_backup
from controlplane.store.restoring import read_manifest, restore_backup
from tests.loopback.center import ADMIN_TOKEN, fetch, running_center
from tests.loopback.test_cluster import CHANGING, Team

AT_ONCE = {"parallelism": 0, "monitor": "1s"}
NAMES = ("node-1", "node-2", "node-3")


def spec(image: str, replicas: int) -> dict[str, str]:
    """A body for `PUT /projects`."""
    service = {"image": image, "ports": ["80"], "deploy": {"replicas": replicas, "update_config": AT_ONCE}}
    return {"compose": json.dumps({"services": {"web": service}})}


def held(it: Team) -> dict[str, str]:
    """Every container that runs: its id -> its engine."""
    return {i: name for name, e in it.engines.items() for i, h in e.held.items() if h.container.status == "running"}


async def deployed(it: Team, project: str, body: dict[str, str]) -> None:
    answer = await it.call(f"/projects/{project}", body, "PUT")
    number = int(answer["deployment"]["id"])
    await it.until(lambda: it.cluster.deployments[number].state == "succeeded", f"the deployment of {project}")


async def test_everything_is_adopted_and_nothing_is_stopped(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "backup.tar.gz"
    async with asyncio.TaskGroup() as tasks:
        async with running_center(data) as center:
            it = Team(center, tmp_path, tasks)
            for name in NAMES:
                await it.join(name)
                it.engines[name].add_image("web:2")
            await it.until(lambda: it.states() == {"online"}, "all nodes online")
            await deployed(it, "shop", spec("web:1", 2))
            answer = await asyncio.to_thread(fetch, center.url, "/api/v1/backup", token=ADMIN_TOKEN)
            assert answer.status == 200 and answer.headers["content-type"] == "application/gzip"
            file.write_bytes(answer.body)
            await deployed(it, "shop", spec("web:2", 3))
            await deployed(it, "news", spec("web:1", 2))
            await it.until(lambda: len(held(it)) == 5, "what was replaced is gone")
            assert [e.text for e in await center.center.store.events(0, 1000) if "took a backup" in e.text]
        before, calls = held(it), {name: len(engine.calls) for name, engine in it.engines.items()}
        shutil.rmtree(data)
        assert read_manifest(file).files.keys() == {"center.db", "identity.key"}
        await asyncio.to_thread(restore_backup, file, data)
        async with running_center(data, center.port) as center:
            it.center = center
            await it.until(lambda: it.states() == {"online"}, "all nodes are back")
            await it.until(lambda: len(it.cluster.volatile.claims) == 3, "they have told what they hold")
            shown: Any = await it.call("/adoption")
            assert shown["state"] == "adopting" and shown["incarnation"] == 2 and shown["away"] == []
            assert {d["replica"] for d in shown["differences"]} == {
                *(f"shop/web/{n}" for n in (1, 2, 3)),
                *(f"news/web/{n}" for n in (1, 2)),
            }
            assert {d["action"] for d in shown["differences"]} == {"adopt"}
            refused = await asyncio.to_thread(
                fetch, center.url, "/api/v1/projects/shop/stop", b"{}", ADMIN_TOKEN, "POST"
            )
            assert refused.status == 409 and b"adoption" in refused.body
            await asyncio.sleep(1.0)
            assert held(it) == before
            assert (await it.call("/adoption/confirm", {}, "POST"))["state"] == "none"
            await it.until(lambda: len(it.cluster.projects) == 2, "both projects are known")
            await asyncio.sleep(1.5)
            for name, engine in it.engines.items():
                assert not CHANGING & set(engine.calls[calls[name] :]), name
            assert held(it) == before
            for code in ("shop", "news"):
                assert (await it.call(f"/projects/{code}"))["state"] == "running"
            await deployed(it, "shop", spec("web:1", 3))
            assert center.center.controller.status.faults == 0
            for life in it.lives.values():
                life.cancel()


async def test_a_node_that_joined_since_is_taken_in_again_with_what_it_runs(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "backup.tar.gz"
    async with asyncio.TaskGroup() as tasks:
        async with running_center(data) as center:
            it = Team(center, tmp_path, tasks)
            await it.join("node-1")
            await it.until(lambda: it.states() == {"online"}, "the first is online")
            await asyncio.to_thread(write_backup, data, file, 1.0, "0")
            await it.join("node-2")
            await it.until(lambda: it.states() == {"online"} and len(it.cluster.nodes) == 2, "both are online")
            await deployed(it, "shop", spec("web:1", 2))
        before, calls = held(it), {name: len(engine.calls) for name, engine in it.engines.items()}
        assert set(before.values()) == {"node-1", "node-2"}
        shutil.rmtree(data)
        await asyncio.to_thread(restore_backup, file, data)
        async with running_center(data, center.port) as center:
            it.center = center
            assert set(it.cluster.nodes) == {"node-1"}
            await it.until(lambda: len(it.cluster.volatile.claims) == 2, "both have told what they hold")
            assert {d["action"] for d in (await it.call("/adoption"))["differences"]} == {"adopt"}
            await it.call("/adoption/confirm", {}, "POST")
            await asyncio.sleep(1.5)
            for name, engine in it.engines.items():
                assert not CHANGING & set(engine.calls[calls[name] :]), name
            assert held(it) == before and (await it.call("/projects/shop"))["state"] == "running"
            events = [e.text for e in await center.center.store.events(0, 1000)]
            assert "node-2 joined after the backup and is taken in again" in events
            for life in it.lives.values():
                life.cancel()


@pytest.mark.parametrize("flag", [False, True])
async def test_without_a_restore_or_its_flag_a_former_database_is_refused_by_every_agent(
    tmp_path: Path, flag: bool
) -> None:
    """A copy put back by hand: without `--restored` nobody obeys it, with it everything is adopted."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    async with asyncio.TaskGroup() as tasks:
        async with running_center(data) as center:
            it = Team(center, tmp_path, tasks)
            await it.join("node-1")
            await it.until(lambda: it.states() == {"online"}, "the node is online")
        shutil.copytree(data, copy)
        async with running_center(data, center.port) as center:
            it.center = center
            await it.until(lambda: it.states() == {"online"}, "the node is online again")
            await deployed(it, "shop", spec("web:1", 2))
        before = held(it)
        shutil.rmtree(data)
        copy.rename(data)
        async with running_center(data, center.port, restored=flag) as center:
            it.center = center
            if flag:
                await it.until(lambda: bool(it.cluster.volatile.claims), "the node has told")
                assert len((await it.call("/adoption"))["differences"]) == 2
            else:
                await asyncio.sleep(2.0)
                assert it.states() == {"unknown"}
            assert held(it) == before
            for life in it.lives.values():
                life.cancel()
