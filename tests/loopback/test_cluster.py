"""All of Ropeteam but Docker: the real Center and real agents over real sockets, each with an engine in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from controlplane.core.cluster import Cluster
from nodeagent.app import Agent
from nodeagent.settings import Settings
from protocol.handshake import JoinToken
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine
from tests.loopback.center import ADMIN_TOKEN, Running, fetch, running_center

WAIT_S = 30.0
CHANGING = {"create", "start", "stop", "restart", "remove"}

COMPOSE = """
services:
  web:
    image: web:1
    ports: ["80"]
    deploy:
      replicas: 3
"""


class Team:
    """Agents of one Center; each may be cut off without a word."""

    def __init__(self, center: Running, folder: Path, tasks: asyncio.TaskGroup) -> None:
        self.center = center
        self.folder = folder
        self.tasks = tasks
        self.engines: dict[str, FakeEngine] = {}
        self.lives: dict[str, asyncio.Task[None]] = {}
        self.no_exec = False
        """Agents started from now on forbid exec."""

    async def call(self, path: str, body: object = None, method: str = "") -> Any:
        """JSON of the API."""
        data = None if body is None else json.dumps(body).encode()
        answer = await asyncio.to_thread(fetch, self.center.url, f"/api/v1{path}", data, ADMIN_TOKEN, method)
        assert answer.status < 300, answer
        return json.loads(answer.body)

    async def join(self, name: str) -> None:
        token = JoinToken.parse((await self.call("/join-tokens", {}))["token"])
        self.engines[name] = FakeEngine()
        self.engines[name].id = f"ENGINE:{name}"
        self.engines[name].add_image("web:1")
        self.start(name, token)

    def start(self, name: str, token: JoinToken | None = None) -> None:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        settings = Settings(
            data=folder, center=self.center.url, join=token, name=name, docker="tcp://fake", no_exec=self.no_exec
        )
        engine = self.engines[name]
        agent = Agent(settings, lambda cluster, node: FakeDocker(engine, cluster=cluster, node=node))
        self.lives[name] = self.tasks.create_task(agent.live())

    def cut(self, name: str) -> None:
        self.lives[name].cancel()

    @property
    def cluster(self) -> Cluster:
        return self.center.center.controller.cluster

    def states(self) -> set[str]:
        return {node.state for node in self.cluster.nodes.values()}

    async def deploy(self, replicas: int) -> int:
        """Deploy the sample project; returns the deployment's number."""
        answer = await self.call("/projects/shop", {"compose": COMPOSE.replace("3", str(replicas))}, "PUT")
        return int(answer["deployment"]["id"])

    def running(self) -> dict[str, int]:
        """Running containers on each engine."""
        return {
            name: sum(held.container.status == "running" for held in engine.held.values())
            for name, engine in self.engines.items()
        }

    def created(self) -> int:
        """Containers ever made."""
        return sum(engine.calls.count("create") for engine in self.engines.values())

    async def until(self, look: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                while not look():  # noqa: ASYNC110 engines in memory have no events for tests
                    await asyncio.sleep(0.01)
        except TimeoutError:
            events = [e.text for e in await self.center.center.store.events(0, 1000)]
            raise AssertionError(f"{what} did not come true: {self.running()}\n" + "\n".join(events)) from None


@asynccontextmanager
async def team(tmp_path: Path, *names: str) -> AsyncIterator[Team]:
    async with running_center(tmp_path / "data") as center, asyncio.TaskGroup() as tasks:
        made = Team(center, tmp_path, tasks)
        for name in names:
            await made.join(name)
        await made.until(lambda: made.states() == {"online"}, "all nodes online")
        yield made
        for life in made.lives.values():
            life.cancel()


async def test_a_project_is_deployed_and_a_restart_of_an_agent_changes_nothing(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1", "node-2", "node-3") as it:
        number = await it.deploy(3)
        await it.until(lambda: it.running() == {"node-1": 1, "node-2": 1, "node-3": 1}, "one replica on each node")
        await it.until(lambda: it.cluster.deployments[number].state == "succeeded", "the deployment")
        calls = {name: len(engine.calls) for name, engine in it.engines.items()}
        it.cut("node-1")
        await asyncio.sleep(0.5)
        it.start("node-1")
        await it.until(lambda: it.center.center.hub.sessions() == 3, "the agent is back")
        await asyncio.sleep(1.0)
        for name, engine in it.engines.items():
            assert not CHANGING & set(engine.calls[calls[name] :]), name
        project = await it.call("/projects/shop")
        assert project["state"] == "running" and len(project["replicas"]) == 3
        assert it.center.center.controller.status.faults == 0


async def test_replicas_of_a_lost_node_run_elsewhere_and_its_stale_ones_go_when_it_returns(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1", "node-2", "node-3") as it:
        await it.deploy(3)
        await it.until(lambda: it.running() == {"node-1": 1, "node-2": 1, "node-3": 1}, "one replica on each node")
        begun = asyncio.get_running_loop().time()
        it.cut("node-2")
        await it.until(lambda: it.running()["node-1"] + it.running()["node-3"] == 3, "the replica is elsewhere")
        # The last sign of life is up to 2 s old when the line is cut; 15 s after it the node is offline.
        assert 12.5 < asyncio.get_running_loop().time() - begun < 20
        assert it.running()["node-2"] == 1, "its container runs on, cut off"
        begun = asyncio.get_running_loop().time()
        it.start("node-2")
        await it.until(lambda: it.running()["node-2"] == 0, "the stale container is gone")
        assert asyncio.get_running_loop().time() - begun < 10
        assert sum(it.running().values()) == 3
        events = [e.kind for e in await it.center.center.store.events(0, 1000)]
        assert "node.offline" in events
        assert it.center.center.controller.status.faults == 0


async def test_a_restart_of_the_center_in_the_middle_of_a_deploy_completes_it_once(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with running_center(tmp_path / "data") as center:
            it = Team(center, tmp_path, tasks)
            for name in ("node-1", "node-2"):
                await it.join(name)
                it.engines[name].start_delay_s = 1.0
            await it.until(lambda: it.states() == {"online"}, "all nodes online")
            number = await it.deploy(10)
            await it.until(lambda: it.created() > 0, "some are made")
            assert it.cluster.deployments[number].state == "running" and sum(it.running().values()) < 10
        async with running_center(tmp_path / "data", center.port) as center:
            it.center = center
            await it.until(lambda: sum(it.running().values()) == 10, "all run")
            await it.until(lambda: it.cluster.deployments[number].state == "succeeded", "the deployment")
            assert it.created() == 10, "nothing is made twice"
            assert it.center.center.controller.status.faults == 0
            for life in it.lives.values():
                life.cancel()
