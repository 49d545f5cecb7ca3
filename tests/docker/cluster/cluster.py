"""A whole cluster on the lab's hosts: the Center beside them, an agent in each, both as processes of the product.

Looks at it with two pairs of eyes: the API, and the engines themselves. Knows no internals of Center and agents.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from lab import process
from lab.center import fetch
from lab.command import LabError
from lab.host import Host
from lab.hosts import Lab
from lab.machines import REPOSITORY
from lab.process import HostProcess, ProcessId
from protocol import names
from protocol.api import DeploymentView, EventView, ProjectView, ReplicaView
from protocol.names import ReplicaId
from tests.docker.cluster.api import Api, Services

PORT = 8420
POLL_S = 0.1
ENDED = ("succeeded", "failed", "rolled_back", "cancelled", "superseded")
WEB = "rope-demo/web:1"


class Seen(NamedTuple):
    """A container of ours as its engine shows it."""

    node: str
    replica: ReplicaId
    epoch: int
    id: str
    running: bool
    started_at: str


class Node:
    """A host with its agent. `name` is what the Center calls it."""

    def __init__(self, host: Host, center: str) -> None:
        self.host = host
        self.name = f"node-{host.index}"
        self._center = center
        self._agent: HostProcess | None = None

    def start_agent(self, token: str = "") -> None:
        """Start the agent; the token is needed the first time."""
        argv = [sys.executable, "-m", "nodeagent", "--center", self._center, "--data", str(self.host.folder / "agent")]
        argv += ["--docker", self.host.docker_url, "--name", self.name, "--address", self.host.address, "--insecure"]
        env = {"ROPE_JOIN": token} if token else None
        self._agent = self.host.run(argv, env=env, cwd=REPOSITORY, log="agent.log")

    @property
    def agent(self) -> HostProcess:
        """The agent that was started last."""
        assert self._agent is not None
        return self._agent

    @property
    def agent_runs(self) -> bool:
        """True while the agent process lives."""
        return self._agent is not None and self._agent.process.alive()

    def containers(self, *, everything: bool = True) -> list[Seen]:
        """This node's containers of ours, asked of the engine."""
        found = self.host.engine.containers(everything=everything, labels=(names.LABEL_PROJECT,))
        return [self._seen(c) for c in found]

    def _seen(self, listed: dict[str, Any]) -> Seen:
        labels = listed["Labels"]
        replica = ReplicaId(labels[names.LABEL_PROJECT], labels[names.LABEL_SERVICE], int(labels[names.LABEL_REPLICA]))
        try:
            started_at = self.host.engine.inspect(listed["Id"])["State"]["StartedAt"]
        except LabError:  # it went between the two questions
            started_at = ""
        running = listed["State"] == "running"
        return Seen(self.name, replica, int(labels[names.LABEL_EPOCH]), listed["Id"], running, started_at)


