"""The machine under the figures: what it is, and how busy it was with other work."""

import os
import platform
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types

PULSE_S = 0.25
"""As the Center's own `Pulse`."""
_PACKAGES = ("uvloop", "uvicorn", "starlette", "websockets", "msgspec", "aiosqlite")


def describe() -> str:
    """Cores, memory, system and versions, in one sentence."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{psutil.cpu_count()} cores ({_processor()}), {psutil.virtual_memory().total / 2**30:.0f} GiB, {_system()}, "
        f"kernel {platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}"
    )


class Others:
    """What others use of the machine, from now on. Children count as ours once they have ended."""

    def __init__(self) -> None:
        self._busy, self._ours, self._at = _busy_s(), _ours_s(), time.perf_counter()

    def percent(self) -> float:
        """Share of all cores since the beginning."""
        spent = (_busy_s() - self._busy) - (_ours_s() - self._ours)
        return float(max(0.0, spent / (time.perf_counter() - self._at) / psutil.cpu_count() * 100))


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _ours_s() -> float:
    return sum(os.times()[:4])


def today() -> str:
    """The date, UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime())


@contextmanager
def lateness() -> Iterator[list[float]]:
    """How late this process wakes, in ms, while it does nothing else: the share of the machine in what others see."""
    late: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            due = time.perf_counter() + PULSE_S
            ended.wait(PULSE_S)
            late.append((time.perf_counter() - due) * 1e3)

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield late
    finally:
        ended.set()
        watch.join()


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()
