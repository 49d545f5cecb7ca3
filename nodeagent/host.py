"""What this machine is: which boot it is in, and that only one agent uses a data folder. The edge to /proc."""

import fcntl
import os
from pathlib import Path
from typing import BinaryIO

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_INIT = Path("/proc/1/stat")
_START_TIME_FIELD = 19
"""Of `stat`, counted after the command's name in brackets."""


def boot_id(*, own_init: bool = True) -> str:
    """Differs after a restart of the machine, and with `own_init` of the namespace the agent lives in: its process 1 is
    another one then. Without, for an agent that is process 1 itself: its restart is no boot.
    """
    try:
        kernel = _BOOT_ID.read_text().strip()
        if not own_init:
            return kernel
        init = _INIT.read_text().rpartition(")")[2].split()[_START_TIME_FIELD]
    except (OSError, IndexError):
        return ""
    return f"{kernel}-{init}"


class FolderBusy(Exception):
    """Another agent uses the data folder."""


def claim_folder(folder: Path) -> BinaryIO:
    """Make the folder (0700) and lock it for the life of the answered file. Raises FolderBusy, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = open(folder / "lock", "wb")  # noqa: SIM115  held open for the life of the process
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise FolderBusy(f"another agent uses {folder}; give each its own --data") from error
    os.set_inheritable(lock.fileno(), False)
    return lock
