"""Where the demo's agents run: three hosts of a lab, or, without root, three agents on the engine that is there.

Both kinds do the same: start an agent, cut its power, give it back, remove everything.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from lab import images, needs, process
from lab.command import LabError
from lab.engine import Engine, EngineError
from lab.hosts import Lab
from protocol.names import LABEL_CLUSTER, LABEL_NODE

REPOSITORY = Path(__file__).parent.parent
ROPE = (sys.executable, "-m", "ropeteam")
LAB_FOLDER = Path("/var/lib/rope-lab-demo")
LAB_NAME, LAB_NETWORK = "ropedemo", "10.77.1"
PORTS_PER_NODE = 1000


class Machines(Protocol):
    """Machines called `node-1` …"""

    address: str
    """Where the Center listens, so that the agents reach it."""
    said: str
    """What they are, for people."""

    def up(self, count: int) -> None:
        """Bring them up, with the sample images in their engines."""

    def start_agent(self, node: str, center: str, token: str) -> None:
        """Start the agent of a node; `token` "" when it has joined before."""

    def cut_power(self, node: str) -> None:
        """The machine dies at once, and all it ran."""

    def has_power(self, node: str) -> bool:
        """False after `cut_power`."""

    def give_power(self, node: str) -> None:
        """The machine boots; its agent is not started by this."""

    def down(self) -> None:
        """Remove everything of them."""


class RealHosts:
    """Hosts of a lab, each with its own Docker Engine. Needs root."""

    address = f"{LAB_NETWORK}.1"
    said = "hosts with a Docker Engine each"

    def __init__(self) -> None:
        self._lab = Lab(LAB_FOLDER, name=LAB_NAME, network=LAB_NETWORK)
        if (LAB_FOLDER / "lab.json").exists():
            self._lab = Lab.open(LAB_FOLDER)

    def up(self, count: int) -> None:
        """See Machines."""
        self._lab.up(count)
        self._lab.load_image(images.save(images.all_images(), self._lab.folder / "images.tar"))

    def start_agent(self, node: str, center: str, token: str) -> None:
        """See Machines."""
        host = self._lab.host(_host_name(node))
        argv = _agent(node, center, host.folder / "agent", host.docker_url, host.address)
        host.run(argv, env={"ROPE_JOIN": token} if token else None, cwd=REPOSITORY, log="agent.log")

    def cut_power(self, node: str) -> None:
        """See Machines."""
        self._lab.host(_host_name(node)).power_off()

    def has_power(self, node: str) -> bool:
        """See Machines."""
        return self._lab.host(_host_name(node)).is_on()

    def give_power(self, node: str) -> None:
        """See Machines."""
        self._lab.host(_host_name(node)).power_on()

    def down(self) -> None:
        """See Machines."""
        self._lab.down()


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """The one field of an agent's `identity.json` that the demo needs."""

    cluster: str = ""


