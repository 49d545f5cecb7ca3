"""Ropeteam as people run it from its images: the Center in a container on one host, agents in containers on others.

Started with the lines that the Center prints and docs/install.md shows; only Docker's socket lies elsewhere in a lab.
"""

import secrets
import shlex
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from lab.center import fetch
from lab.command import LabError
from lab.host import Host
from lab.hosts import Lab
from lab.product import ProductImages
from protocol import names
from protocol.api import JoinTokenAnswer, ReplicaView
from tests.docker.cluster.api import Api, Services

PORT = 8430
AGENT, CENTER = "ropeteam-agent", "ropeteam-center"
SOCKET = "/var/run/docker.sock:/var/run/docker.sock"
ENDED = ("succeeded", "failed", "rolled_back", "cancelled", "superseded")


class Kept(NamedTuple):
    """What of a container must be equal when nobody touched it."""

    name: str
    id: str
    running: bool
    started_at: str
    restarts: int


class Boxed:
    """`center`: the host of the Center; `nodes`: those with agents, called `node-1` …"""

    def __init__(self, lab: Lab, images: ProductImages) -> None:
        self.images = images
        self.center, self.nodes = lab.hosts[2], lab.hosts[:2]
        self.url = f"http://{self.center.address}:{PORT}"
        self.token = secrets.token_urlsafe(24)
        self.api = Api(self.url, self.token)
        self.lines: dict[str, list[str]] = {}
        """The command that started each node's agent."""

    def up(self) -> None:
        """Start all, and wait until the nodes are online."""
        self.center.call(
            *("docker", "run", "-d", "--name", CENTER, "--restart", "unless-stopped", "--network", "host"),
            *("--read-only", "--tmpfs", "/tmp", "-v", f"{CENTER}:/data"),
            *("-e", f"ROPE_LISTEN={self.center.address}:{PORT}", "-e", "ROPE_INSECURE=1"),
            *("-e", f"ROPE_ADMIN_TOKEN={self.token}", self.images.center),
        )
        self.until(self.api.ready, 30.0, "the Center is ready")
        for host in self.nodes:
            self.start_agent(host)
        self.wait_online()

    def start_agent(self, host: Host) -> None:
        """Run the join line that the Center prints."""
        name = f"node-{host.index}"
        asked = self.api.ask("POST", "/api/v1/join-tokens", b"{}")
        line = msgspec.json.decode(asked.body, type=JoinTokenAnswer).join_command
        assert SOCKET in line, line
        here = line.replace(SOCKET, f"{host.socket}:/var/run/docker.sock")
        self.lines[name] = [*shlex.split(here), "--name", name]
        host.call(*self.lines[name])

    def wait_online(self, limit_s: float = 40.0) -> float:
        """Until every node is online."""
        wanted = {f"node-{host.index}" for host in self.nodes}
        return self.until(
            lambda: {n.name for n in self.api.nodes().values() if n.state == "online"} >= wanted,
            limit_s,
            "nodes online",
        )

    def deploy(self, code: str, services: Services) -> None:
        """Deploy, and wait until it succeeded."""
        status, answer = self.api.deploy(code, services)
        assert status == 202 and answer.deployment is not None, answer
        number = answer.deployment.id
        self.until(lambda: self.api.deployment(number).state in ENDED, 60.0, f"{code} is deployed")
        assert self.api.deployment(number).state == "succeeded", self.told()

    def replicas(self, code: str) -> dict[str, ReplicaView]:
        """By `service/number`."""
        return {f"{r.service}/{r.replica}": r for r in self.api.project(code).replicas}

    def answering(self, code: str) -> bool:
        """True when every replica runs and answers."""
        found = list(self.replicas(code).values())
        return bool(found) and all(
            r.state == "running" and all(fetch(f"http://{port.address}/") for port in r.ports) for r in found
        )

    def kept(self, host: Host) -> list[Kept]:
        """Containers of projects on a host, asked of its engine."""
        return sorted(_kept(one) for one in host.engine.inspect_all(names.LABEL_PROJECT))

    def health(self, host: Host, container: str) -> str:
        """What its own health check says."""
        return str(host.engine.inspect(container)["State"]["Health"]["Status"])

    def until(self, what: Callable[[], object], limit_s: float, why: str) -> float:
        """Wait until `what()` holds; gives the seconds it took. Fails with all that is known after `limit_s`."""
        began = time.monotonic()
        while not what():
            if time.monotonic() - began > limit_s:
                raise AssertionError(f"not within {limit_s:.0f} s: {why}\n{self.told()}")
            time.sleep(0.1)
        return time.monotonic() - began

    def told(self) -> str:
        """Nodes, the journal's end and what the containers wrote."""
        lines: list[str] = []
        try:
            lines += [f"{n.name} {n.state} {n.unschedulable or ''}" for n in self.api.nodes().values()]
            lines += [e.text for e in self.api.events(max(0, self.api.last_event() - 40))]
        except LabError as error:
            lines.append(str(error))
        for host, container in ((self.center, CENTER), *((host, AGENT) for host in self.nodes)):
            if host.is_on():
                lines.append(f"-- {container} on {host.name}\n{logs(host, container)}")
        return "\n".join(lines)


def logs(host: Host, container: str) -> str:
    """The last lines a container wrote, stdout and stderr."""
    try:
        return host.call("sh", "-c", f"docker logs --tail 30 {shlex.quote(container)} 2>&1")
    except LabError as error:
        return str(error)


def _kept(found: dict[str, Any]) -> Kept:
    state = found["State"]
    return Kept(found["Name"], found["Id"], state["Running"], state["StartedAt"], found["RestartCount"])
