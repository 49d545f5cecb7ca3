"""The demo: a Center and three agents, with a project of three replicas; up and down. The failover is in `lab.story`.

Its state is in `.state/demo`, so that each command is a process of its own. Uses the product as a user does: by its
command line and its API.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from lab import machines, process
from lab.center import Center, fetch
from lab.command import LabError
from lab.machines import REPOSITORY, ROPE, Machines, OneEngine, RealHosts
from protocol.api import ProjectView, ReplicaView

FOLDER = REPOSITORY / ".state" / "demo"
COMPOSE = REPOSITORY / "examples" / "hello" / "compose.yaml"
PROJECT = "hello"
NODES = ("node-1", "node-2", "node-3")
PORT = 8420


class DemoState(msgspec.Struct, frozen=True, kw_only=True):
    """What the other commands must know. `engine`: the user's engine's socket, "" on real hosts."""

    url: str
    token: str
    engine: str


class Demo:
    """A demo that is up."""

    def __init__(self, state: DemoState) -> None:
        self.state = state
        self.center = Center(state.url, state.token)
        self.machines: Machines = OneEngine(FOLDER, Path(state.engine)) if state.engine else RealHosts()

    @classmethod
    def open(cls) -> "Demo":
        """The demo that `demo-up` left running. Raises LabError when there is none."""
        try:
            return cls(msgspec.json.decode((FOLDER / "demo.json").read_bytes(), type=DemoState))
        except FileNotFoundError:
            raise LabError("the demo is not up: run `make demo`") from None

    def add_node(self, node: str) -> None:
        """Let an agent join as this node."""
        self.machines.start_agent(node, self.state.url, self.center.join_token(node))

    def wait_online(self, nodes: tuple[str, ...], timeout_s: float = 30.0) -> None:
        """Wait until all these nodes are online. Raises LabError naming the others."""
        deadline = time.monotonic() + timeout_s
        while True:
            online = {node.name for node in self.center.nodes() if node.state == "online"}
            if online >= set(nodes):
                return
            if time.monotonic() > deadline:
                raise LabError(f"not online after {timeout_s:.0f} s: {', '.join(sorted(set(nodes) - online))}")
            time.sleep(0.2)

    def wait_answering(self, timeout_s: float = 60.0) -> ProjectView:
        """Wait until every replica runs and answers HTTP. Raises LabError saying which does not."""
        deadline = time.monotonic() + timeout_s
        while not answering(project := self.center.project(PROJECT)):
            if time.monotonic() > deadline:
                raise LabError(f"not all replicas answer after {timeout_s:.0f} s: {project.message}")
            time.sleep(0.3)
        return project

    def rope(self, *argv: str) -> None:
        """Run a `rope` command as the user would. Raises LabError when it fails."""
        done = subprocess.run([*ROPE, *argv], cwd=REPOSITORY, env=self.environment(), check=False)
        if done.returncode != 0:
            raise LabError(f"'rope {' '.join(argv)}' ended with code {done.returncode}")

    def environment(self) -> Mapping[str, str]:
        """Environment in which `rope` talks to this Center."""
        return {**os.environ, "ROPE_URL": self.state.url, "ROPE_TOKEN": self.state.token}


def addresses(replica: ReplicaView) -> list[str]:
    """URLs of a replica."""
    return [f"http://{port.address}/" for port in replica.ports]


def answering(project: ProjectView) -> bool:
    """True when every wanted replica runs and answers HTTP on its address now."""
    wanted = sum(service.wanted for service in project.services)
    running = [replica for replica in project.replicas if replica.state == "running" and replica.ports]
    return len(running) == wanted > 0 and all(fetch(url) is not None for r in running for url in addresses(r))


def up(*, yes: bool) -> None:
    """`demo-up`: say what will change, ask, bring everything up, print where it is. Raises LabError when it cannot."""
    if (FOLDER / "demo.json").exists():
        raise LabError("the demo is up already (or was not taken down): `make demo-down` first")
    ground = machines.choose(FOLDER)
    if not yes:
        _ask(ground)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    engine = str(machines.users_engine()) if isinstance(ground, OneEngine) else ""
    state = DemoState(url=f"http://{ground.address}:{PORT}", token=secrets.token_urlsafe(24), engine=engine)
    # Written first: `demo-down` must work after a failure anywhere below.
    _write_secret(FOLDER / "demo.json", msgspec.json.encode(state))
    _write_secret(FOLDER / "env", f"export ROPE_URL={state.url} ROPE_TOKEN={state.token}\n".encode())
    try:
        _bring_up(Demo(state))
    except BaseException:
        print("The demo did not come up. `make demo-down` takes back what was done; logs are in .state/demo.")
        raise


def _write_secret(file: Path, data: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(data)


def down() -> None:
    """`demo-down`: remove everything that `demo-up` made. Fine when there is nothing."""
    engine = ""
    try:
        engine = Demo.open().state.engine
    except LabError:
        print("No demo is up; looking for leftovers.")
    if (center := process.recall(FOLDER / "center.pid")) is not None:
        center.end(10)
    if not engine and os.geteuid() != 0 and machines.LAB_FOLDER.exists():
        raise LabError("the demo was brought up by root: take it down as root")
    try:
        if engine:
            OneEngine(FOLDER, Path(engine)).down()
        elif os.geteuid() == 0:
            RealHosts().down()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
        if FOLDER.parent.is_dir() and not any(FOLDER.parent.iterdir()):
            FOLDER.parent.rmdir()
    print("The demo is gone: no process, container, bridge, namespace or file of it is left.")


def show(project: ProjectView) -> None:
    """Print where each replica is and what it answers."""
    for replica in project.replicas:
        name = f"{replica.service}/{replica.replica}"
        for url in addresses(replica):
            text = fetch(url)
            print(f"  {name:<8} {replica.node or '-':<8} {url:<28} {text.strip() if text else '(no answer)'}")


def _bring_up(demo: Demo) -> None:
    print(f"1/4  {len(NODES)} {demo.machines.said}")
    demo.machines.up(len(NODES))
    print(f"2/4  the Center at {demo.state.url}")
    _start_center(demo)
    print(f"3/4  the agents of {', '.join(NODES)}")
    for node in NODES:
        demo.add_node(node)
    demo.wait_online(NODES)
    print(f"4/4  project {PROJECT}: three replicas of a small web server")
    demo.rope("deploy", "-f", str(COMPOSE))
    project = demo.wait_answering()
    rope = Path(sys.executable).with_name("rope")
    print("\nEverything answers:\n")
    show(project)
    print(f"""
