"""The systemd units under a real systemd, in a container on a host of the lab: installed, used, restarted, removed."""

import io
import re
import shlex
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import images, product
from lab.command import LabError
from lab.host import Host

MACHINE = "machine"
SOURCES = ("scripts/install.sh", "scripts/python.sh", "deploy/systemd", "requirements.lock")
URL = "http://127.0.0.1:8080"
NO_POWERS = "[Service]\nOOMScoreAdjust=\n"
"""What the lab's machine may not grant: everything else of the units is as shipped."""
COMPOSE = """\
name: shop
services:
  web: {image: "rope-demo/web:1", ports: ["8080"]}
"""


class Machine:
    """A Debian with systemd, and with the engine of its host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.token = ""

    def call(self, *argv: str, timeout_s: float = 60.0) -> str:
        """Run a program in it to its end. Raises LabError when it fails."""
        access = ("-e", f"ROPE_URL={URL}", "-e", f"ROPE_TOKEN={self.token}")
        return self.host.call("docker", "exec", *access, MACHINE, *argv, timeout_s=timeout_s)

    def install(self, *arguments: str) -> str:
        """Run the script that people run."""
        line = f"cd /src && WHEELS=wheels sh scripts/install.sh {shlex.join(arguments)} -y"
        return self.call("sh", "-c", line, timeout_s=120.0)

    def until(self, what: Callable[[], object], why: str, limit_s: float = 30.0) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + limit_s
        while not what():
            assert time.monotonic() < deadline, f"{why}\n{self.call('journalctl', '--no-pager', '-n', '60')}"
            time.sleep(0.2)

    def says(self, word: str, *argv: str) -> bool:
        """True when the program succeeds and its answer has the word."""
        try:
            return word in self.call(*argv)
        except LabError:
            return False


@pytest.fixture(scope="module")
def machine(one_host: Host) -> Iterator[Machine]:
    host = one_host
    host.tidy()
    wheels = host.folder / "wheels"
    base = product.bare_system(host, wheels)
    host.load_image(images.save(images.all_images(), host.folder / "images.tar"))
    powers = [f"--cap-add={power}" for power in ("SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "DAC_READ_SEARCH")]
    unconfined = [f"--security-opt={what}=unconfined" for what in ("seccomp", "apparmor", "systempaths")]
    host.call(
        *("docker", "run", "-d", "--name", MACHINE, "--network", "host", "--cgroupns", "host", *powers, *unconfined),
        *("--tmpfs", "/run", "--tmpfs", "/run/lock", "-v", "/sys/fs/cgroup:/sys/fs/cgroup", "-e", "container=docker"),
        *("-v", f"{host.socket}:/docker.sock", base, "/sbin/init"),
    )
    made = Machine(host)
    sources = host.folder / "sources.tar"
    _pack(sources, wheels)
    host.engine.call("PUT", f"/containers/{MACHINE}/archive?path=/", raw=sources)
    made.until(lambda: made.says("multi-user.target", "systemctl", "list-units", "--state=active"), "it has booted")
    yield made
    host.tidy()


def _pack(archive: Path, wheels: Path) -> None:
    """What the script needs of the source tree, in /src, and /root/compose.yaml."""
    with tarfile.open(archive, "w") as tar:
        for name in SOURCES:
            tar.add(product.REPOSITORY / name, f"src/{name}")
        tar.add(wheels, "src/wheels")
        added = {"root/compose.yaml": COMPOSE}
        added |= {f"etc/systemd/system/ropeteam-{p}.service.d/lab.conf": NO_POWERS for p in ("center", "agent")}
        for name, text in added.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))


def test_the_services_run_with_no_more_than_they_use(machine: Machine) -> None:
    said = machine.install("center", "--listen", "127.0.0.1:8080")
    assert "put ropeteam-center.service into /etc/systemd/system" in said and "journalctl -u ropeteam-center" in said
    machine.until(lambda: machine.says("Admin token: ", "journalctl", "-u", "ropeteam-center"), "the Center is up")
    found = re.search(r"Admin token: (\S+)", machine.call("journalctl", "-u", "ropeteam-center"))
    assert found
    machine.token = found[1]
    join = re.search(r"--join (\S+)", machine.call("rope", "token", "create", "--process"))
    assert join
    machine.call("sh", "-c", "ln -s /docker.sock /run/docker.sock")
    machine.install("agent", "--center", URL, "--join", join[1], "--name", "n1")
    machine.until(lambda: machine.says("online", "rope", "nodes"), "its node is online")
    for unit in ("center", "agent"):
        pid = machine.call("systemctl", "show", "-P", "MainPID", f"ropeteam-{unit}").strip()
        status = machine.call("cat", f"/proc/{pid}/status")
        assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status, "systemd's filter is on it"
        user = status.split("Uid:\t")[1].split()[0]
        assert (user == "0") == (unit == "agent")
        powers = int(status.split("CapBnd:\t")[1].split()[0], 16)
        assert powers == (0 if unit == "center" else 1 << 2 | 1 << 10), "DAC_READ_SEARCH and NET_BIND_SERVICE"
        security = machine.call("systemd-analyze", "security", "--no-pager", f"ropeteam-{unit}")
        level = re.search(r"Overall exposure level for \S+: ([\d.]+)", security)
        assert level and float(level[1]) < 3.0, security


def test_they_deploy_and_a_restart_touches_nothing(machine: Machine) -> None:
    assert "1 of 1 running on n1" in machine.call("rope", "deploy", "-f", "/root/compose.yaml")
    assert machine.call("rope", "exec", "shop/web", "--", "echo", "hello") == "hello\n"
    ours = [(c["Id"], c["Created"]) for c in machine.host.engine.containers(labels=("ropeteam.project=shop",))]
    machine.call("systemctl", "restart", "ropeteam-agent", "ropeteam-center")
    machine.until(lambda: machine.says("127.0.0.1:", "rope", "ps"), "both are back")
    machine.until(lambda: machine.says("online", "rope", "nodes"), "the node is back")
    assert len(ours) == 1
    assert ours == [(c["Id"], c["Created"]) for c in machine.host.engine.containers(labels=("ropeteam.project=shop",))]
    troubles = machine.call(
        "sh", "-c", "journalctl -u 'ropeteam-*' | grep -iE 'denied|not permitted|traceback' || true"
    )
    assert troubles == ""


def test_what_is_removed_leaves_the_applications(machine: Machine) -> None:
    for part in ("center", "agent"):
        said = machine.install("remove", part)
        assert "Containers of applications go on" in said
        assert not machine.says("active", "systemctl", "is-active", f"ropeteam-{part}")
    assert len(machine.host.engine.containers(labels=("ropeteam.project=shop",))) == 1
    assert machine.says("identity.json", "ls", "/var/lib/ropeteam-agent"), "its key stays, for the next time"
