"""Lines of logs as they travel (`protocol.streams.OpenLogs`): read, compare by time, keep the last. Pure.

`o` or `e`, a time in RFC 3339 with nanoseconds in UTC, a space, the text, a line feed. Written by agents; hostile.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

NS = 10**9
_LOOK_BYTES = 16 * 1024
"""So far back the newest line of a channel is looked for."""
_STAMP = 30
"""Characters of a time: 2026-11-22T20:47:54.123456789Z."""


class LogLine(NamedTuple):
    """One line. `at_ns`: wall nanoseconds, 0 when it has no time. `stderr`: which channel. `text`: without its end."""

    at_ns: int
    stderr: bool
    text: bytes


def parse(line: bytes) -> LogLine:
    """A line without its line feed. One that is not as it should be has no time, and is all text."""
    at_ns = stamp_ns(line)
    if not at_ns:
        return LogLine(0, line[:1] == b"e", line[1:])
    return LogLine(at_ns, line[:1] == b"e", line[_STAMP + 2 :])


def stamp_ns(line: bytes) -> int:
    """When a line was written, wall nanoseconds; 0 when it does not say."""
    stamp = line[1 : _STAMP + 1]
    if len(stamp) != _STAMP or stamp[19:20] != b"." or stamp[-1:] != b"Z" or not stamp[20:29].isdigit():
        return 0
    try:
        seconds = datetime.fromisoformat(stamp[:19].decode("ascii") + "+00:00").timestamp()
    except ValueError:
        return 0
    return int(seconds) * NS + int(stamp[20:29])


def last_stamp_ns(lines: bytes) -> int:
    """When the last of whole lines was written; 0 when none says."""
    at = lines.rfind(b"\n", 0, -1)
    return stamp_ns(lines[at + 1 :])


def fresh_lines(kept: bytes, new: bytes) -> bytes:
    """The lines of `new` that are not among the whole lines `kept`. Times grow in each channel by itself, for Docker
    reads stdout and stderr side by side.
    """
    last: dict[bytes, int] = {}
    for line in reversed(kept[-_LOOK_BYTES:].split(b"\n")):
        if line[:1] not in last and (at_ns := stamp_ns(line)):
            last[line[:1]] = at_ns
            if len(last) == 2:
                break
    found = [line for line in new.split(b"\n")[:-1] if not last.get(line[:1]) or stamp_ns(line) > last[line[:1]]]
    return b"".join(line + b"\n" for line in found)


def last_lines(lines: bytes, count: int, since_ns: int = 0) -> bytes:
    """The last `count` (-1 = all) of whole lines, none of them from before `since_ns`."""
    found = lines.split(b"\n")[:-1]
    if count >= 0:
        found = found[len(found) - min(count, len(found)) :]
    return b"".join(line + b"\n" for line in found if not since_ns or stamp_ns(line) >= since_ns)


def cut_front(lines: bytes, size_max: int) -> bytes:
    """The last whole lines that fit into so many bytes."""
    if len(lines) <= size_max:
        return lines
    return lines[lines.find(b"\n", len(lines) - size_max - 1) + 1 :]


class Lines:
    """Puts pieces of any size together again into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that are whole now, without their line feeds."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        yield from whole
