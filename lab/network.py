"""The lab's wires: one bridge, one network namespace and one veth pair per host, one kernel setting.

Knows nothing of engines. The setting (`bridge-nf-call-iptables`) is shared by every lab of the machine: the first one
that needs it remembers the former value, the last one that leaves puts it back.
"""

import fcntl
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.command import LabError, run, succeeds

BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
SHARED = Path("/run/rope-lab")
"""Former value of the kernel setting, and one file per lab that needs it changed."""


class Taken(LabError):
    """The name or the addresses of a bridge are in use."""


def namespace_path(namespace: str) -> Path:
    """The file that stands for a named network namespace."""
    return Path("/run/netns") / namespace


def exists(device: str) -> bool:
    """True when the machine has a network device of that name."""
    return (Path("/sys/class/net") / device).exists()


def add_bridge(bridge: str, address: str) -> None:
    """Create the bridge with an IPv4 address like `10.77.0.1/24`. Raises Taken when name or addresses are in use."""
    subnet = str(ipaddress.IPv4Interface(address).network)
    if used := run("ip", "route", "show", "root", subnet).strip():
        raise Taken(f"the addresses {subnet} are in use on this machine: {used}")
    # With an own hardware address: otherwise a bridge takes the lowest of its ports', and changes it as hosts come and
    # go, which cuts the others off until their neighbour tables age.
    try:
        run("ip", "link", "add", bridge, "address", mac(address), "type", "bridge")
    except LabError:
        if not exists(bridge):
            raise
        raise Taken(f"a network device {bridge} exists: take the old lab down first, or choose another name") from None
    run("ip", "addr", "add", address, "dev", bridge)
    run("ip", "link", "set", bridge, "up")


def mac(address: str) -> str:
    """A hardware address made of the IPv4 address, so that a host that boots again is not a stranger to its peers."""
    return "02:0a:" + ":".join(f"{int(number):02x}" for number in address.partition("/")[0].split("."))


def add_host(namespace: str, link: str, bridge: str, address: str, gateway: str) -> None:
    """Create a network namespace whose eth0 (`address` like `10.77.0.11/24`) hangs on the bridge by `link`."""
    run("ip", "netns", "add", namespace)
    run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "address", mac(address), "netns", namespace)
    run("ip", "link", "set", link, "master", bridge, "up")
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    run("ip", "-n", namespace, "addr", "add", address, "dev", "eth0")
    run("ip", "-n", namespace, "link", "set", "eth0", "up")
    run("ip", "-n", namespace, "route", "add", "default", "via", gateway)


def set_link(link: str, *, up: bool) -> None:
    """Plug the cable in, or pull it. Raises LabError when there is no such link."""
    run("ip", "link", "set", link, "up" if up else "down")


def set_bridge(link: str, bridge: str | None) -> None:
    """Hang the link on a bridge, or on nothing: then both ends stay up, and what is sent is lost without a word."""
    run("ip", "link", "set", link, *(("nomaster",) if bridge is None else ("master", bridge)))


def namespaces(prefix: str) -> list[str]:
    """Named network namespaces that begin with `prefix`."""
    folder = Path("/run/netns")
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(prefix)) if folder.is_dir() else []


def pids_in(namespace: str) -> list[int]:
    """Processes in a network namespace."""
    return [int(text) for text in run("ip", "netns", "pids", namespace).split()]


def remove_host(namespace: str, link: str) -> None:
    """Remove the namespace and its link; what is gone already is fine."""
    succeeds("ip", "link", "del", link)
    if namespace_path(namespace).exists():
        run("ip", "netns", "del", namespace)


def remove_bridge(bridge: str) -> None:
    """Remove the bridge; gone already is fine."""
    succeeds("ip", "link", "del", bridge)


def let_bridges_pass(user: str) -> None:
    """Keep the machine's firewall away from frames that a bridge only passes on.

    An engine outside the lab sets FORWARD to DROP, which would cut the hosts from each other. Call it again after
    engines have started: they load the kernel module that brings this setting.
    """
    if not BRIDGE_FILTER.exists():
        return
    with _shared():
        former = SHARED / "bridge-nf-call-iptables"
        if not former.exists():
            former.write_text(BRIDGE_FILTER.read_text())
        (SHARED / f"user-{user}").touch()
        if BRIDGE_FILTER.read_text().strip() != "0":
            BRIDGE_FILTER.write_text("0")


def restore_bridges(user: str) -> None:
    """Forget this user of the setting; the last one puts the former value back."""
    if not SHARED.exists():
        return
    with _shared():
        (SHARED / f"user-{user}").unlink(missing_ok=True)
        former = SHARED / "bridge-nf-call-iptables"
        if list(SHARED.glob("user-*")):
            return
        if former.exists() and BRIDGE_FILTER.exists():
            BRIDGE_FILTER.write_text(former.read_text())
        former.unlink(missing_ok=True)
        (SHARED / "lock").unlink(missing_ok=True)
    with suppress(OSError):
        SHARED.rmdir()


@contextmanager
def _shared() -> Iterator[None]:
    SHARED.mkdir(exist_ok=True)
    with (SHARED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
