"""What the driver turns inside a tortured process, through files in one folder: points of death, wall clock, boot id.

The product has no hooks: `center.py` and `agent.py` put these around its functions before they start it.
"""

import ctypes
import functools
import mmap
import os
import signal
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

POINT = "point"
"""Holds `NAME COUNT`: die at the COUNTth time this point is passed, counted from when the file was written."""

OFFSET = "offset"
"""Eight bytes, a double: seconds that this process's wall clock is wrong."""

BOOT = "boot"

PR_SET_PDEATHSIG = 1  # of linux/prctl.h

CENTER_POINTS = ("COMMIT", "store", "send", "answer")
AGENT_POINTS = ("create", "start", "stop", "restart", "remove", "save-memory", "save-task", "frame")
"""Named points of either process; it can die before or after each."""


class Knobs:
    """The folder of one process, as that process sees it."""

    def __init__(self, folder: Path) -> None:
        self._point = folder / POINT
        self._boot = folder / BOOT
        self._armed = ""
        self._left = 0
        with (folder / OFFSET).open("rb") as file:
            self._offset = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

    def die_with_driver(self) -> None:
        """From now on the kernel kills this process when the one that started it is gone: nothing outlives a run."""
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), "prctl")

    def hit(self, name: str) -> None:
        """The process passes this point. Does not return when it is time to die."""
        try:
            armed = self._point.read_text()
        except OSError:
            self._armed = ""
            return
        wanted, _, count = armed.partition(" ")
        if wanted != name:
            return
        if armed != self._armed:
            self._armed, self._left = armed, int(count)
        self._left -= 1
        if self._left <= 0:
            self._point.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def bend_clock(self) -> None:
        """From now on `time.time` is wrong by what the driver says; monotonic clocks are not."""
        true = time.time

        def bent() -> float:
            return true() + float(struct.unpack("d", self._offset[:8])[0])

        time.time = bent

    def boot_id(self, *, own_init: bool = True) -> str:
        """Which boot of the machine this is, whether or not its process 1 counts."""
        return self._boot.read_text()

    def around(self, name: str, inner: Callable[P, R]) -> Callable[P, R]:
        """`inner`, with the points `before-NAME` and `after-NAME`."""

        @functools.wraps(inner)
        def outer(*args: P.args, **kwargs: P.kwargs) -> R:
            self.hit(f"before-{name}")
            result = inner(*args, **kwargs)
            self.hit(f"after-{name}")
            return result

        return outer

    def around_async(self, name: str, inner: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        """The same for a coroutine function."""

        @functools.wraps(inner)
        async def outer(*args: P.args, **kwargs: P.kwargs) -> R:
            self.hit(f"before-{name}")
            result = await inner(*args, **kwargs)
            self.hit(f"after-{name}")
            return result

        return outer


def make_folder(folder: Path) -> None:
    """What `Knobs` needs to begin with; called by the driver."""
    folder.mkdir(parents=True, exist_ok=True)
    set_offset(folder, 0.0)
    set_boot(folder, "boot-1")


def set_offset(folder: Path, seconds: float) -> None:
    """Bend the wall clock of a process, at once."""
    path = folder / OFFSET
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, struct.pack("d", seconds), 0)
    finally:
        os.close(descriptor)


def set_boot(folder: Path, boot: str) -> None:
    """What the next start shall take for the machine's boot id."""
    (folder / BOOT).write_text(boot)


def arm(folder: Path, name: str, count: int) -> None:
    """Die at this point. The file appears whole."""
    beside = folder / "point.new"
    beside.write_text(f"{name} {count}")
    beside.replace(folder / POINT)


def disarm(folder: Path) -> bool:
    """Take the point back; False when it was passed already."""
    try:
        (folder / POINT).unlink()
    except FileNotFoundError:
        return False
    return True