Dashboard  {demo.state.url}
Token      {demo.state.token}

Try
  . {FOLDER / "env"}          sets ROPE_URL and ROPE_TOKEN
  {rope} nodes
  {rope} ps {PROJECT}
  {rope} scale {PROJECT} web=5
  make demo-failover     cut the power of one machine and watch
  make demo-down         take everything back""")


def _start_center(demo: Demo) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((demo.machines.address, PORT))
        except OSError as error:
            raise LabError(f"cannot listen on {demo.machines.address}:{PORT}: {error.strerror}") from None
    argv = [*ROPE, "center", "--data", str(FOLDER / "center"), "--listen", f"{demo.machines.address}:{PORT}"]
    argv += ["--public-url", demo.state.url, "--insecure"]
    environment = {**os.environ, "ROPE_ADMIN_TOKEN": demo.state.token}
    log = FOLDER / "center.log"
    entry = process.start(argv, log, environment, REPOSITORY)
    process.remember(entry, FOLDER / "center.pid")
    deadline = time.monotonic() + 20
    while not demo.center.ready():
        if entry.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"the Center does not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)


def _ask(ground: Machines) -> None:
    print(f"This starts a Center at {ground.address}:{PORT} and {len(NODES)} {ground.said}.")
    if isinstance(ground, RealHosts):
        print(
            f"It makes the bridge {machines.LAB_NAME}, {len(NODES)} network namespaces and {machines.LAB_FOLDER}, and"
        )
        print("sets net.bridge.bridge-nf-call-iptables to 0 until `demo-down`. Your own engine is not touched.")
    if not sys.stdin.isatty():
        raise LabError("nobody to ask here: run it with -y, or make with YES=1")
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise LabError("nothing was changed")