class OneEngine:
    """Agents side by side on the user's own Docker Engine. A "power loss" kills the agent and its containers."""

    address = "127.0.0.1"
    said = "agents on the Docker Engine you have"

    def __init__(self, folder: Path, socket: Path) -> None:
        self._folder = folder
        self._engine = Engine(socket)
        self._loaded = folder / "images-loaded.json"
        """Images that were not on the engine before: only these are removed again."""

    def up(self, count: int) -> None:
        """See Machines."""
        tar = images.save(images.all_images(), self._folder / "images.tar")
        wanted = [image.reference for image in images.all_images()]
        self._loaded.write_text(json.dumps([reference for reference in wanted if not self._has(reference)]))
        self._engine.load(tar)

    def start_agent(self, node: str, center: str, token: str) -> None:
        """See Machines."""
        number = int(node.rpartition("-")[2])
        first = 20000 + PORTS_PER_NODE * (number - 1)
        docker = f"unix://{self._engine.socket_path}"
        argv = _agent(node, center, self._folder / node, docker, self.address)
        argv += ["--port-range", f"{first}-{first + PORTS_PER_NODE - 1}"]
        environment = {**os.environ, "ROPE_JOIN": token} if token else None
        (self._folder / node).mkdir(exist_ok=True)
        entry = process.start([*argv], self._folder / f"{node}.log", environment, REPOSITORY)
        process.remember(entry, self._pid_file(node))

    def cut_power(self, node: str) -> None:
        """See Machines."""
        if (agent := process.recall(self._pid_file(node))) is not None:
            agent.signal(signal.SIGKILL)
            agent.wait_gone(5)
        self._pid_file(node).unlink(missing_ok=True)
        for container in self._ours(node):
            self._engine.call("POST", f"/containers/{container}/kill")

    def has_power(self, node: str) -> bool:
        """See Machines."""
        agent = process.recall(self._pid_file(node))
        return agent is not None and agent.alive()

    def give_power(self, node: str) -> None:
        """See Machines: there is nothing but the agent to start."""

    def down(self) -> None:
        """See Machines."""
        for file in self._folder.glob("node-*.pid"):
            if (agent := process.recall(file)) is not None:
                agent.end()
        for cluster in self._clusters():
            label = f"{LABEL_CLUSTER}={cluster}"
            for container in self._engine.containers(everything=True, labels=(label,)):
                self._engine.remove(container["Id"])
            self._engine.remove_networks(label)
        for reference in json.loads(self._loaded.read_text()) if self._loaded.exists() else []:
            if self._has(reference):
                self._engine.remove_image(reference)

    def _clusters(self) -> set[str]:
        """The cluster that the agents joined: containers of any other are not the demo's."""
        files = self._folder.glob("node-*/identity.json")
        return {msgspec.json.decode(file.read_bytes(), type=Joined).cluster for file in files} - {""}

    def _ours(self, node: str) -> list[str]:
        return [
            str(found["Id"])
            for cluster in self._clusters()
            for found in self._engine.containers(labels=(f"{LABEL_CLUSTER}={cluster}", f"{LABEL_NODE}={node}"))
        ]

    def _has(self, reference: str) -> bool:
        try:
            self._engine.image_id(reference)
        except EngineError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _pid_file(self, node: str) -> Path:
        return self._folder / f"{node}.pid"


def choose(folder: Path) -> Machines:
    """Real hosts for root, otherwise the user's engine. Raises LabError when there is neither."""
    problems = needs.missing()
    if not problems:
        return RealHosts()
    if os.geteuid() == 0:
        raise LabError("; ".join(problems))
    needs.static_busybox()
    return OneEngine(folder, users_engine())


def users_engine() -> Path:
    """The socket of the Docker Engine that this user can use. Raises LabError when there is none that answers."""
    places: list[Path] = []
    if url := os.environ.get("DOCKER_HOST"):
        if urlsplit(url).scheme != "unix":
            raise LabError(f"DOCKER_HOST is {url}: the demo needs an engine on this machine (unix://…)")
        places = [Path(urlsplit(url).path)]
    else:
        places = [Path("/var/run/docker.sock"), Path.home() / ".docker/run/docker.sock"]
        if runtime := os.environ.get("XDG_RUNTIME_DIR"):
            places.append(Path(runtime) / "docker.sock")
    for place in places:
        if Engine(place, timeout_s=5).answers():
            return place
    tried = ", ".join(map(str, places))
    raise LabError(
        f"not root, and no Docker Engine that you may use answers (tried {tried}): run as root, or start one"
    )


def _agent(node: str, center: str, data: Path, docker: str, address: str) -> list[str]:
    return [
        *(*ROPE, "agent", "--center", center, "--data", str(data), "--docker", docker),
        *("--name", node, "--address", address, "--insecure"),
    ]


def _host_name(node: str) -> str:
    return f"h{node.rpartition('-')[2]}"
