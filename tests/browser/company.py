"""A cluster as a small company has it, for pictures: seven nodes in three places, five projects, and a bad morning.

One node has lost its power, so its replicas live elsewhere; one replica fails its check; an update is under way; one
node is drained. The agents are those of `crew`: they obey over real sockets and hold no containers.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from controlplane.core.cluster import Cluster
from controlplane.core.deployment import Step
from protocol.api import DeployAnswer, NodeView
from protocol.messages import Capacity, Hello, Versions
from protocol.spec import DesiredReplica
from ropeteam.client import Client
from tests.browser.crew import Member, healthy
from tests.browser.stage import Line, center_behind
from tests.loopback.center import ADMIN_TOKEN, Agent, Running

GIB = 1 << 30
NODES = {
    "fra-1": ("10.20.0.11", {"region": "fra", "disk": "ssd"}, 8, 31.0),
    "fra-2": ("10.20.0.12", {"region": "fra", "disk": "ssd"}, 8, 22.0),
    "fra-3": ("10.20.0.13", {"region": "fra"}, 8, 47.0),
    "ams-1": ("10.20.1.11", {"region": "ams", "disk": "ssd"}, 16, 18.0),
    "ams-2": ("10.20.1.12", {"region": "ams"}, 16, 64.0),
    "sin-1": ("10.20.2.11", {"region": "sin", "gpu": "true"}, 32, 71.0),
    "sin-2": ("10.20.2.12", {"region": "sin"}, 8, 9.0),
}
"""Address, labels, CPUs, CPU in use in percent."""
LOST, DRAINED = "ams-2", "sin-2"
HELD = 3
"""The replica at which the update is."""
UP_S = 3 * 86400 + 7000.0
CHECK = '    healthcheck: {test: [CMD, "true"]}\n'
PROJECTS = {
    "shop": "services:\n"
    f"  web:\n    image: example.com/shop/web:4.2\n    ports: ['80']\n{CHECK}    deploy: {{replicas: 6}}\n"
    f"  api:\n    image: example.com/shop/api:4.2\n    ports: ['8080']\n{CHECK}    deploy: {{replicas: 4}}\n"
    f"  worker:\n    image: example.com/shop/worker:4.2\n{CHECK}    deploy: {{replicas: 3}}\n",
    "billing": "services:\n"
    f"  api:\n    image: example.com/billing:2025.11\n    ports: ['8080']\n{CHECK}    deploy: {{replicas: 3}}\n"
    "  db:\n    image: postgres:17\n    volumes: ['data:/var/lib/postgresql/data']\n"
    "    deploy: {placement: {constraints: [node.labels.disk == ssd]}}\nvolumes: {data: {}}\n",
    "blog": f"services:\n  site:\n    image: ghost:6\n    ports: ['2368']\n{CHECK}    deploy: {{replicas: 2}}\n",
    "search": f"services:\n  index:\n    image: search:29\n    ports: ['8108']\n{CHECK}    deploy: {{replicas: 4}}\n",
    "metrics": "services:\n  prometheus:\n    image: prom/prometheus:v3.5\n    ports: ['9090']\n",
}
WAIT_S = 90.0
CHARTS_S = 40.0
"""Until the small charts have something to show."""


class Company:
    """The Center at `url`, and the deployment that is under way."""

    def __init__(self, running: Running, line: Line) -> None:
        self.running = running
        self.url = line.url
        self.under_way = 0
        self.members: dict[str, Member] = {}
        self.sick = False

    async def deploy(self, code: str, text: str) -> int:
        """Gives the deployment's number."""
        client = Client(self.running.url, ADMIN_TOKEN)
        answer = await asyncio.to_thread(client.send, "PUT", f"projects/{code}", DeployAnswer, text.encode())
        assert answer.deployment is not None
        return answer.deployment.id

    async def until(self, condition: Callable[[Cluster], bool], what: str) -> None:
        """Until this is true of the cluster. Raises TimeoutError naming what was awaited."""
        cluster = self.running.center.controller.cluster
        try:
            async with asyncio.timeout(WAIT_S):
                while not condition(cluster):  # noqa: ASYNC110 the Center has no events for what tests look at
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(what) from None

    async def loss(self) -> int:
        """The cause under which the story of the lost node is told."""
        told = await self.running.center.store.events(0, 500, node=LOST)
        return next(e.cause or e.seq for e in told if e.kind == "node.offline")

    async def look(self) -> None:
        """All who are there report what changed."""
        for name, member in self.members.items():
            if name != LOST:
                await member.look()

    def verdict(self, wanted: DesiredReplica) -> dict[str, object]:
        """What an agent says of a replica."""
        made = {**healthy(wanted), "up_s": UP_S}
        match wanted.project, wanted.service, wanted.replica:
            case "search", "index", 3 if self.sick:
                made |= {"health": "unhealthy", "reason": "GET /health answered 503 after 2.0 s", "restarts": 2}
            case "shop", "web", number if wanted.spec.image.endswith(":4.3"):
                made |= {"up_s": 40.0}
                if number == HELD:
                    made = {"state": "starting", "health": "starting"}
            case _:
                pass
        return made


