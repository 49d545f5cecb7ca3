"""What the lab needs of the machine, and the exact words when something is missing. Installs nothing."""

import os
import shutil
import struct
from pathlib import Path

from lab import network
from lab.command import LabError, run

PACKAGE_OF = {
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "dockerd": "docker.io",
}
"""Programs that hosts need, with the Debian and Ubuntu package that brings each."""

ELF_INTERPRETER = 3
"""Type of the ELF program header that names a dynamic loader."""


def missing() -> list[str]:
    """What stands in the way of hosts on this machine, one sentence each; empty = all is there."""
    if not os.path.exists("/proc/self/ns/net"):
        return ["this is not Linux with namespaces: hosts need network, mount, PID and UTS namespaces"]
    found: list[str] = []
    if os.geteuid() != 0:
        found.append("not root: hosts need network namespaces and Docker Engines of their own (use sudo)")
    packages = sorted({package for tool, package in PACKAGE_OF.items() if shutil.which(tool) is None})
    if packages:
        tools = ", ".join(tool for tool in PACKAGE_OF if shutil.which(tool) is None)
        found.append(f"not installed: {tools} (apt-get install --no-install-recommends {' '.join(packages)})")
    if not found and (reason := _no_namespaces()):
        found.append(f"this machine does not let root make namespaces (a container without --privileged?): {reason}")
    return found


def require() -> None:
    """Raise LabError with everything that is missing."""
    if found := missing():
        raise LabError("the lab cannot run here: " + "; ".join(found))


def static_busybox() -> Path:
    """The static BusyBox that images are made of. Raises LabError when there is none, or only a dynamic one."""
    for folder in ("/bin", "/usr/bin", "/usr/local/bin"):
        path = Path(folder) / "busybox"
        if path.exists() and _is_static(path):
            return path
    raise LabError("no static busybox here (apt-get install busybox-static)")


def _is_static(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF" or head[4] != 2:  # 64-bit only
            return False
        order = "<" if head[5] == 1 else ">"
        offset = struct.unpack_from(order + "Q", head, 32)[0]
        size, count = struct.unpack_from(order + "HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
    kinds = (struct.unpack_from(order + "I", table, i * size)[0] for i in range(count))
    return ELF_INTERPRETER not in kinds


def _no_namespaces() -> str:
    """Why namespaces cannot be made here, "" when they can."""
    probe = f"rope-probe-{os.getpid()}"
    try:
        run("ip", "netns", "add", probe)
        try:
            path = network.namespace_path(probe)
            run("nsenter", f"--net={path}", "unshare", "--mount", "--pid", "--fork", "true")
        finally:
            run("ip", "netns", "del", probe)
    except LabError as error:
        return str(error)
    return ""
