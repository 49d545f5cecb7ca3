"""A lab: one bridge, and hosts with real Docker Engines on it, all on this machine.

Everything is remembered below one folder, so that another process can go on with the lab (`Lab.open`) or take it down.
Needs root (`lab.needs` says what else). Used by tests/docker, benchmarks and the demo; the product never sees it.
"""

import os
import shutil
import signal
import time
from pathlib import Path

import msgspec

from lab import cgroups, needs, network, process
from lab.command import LabError
from lab.host import Host, LabPlan
from lab.process import ProcessId

HOSTS_MAX = 50
NUMBERS = (0, *range(2, 10))
"""Of labs that tests claim: lab0 is 10.77.0.0/24. 1 is left to the demo."""
FOLDER_MAX = 50
"""Characters in a lab's folder: Unix socket paths end at 107 and containerd's are long."""


class Lab:
    """A bridge and its hosts. As a context manager it takes itself down at the end, whatever happened."""

    def __init__(self, folder: Path, *, name: str = "lab0", network: str = "10.77.0") -> None:
        if len(str(folder)) > FOLDER_MAX:
            raise LabError(f"the lab's folder must be at most {FOLDER_MAX} characters long (socket paths): {folder}")
        if folder.is_relative_to("/run") or folder.is_relative_to("/var/run"):
            raise LabError(f"the lab's folder cannot lie below /run, which hosts do not share: {folder}")
        if not 1 <= len(name) <= 11:
            raise LabError(f"a lab's name has 1 to 11 characters (network device names): {name}")
        self.folder = folder
        self._plan = LabPlan(name=name, network=network, hosts=0)
        self.hosts: list[Host] = []

    @classmethod
    def open(cls, folder: Path) -> "Lab":
        """Go on with a lab that another process brought up. Raises LabError when there is none."""
        try:
            plan = msgspec.json.decode((folder / "lab.json").read_bytes(), type=LabPlan)
        except FileNotFoundError:
            raise LabError(f"there is no lab in {folder}") from None
        lab = cls(folder, name=plan.name, network=plan.network)
        lab._adopt(plan)
        return lab

    @classmethod
    def claim(cls, root: Path, count: int) -> "Lab":
        """Bring up a lab that belongs to this process, beside others: the first free of `NUMBERS`.

        First takes down labs in `root` whose process is gone. Raises LabError when none is free or `up` fails.
        """
        needs.require()
        for number in NUMBERS:
            folder, name = root / f"rope-lab-{number}", f"lab{number}"
            if (folder / "lab.json").exists():
                former = cls.open(folder)
                if not former.abandoned():
                    continue
                former.down()
            lab = cls(folder, name=name, network=f"10.77.{number}")
            try:
                lab.up(count, owner=process.identify(os.getpid()))
            except network.Taken:
                continue
            return lab
        raise LabError(f"all {len(NUMBERS)} labs are in use")

    def abandoned(self) -> bool:
        """True when the process that the lab belongs to is gone."""
        return self._plan.owner is not None and not self._plan.owner.alive()

    @property
    def name(self) -> str:
        """Name of the lab and of its bridge."""
        return self._plan.name

    @property
    def address(self) -> str:
        """The bridge's address: where hosts reach what runs on this machine."""
        return self._plan.gateway

    def up(self, count: int, *, owner: ProcessId | None = None) -> list[Host]:
        """Bring up `count` hosts and wait until every engine answers. Takes everything back when one fails."""
        needs.require()
        if not 1 <= count <= HOSTS_MAX:
            raise LabError(f"a lab has 1 to {HOSTS_MAX} hosts")
        if (self.folder / "lab.json").exists():
            raise LabError(f"there is a lab in {self.folder} already: take it down first")
        if self.folder.exists() and any(self.folder.iterdir()):
            raise LabError(f"{self.folder} is not empty, and `down` would remove it: choose a folder of the lab's own")
        network.add_bridge(self.name, f"{self.address}/24")
        try:
            self._adopt(LabPlan(name=self.name, network=self._plan.network, hosts=count, owner=owner))
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "lab.json").write_bytes(msgspec.json.encode(self._plan))
            network.let_bridges_pass(self.name)
            for host in self.hosts:
                host.power_on(wait=False)
            for host in self.hosts:
                host.wait_engine()
            network.let_bridges_pass(self.name)
        except BaseException:
            self.down()
            raise
        return self.hosts

    def down(self) -> None:
        """Remove hosts, wires, processes, folders and settings. Works after a crash too, and twice.

        A lab that this folder knows nothing of is not touched. Raises LabError at the end with all that could not be
        removed.
        """
        if not self.hosts:
            if network.exists(self.name):
                raise LabError(f"the bridge {self.name} is of a lab that does not lie in {self.folder}: it stays")
            return
        problems: list[str] = []
        for host in self.hosts:
            try:
                host.power_off()
            except LabError as error:
                problems.append(str(error))
        for namespace in network.namespaces(f"{self.name}-h"):
            _kill_strays(namespace)
            network.remove_host(namespace, namespace)
        network.remove_bridge(self.name)
        network.restore_bridges(self.name)
        problems += cgroups.remove(self.name)
        problems += _remove_folder(self.folder)
        if problems:
            raise LabError("the lab is not quite down: " + "; ".join(problems))

    def host(self, name: str) -> Host:
        """The host called `h1` … Raises LabError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f"there is no host {name}; there are {', '.join(h.name for h in self.hosts)}")

    def load_image(self, tar: Path) -> None:
        """Load an archive into every engine."""
        for host in self.hosts:
            host.load_image(tar)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def _adopt(self, plan: LabPlan) -> None:
        self._plan = plan
        self.hosts = [Host(plan, self.folder, index) for index in range(1, plan.hosts + 1)]


def _kill_strays(namespace: str) -> None:
    """End what still runs in a namespace of ours whose pid file is lost."""
    strays = [found for pid in network.pids_in(namespace) if (found := process.identify(pid)) is not None]
    for stray in strays:
        stray.signal(signal.SIGKILL)
    for stray in strays:
        stray.wait_gone(10.0)


def _remove_folder(folder: Path) -> list[str]:
    """Mounts of a dead host's namespace vanish a moment after its last process: try for a while."""
    deadline = time.monotonic() + 10.0
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if time.monotonic() > deadline:
                return [f"{folder}: {error}"]
            time.sleep(0.1)
    return []