class Cluster:
    """Center and nodes."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.url = f"http://{lab.address}:{PORT}"
        self.token = secrets.token_urlsafe(24)
        self.api = Api(self.url, self.token)
        self.nodes = [Node(host, self.url) for host in lab.hosts]
        self._center: ProcessId | None = None
        self._reaped: subprocess.Popen[bytes] | None = None

    def node(self, name: str | None) -> Node:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)

    # -- up and down ------------------------------------------------------------------------------------------------

    def up(self) -> None:
        """Start everything and wait until all nodes are online."""
        self.start_center()
        for node in self.nodes:
            node.start_agent(self.api.join_token(node.name))
        self.wait_online()

    def down(self) -> None:
        """End Center and agents; what they left is the lab's to remove."""
        for node in self.nodes:
            if node.agent_runs:
                node.agent.process.end()
        if self._center is not None and self._reaped is not None:
            self._center.end()
            self._reaped.wait(10)

    def start_center(self) -> None:
        """Start the Center, or start it again, and wait until it is ready."""
        argv = [sys.executable, "-m", "controlplane", "--data", str(self.lab.folder / "center")]
        argv += ["--listen", f"{self.lab.address}:{PORT}", "--public-url", self.url, "--insecure"]
        log = self.lab.folder / "center.log"
        entry = process.start(argv, log, {**os.environ, "ROPE_ADMIN_TOKEN": self.token}, REPOSITORY)
        self._center = process.identify(entry.pid)
        self._reaped = entry
        self.until(self.api.ready, 20.0, "the Center is ready")

    def kill_center(self) -> None:
        """SIGKILL."""
        assert self._center is not None and self._reaped is not None
        self._center.signal(signal.SIGKILL)
        self._reaped.wait(10)

    @property
    def center_pid(self) -> int:
        """Of the Center process that was started last."""
        assert self._center is not None
        return self._center.pid

    @property
    def center_runs(self) -> bool:
        """True while the Center process lives."""
        return self._center is not None and self._center.alive()

    def heal(self) -> None:
        """Everything on, connected and running again, whatever a test did; then no project and no container."""
        if not self.center_runs:
            self.start_center()
        for node in self.nodes:
            if not node.host.is_on():
                node.host.power_on()
            node.host.mend()
            if node.host.engine_runs():
                node.host.resume_engine()
            else:
                node.host.start_engine()
            if not node.agent_runs:
                node.start_agent()
        self.wait_online()
        for name, view in self.api.nodes().items():
            if view.draining:
                self.api.node_do(name, "resume")
            if view.labels:
                self.api.patch_node(name, labels=dict.fromkeys(view.labels))
        self.until(lambda: all(n.unschedulable is None for n in self.api.nodes().values()), 30.0, "nodes take work")
        for project in self.api.projects():
            self.api.remove(project.code)
        self.until(lambda: not self.api.projects() and not self.containers(), 40.0, "projects and containers are gone")
        for node in self.nodes:
            node.host.engine.remove_volumes()

    # -- waiting ----------------------------------------------------------------------------------------------------

    def until(self, what: Callable[[], object], limit_s: float, why: str) -> float:
        """Wait until `what()` holds; gives the seconds it took. Fails with all that is known after `limit_s`."""
        began = time.monotonic()
        while not what():
            if time.monotonic() - began > limit_s:
                raise AssertionError(f"not within {limit_s:.0f} s: {why}\n{self.told()}")
            time.sleep(POLL_S)
        return time.monotonic() - began

    def wait_online(self, *names: str, limit_s: float = 40.0) -> float:
        """Wait until these nodes (none named: all) are online."""
        wanted = names or tuple(node.name for node in self.nodes)

        def online() -> bool:
            views = self.api.nodes()
            return all(name in views and views[name].state == "online" for name in wanted)

        return self.until(online, limit_s, f"{', '.join(wanted)} online")

    def wait_ended(self, number: int, limit_s: float = 60.0) -> DeploymentView:
        """Wait for the end of a deployment, whatever it is."""
        self.until(lambda: self.api.deployment(number).state in ENDED, limit_s, f"deployment {number} ends")
        return self.api.deployment(number)

    def wait_answering(self, *codes: str, limit_s: float = 40.0) -> float:
        """Wait until every replica of these projects runs and answers HTTP on its address."""
        return self.until(lambda: all(self.answering(c) for c in codes), limit_s, f"{', '.join(codes)} answer")

    def told(self) -> str:
        """Projects, nodes and the end of the journal, for a failure's message."""
        try:
            lines = [f"{n.name} {n.state} {n.unschedulable or ''}" for n in self.api.nodes().values()]
            for project in self.api.projects():
                lines.append(f"{project.code} {project.state}: {project.message}")
                lines += [
                    f"  {r.service}/{r.replica} {r.state} {r.node} e{r.epoch} {r.reason}" for r in project.replicas
                ]
            lines += [
                f"{e.at[14:23]} {e.seq}<{e.cause} {e.text}" for e in self.api.events(max(0, self.api.last_event() - 60))
            ]
        except LabError as error:
            return str(error)
        return "\n".join(lines)

    # -- projects ---------------------------------------------------------------------------------------------------

    def deploy(self, code: str, services: Services, *, limit_s: float = 60.0, **top: object) -> DeploymentView:
        """Deploy and wait until it succeeded."""
        status, answer = self.api.deploy(code, services, **top)
        assert status == 202 and answer.deployment is not None, answer
        ended = self.wait_ended(answer.deployment.id, limit_s)
        assert ended.state == "succeeded", f"{ended.reason}\n{self.told()}"
        return ended

    def replicas(self, code: str) -> dict[str, ReplicaView]:
        """The project's replicas by `service/number`."""
        return {f"{r.service}/{r.replica}": r for r in self.api.project(code).replicas}

    def epochs(self, code: str) -> dict[str, int]:
        """The epoch of each replica: equal when nothing was placed anew."""
        return {name: replica.epoch for name, replica in self.replicas(code).items()}

    def answering(self, code: str) -> bool:
        """True when every wanted replica runs and answers on all its addresses now."""
        project = self.api.project(code)
        running = [r for r in project.replicas if r.state == "running"]
        return len(running) == wanted(project) > 0 and None not in answers(running)

    def story(self, after: int, kind: str = "") -> list[EventView]:
        """Events after a sequence number, of kinds that begin with `kind`."""
        return [e for e in self.api.events(after) if e.kind.startswith(kind)]

    # -- containers -------------------------------------------------------------------------------------------------

    def containers(self, *without: str, everything: bool = True) -> list[Seen]:
        """All containers of ours on hosts with power, asked of the engines, but for the nodes named."""
        asked = [n for n in self.nodes if n.host.is_on() and n.name not in without]
        with ThreadPoolExecutor(len(asked) or 1) as pool:
            return [seen for found in pool.map(lambda n: n.containers(everything=everything), asked) for seen in found]

    def assert_nothing_twice(self, *without: str) -> None:
        """At most one running container per replica over all living engines."""
        count = Counter(str(seen.replica) for seen in self.containers(*without) if seen.running)
        assert [name for name, number in count.items() if number > 1] == [], self.told()


def wanted(project: ProjectView) -> int:
    """Replicas the project shall have."""
    return sum(service.wanted for service in project.services)


def answers(replicas: Iterable[ReplicaView], timeout_s: float = 1.0) -> list[str | None]:
    """What each announced address says, None where it is silent; asked side by side."""
    urls = [f"http://{port.address}/" for replica in replicas for port in replica.ports]
    if not urls:
        return []
    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(lambda url: fetch(url, timeout_s), urls))


def web(replicas: int = 1, image: str = WEB, **more: object) -> dict[str, object]:
    """A service of the sample web server on a free port."""
    return {
        "image": image,
        "ports": ["8080"],
        "stop_grace_period": "2s",
        **more,
        "deploy": {"replicas": replicas, **_dict(more.get("deploy"))},
    }


def checked(replicas: int = 1, image: str = WEB, **more: object) -> dict[str, object]:
    """The same with a health check."""
    test = ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"]
    return web(replicas, image, healthcheck={"test": test, "interval": "1s", "timeout": "2s", "retries": 3}, **more)


def moments(seen: Sequence[Seen]) -> dict[str, tuple[str, bool, str]]:
    """What must be equal when nothing was touched: container id, whether it runs, when it was started."""
    return {f"{s.replica}@{s.epoch} on {s.node}": (s.id, s.running, s.started_at) for s in seen}


def _dict(value: object) -> dict[str, object]:
    assert value is None or isinstance(value, dict)
    return value or {}