async def _node(running: Running, name: str) -> Agent:
    address, labels, cpus, _ = NODES[name]
    has = Capacity(cpus=float(cpus), memory=16 * GIB, disk=100 * GIB)
    agent = await running.node(name, address=address, labels=labels, capacity=has)
    return Seasoned(running.session_url, agent.agent_id, agent.key)


class Seasoned(Agent):
    """An agent of a machine that has been set up with care."""

    def hello(self) -> Hello:
        """With versions as of an engine of today."""
        of = Versions(agent="0.1.0", engine="27.5.1", engine_api="1.47", os="linux", arch="x86_64", kernel="6.1.0-28")
        has = Capacity(cpus=8.0, memory=16 * GIB, disk=100 * GIB)
        return msgspec.structs.replace(super().hello(), versions=of, capacity=has)


async def _morning(made: Company) -> None:
    made.members[LOST].cut()
    await made.until(lambda c: c.nodes[LOST].state == "offline", "a node lost")
    await made.until(lambda c: all(r.state == "running" or "db" in str(r.id) for r in c.replicas.values()), "all moved")
    client = Client(made.running.url, ADMIN_TOKEN)
    await asyncio.to_thread(client.send, "POST", f"nodes/{DRAINED}/drain", NodeView, b"{}")
    await made.until(lambda c: not c.on_node.get(DRAINED), "a node drained")
    made.sick = True
    await made.look()
    made.under_way = await made.deploy("shop", PROJECTS["shop"].replace("web:4.2", "web:4.3"))
    await made.until(lambda c: any(_is_held(s) for s in c.deployments[made.under_way].steps), "an update under way")


def _is_held(step: Step) -> bool:
    return step.state == "running" and step.replica is not None and step.replica.index == HELD


@asynccontextmanager
async def company(data: Path) -> AsyncIterator[Company]:
    """All of it, in the middle of its morning; takes about half a minute."""
    line = Line()
    async with line.laid(), center_behind(line, data) as running, asyncio.TaskGroup() as tasks:
        made = Company(running, line)
        for name, (_, _, _, cpu) in NODES.items():
            member = made.members[name] = Member(name, await _node(running, name), cpu)
            member.verdict, member.memory_mb = made.verdict, 16384.0
        lives = {name: tasks.create_task(member.live()) for name, member in made.members.items()}
        await made.until(lambda c: all(n.state == "online" for n in c.nodes.values()), "all nodes online")
        for code, text in PROJECTS.items():
            await made.deploy(code, text)
        await made.until(lambda c: not c.open_deployments, "all deployed")
        await _morning(made)
        await asyncio.sleep(CHARTS_S)
        yield made
        for life in lives.values():
            life.cancel()
