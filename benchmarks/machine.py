"""The machine under the figures: what it is, and how busy it was with other work."""

import platform
import sqlite3
import time
from importlib import metadata
from pathlib import Path

import psutil  # type: ignore[import-untyped]

LOOK_S = 0.5
_PACKAGES = ("uvloop", "uvicorn", "starlette", "websockets", "msgspec", "aiosqlite")


def describe() -> str:
    """Cores, memory, system and versions, in one sentence."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{psutil.cpu_count()} cores ({_processor()}), {psutil.virtual_memory().total / 2**30:.0f} GiB, {_system()}, "
        f"kernel {platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}"
    )


def busy_percent() -> float:
    """Share of all cores that others use just now, while we do nothing."""
    return float(psutil.cpu_percent(LOOK_S))


def today() -> str:
    """The date, UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()
