"""One machine of the lab: an own network, PID space, boot id and Docker Engine, which can lose power, cable or engine.

Made by `lab.hosts.Lab`; knows nothing of other hosts. Everything is remembered in its folder, so that another process
can go on with it.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lab import cgroups, network, process
from lab.command import LabError
from lab.engine import Engine
from lab.process import HostProcess, ProcessId


class LabPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a lab is called and where it lies. `name`: its bridge, and the prefix of its namespaces and links.

    `network`: the first three numbers of its /24; the bridge is .1, host i is .(10+i).
    """

    name: str
    network: str
    hosts: int
    owner: ProcessId | None = None
    """The process the lab belongs to: when it is gone, the lab is abandoned. None = the lab stands by itself."""

    @property
    def gateway(self) -> str:
        """The bridge's address: where hosts reach what runs on this machine."""
        return f"{self.network}.1"


class Host:
    """One machine of the lab. `index` counts from 1; `name` is `h1`, `h2` …"""

    def __init__(self, plan: LabPlan, folder: Path, index: int) -> None:
        self._plan = plan
        self.index = index
        self.name = f"h{index}"
        self.address = f"{plan.network}.{10 + index}"
        self.folder = folder / self.name
        self.socket = self.folder / "docker.sock"
        self.docker_url = f"unix://{self.socket}"
        self.engine = Engine(self.socket)
        self._namespace = f"{plan.name}-{self.name}"
        self._link = self._namespace
        self._entries: list[subprocess.Popen[bytes]] = []

    def __repr__(self) -> str:
        return f"Host({self.name}, {self.address})"

    # -- power ------------------------------------------------------------------------------------------------------

    def power_on(self, *, wait: bool = True) -> None:
        """Boot: new network stack, new boot id, empty /run, same disk, engine started. Raises LabError when on."""
        if self.is_on():
            raise LabError(f"{self.name} is on already")
        self._clear_boot()
        self.folder.mkdir(exist_ok=True)
        address = f"{self.address}/24"
        network.add_host(self._namespace, self._link, self._plan.name, address, self._plan.gateway)
        boot_id, ready = self.folder / "boot_id", self.folder / "ready"
        boot_id.write_text(f"{uuid.uuid4()}\n")
        argv = [
            *("nsenter", f"--net={network.namespace_path(self._namespace)}"),
            *("unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"),
            *(sys.executable, "-I", "-S", str(Path(__file__).with_name("init.py"))),
            *(self.name, str(boot_id), str(self.folder / "etc"), str(ready)),
        ]
        entry = process.start(argv, self.folder / "init.log")
        self._entries.append(entry)
        process.only_child(entry, f"the init of {self.name}").save(self.folder / "init.pid")
        self._wait_for(ready, "its init", self.folder / "init.log")
        self.start_engine(wait=wait)

    def power_off(self) -> None:
        """Power loss: the line goes dead first, then every process of the host dies at once. Off already is fine.

        No FIN or RST leaves the host, as with a real machine: its network stack goes with it.
        """
        if network.namespace_path(self._namespace).exists():
            network.set_link(self._link, up=False)
        init = self._init()
        if init is not None:
            init.signal(signal.SIGKILL)
            self._wake_entries()
            if not init.wait_gone(15.0):
                raise LabError(f"the init of {self.name} (pid {init.pid}) does not die")
        self._reap()
        self._clear_boot()

    def is_on(self) -> bool:
        """True while the host has power."""
        return self._init() is not None

    def boot_id(self) -> str:
        """The boot id that programs on this host read now."""
        return (self.folder / "boot_id").read_text().strip()

    # -- cable ------------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Pull the cable: everything on the host runs on, nothing reaches it."""
        network.set_link(self._link, up=False)

    def lose_packets(self) -> None:
        """A switch between here and the others dies: the cable seems fine, and everything sent is lost."""
        network.set_bridge(self._link, None)

    def mend(self) -> None:
        """Plug the cable in again, at both ends."""
        network.set_bridge(self._link, self._plan.name)
        network.set_link(self._link, up=True)

    # -- engine -----------------------------------------------------------------------------------------------------

    def start_engine(self, *, wait: bool = True) -> None:
        """Start the Docker Engine; `wait`: until it answers."""
        (self.folder / "docker.pid").unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)
        config = self.folder / "daemon.json"
        config.write_bytes(msgspec.json.encode(self._engine_config()))
        # An own config file, so that the machine's /etc/docker/daemon.json neither changes nor breaks this engine.
        argv = self.enter(["dockerd", "--config-file", str(config)])
        entry = process.start(argv, self.folder / "engine.log", self.environment())
        self._entries.append(entry)
        process.only_child(entry, f"the engine of {self.name}").save(self.folder / "engine.pid")
        if wait:
            self.wait_engine()

    def wait_engine(self, timeout_s: float = 30.0) -> None:
        """Wait until the engine answers. Raises LabError with the end of its log when it does not."""
        try:
            self.engine.wait_ready(timeout_s)
        except LabError as error:
            raise LabError(f"{self.name}: {error}\n{_tail(self.folder / 'engine.log')}") from None

    def stop_engine(self) -> None:
        """End the engine as an administrator does (SIGTERM): it stops its containers."""
        engine = self._engine_process()
        engine.signal(signal.SIGTERM)
        if not engine.wait_gone(60.0):
            raise LabError(f"the engine of {self.name} does not stop")

    def kill_engine(self) -> None:
        """The engine crashes (SIGKILL); containers run on until it is started again."""
        engine = self._engine_process()
        process.send_inside(engine, signal.SIGKILL)
        engine.wait_gone(10.0)

    def restart_engine(self) -> None:
        """Stop the engine (its containers stop too), start it, wait until it answers."""
        self.stop_engine()
        self.start_engine()

    def pause_engine(self) -> None:
        """The engine hangs (SIGSTOP): it accepts connections and never answers; containers run on."""
        engine = self._engine_process()
        process.send_inside(engine, signal.SIGSTOP)
        deadline = time.monotonic() + 5.0
        while not engine.stopped():
            if time.monotonic() > deadline:
                raise LabError(f"the engine of {self.name} does not stand still")
            time.sleep(0.005)

    def resume_engine(self) -> None:
        """The engine goes on (SIGCONT)."""
        process.send_inside(self._engine_process(), signal.SIGCONT)

    def load_image(self, tar: Path) -> None:
        """Load an archive as `docker save` makes it (`lab.images`)."""
        self.engine.load(tar)

    def tidy(self) -> None:
        """Back to a host just set up: power, cable and engine there; no containers, volumes, networks; images stay."""
        if not self.is_on():
            self.power_on()
        self.mend()
        self.resume_engine() if self.engine_runs() else self.start_engine()
        self.wait_engine()
        for container in self.engine.containers(everything=True):
            self.engine.remove(container["Id"])
        self.engine.remove_volumes()
        self.engine.call("POST", "/networks/prune")

    # -- programs ---------------------------------------------------------------------------------------------------

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, log: str = ""
    ) -> HostProcess:
        """Start a program inside the host (network, PID, mount and UTS namespaces); it dies with the host's power.

        `env` is added to this process's environment, with DOCKER_HOST set to the host's engine. stdout and stderr are
        appended to `<folder>/<log>` (default: the program's name + `.log`). Raises LabError when it does not start.
        """
        path = self.folder / (log or f"{Path(argv[0]).name}.log")
        # `env -C`, because entering a mount namespace drops the working directory.
        entry = process.start(self.enter(["env", "-C", str(cwd or Path.cwd()), *argv]), path, self.environment(env))
        self._entries.append(entry)
        return HostProcess(entry, process.only_child(entry, argv[0]), path)

    def call(self, *argv: str, timeout_s: float = 30.0) -> str:
        """Run a program inside the host to its end and return what it wrote. Raises LabError when it fails."""
        done = subprocess.run(
            self.enter(argv), capture_output=True, text=True, timeout=timeout_s, check=False, env=self.environment()
        )
        if done.returncode != 0:
            raise LabError(f"{self.name}: '{' '.join(argv)}' failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    # -- inside -----------------------------------------------------------------------------------------------------

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` inside this host, for callers with their own idea of stdin and stdout."""
        init = self._init()
        if init is None:
            raise LabError(f"{self.name} is off")
        return ["nsenter", "--target", str(init.pid), "--net", "--pid", "--mount", "--uts", "--", *argv]

    def environment(self, added: Mapping[str, str] | None = None) -> dict[str, str]:
        """This process's environment, with DOCKER_HOST set to the host's engine, and `added`."""
        return {**os.environ, "DOCKER_HOST": self.docker_url, **(added or {})}

    def _engine_config(self) -> dict[str, object]:
        return {
            "data-root": str(self.folder / "data"),
            "exec-root": str(self.folder / "exec"),
            "pidfile": str(self.folder / "docker.pid"),
            "hosts": [self.docker_url],
            "insecure-registries": [f"{self._plan.gateway}:5000"],
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{cgroups.parent(self._plan.name)}/{self.name}",
            "log-level": "warn",
        }

    def _init(self) -> ProcessId | None:
        init = process.recall(self.folder / "init.pid")
        return init if init is not None and init.alive() else None

    def engine_runs(self) -> bool:
        """True while the engine's process lives, also when it hangs."""
        engine = process.recall(self.folder / "engine.pid")
        return engine is not None and engine.alive()

    def _engine_process(self) -> ProcessId:
        engine = process.recall(self.folder / "engine.pid")
        if engine is None or not engine.alive():
            raise LabError(f"the engine of {self.name} does not run")
        return engine

    def _wait_for(self, ready: Path, what: str, log: Path) -> None:
        deadline = time.monotonic() + 10.0
        while not ready.exists():
            if self._init() is None or time.monotonic() > deadline:
                raise LabError(f"{self.name} does not boot: {what} failed\n{_tail(log)}")
            time.sleep(0.005)

    def _clear_boot(self) -> None:
        """Remove what a real machine loses with its power."""
        network.remove_host(self._namespace, self._link)
        for name in ("init.pid", "engine.pid", "ready", "docker.pid", "docker.sock", "boot_id"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "exec", ignore_errors=True)

    def _wake_entries(self) -> None:
        """An `nsenter` that stopped with its program must go on to collect it: until then the dead init stays."""
        for pid in network.pids_in(self._namespace):
            if (entry := process.identify(pid)) is not None:
                entry.signal(signal.SIGCONT)

    def _reap(self) -> None:
        """Collect the `nsenter`s that this process started and whose program died with the host."""
        for entry in self._entries:
            try:
                entry.wait(5.0)
            except subprocess.TimeoutExpired:
                raise LabError(f"process {entry.pid}, entered into {self.name}, outlived the power loss") from None
        self._entries.clear()


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""
