"""How lines of logs look: a prefix with replica and node in the replica's colour, the text made harmless. Pure."""

import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from protocol.loglines import NS
from ropeteam.merging import Copy, Entry
from ropeteam.plain import RESET, plain

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_DIM = "\x1b[2m"


class Look:
    """`colours`: where they are wanted. `stamps`: show the time of each line, in local time."""

    def __init__(self, *, colours: bool, stamps: bool) -> None:
        self._colours = colours
        self._stamps = stamps
        self._width = 0

    def lines(self, entries: Iterable[Entry]) -> list[str]:
        """For people. Prefixes are as wide as the widest so far, so that texts stand below each other."""
        found = list(entries)
        names = [f"{e.copy.service}/{e.copy.replica} {e.copy.node}" for e in found]
        self._width = max([self._width, *map(len, names)])
        return [self._line(entry, name) for entry, name in zip(found, names, strict=True)]

    def _line(self, entry: Entry, name: str) -> str:
        text = plain(entry.line.text.decode(errors="replace"), colours=self._colours)
        stamp = f"{local(entry.line.at_ns)} " if self._stamps and entry.line.at_ns else ""
        prefix = f"{name:<{self._width}} |"
        if not self._colours:
            return f"{prefix} {stamp}{text}"
        return f"\x1b[{colour(entry.copy)}m{prefix}{RESET} {_DIM + stamp + RESET if stamp else ''}{text}"


def record(entry: Entry) -> dict[str, object]:
    """A line as an object, for `-o json`."""
    line, copy = entry
    return {
        "at": utc(line.at_ns),
        "project": copy.project,
        "service": copy.service,
        "replica": copy.replica,
        "epoch": copy.epoch,
        "node": copy.node,
        "stream": "stderr" if line.stderr else "stdout",
        "text": line.text.decode(errors="replace"),
    }


def colour(copy: Copy) -> int:
    """The same for a replica each time."""
    return _COLOURS[zlib.crc32(f"{copy.service}/{copy.replica}".encode()) % len(_COLOURS)]


def utc(at_ns: int) -> str:
    """`2026-11-22T20:47:54.123456789Z`."""
    return f"{datetime.fromtimestamp(at_ns // NS, UTC):%Y-%m-%dT%H:%M:%S}.{at_ns % NS:09d}Z"


def local(at_ns: int, zone: Callable[[datetime], datetime] = datetime.astimezone) -> str:
    """`2026-11-22 21:47:54.123`, where the person is."""
    return f"{zone(datetime.fromtimestamp(at_ns // NS, UTC)):%Y-%m-%d %H:%M:%S}.{at_ns % NS // 10**6:03d}"
