"""Docker's log stream taken apart: the last lines for a report, or whole lines as they travel to people. Pure.

Docker frames the output of a container without a terminal: stream (1 byte), 3 zero bytes, length (4 bytes, big
endian), payload (docs.docker.com, ContainerAttach). Neither frames nor lines have a limit we could trust.
"""

from collections import deque
from collections.abc import Iterator

from nodeagent.docker.text import TEXT_MAX, clean

LINE_BYTES_MAX = 8 * 1024
"""Bytes kept of a line that travels; Docker itself cuts longer ones into entries of 16 KiB."""
_HEADER = 8
_RAW_MAX = TEXT_MAX * 8
"""Bytes kept of a line that has not ended: enough for TEXT_MAX characters after cleaning."""
_PREFIX = {1: b"o", 2: b"e"}


class Unframed:
    """Feed it the stream in pieces of any size; gives the payloads as (stream, bytes)."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._left = 0
        self._stream = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The payloads in the next bytes of the stream."""
        at = 0
        while at < len(data):
            if self._left == 0:
                take = data[at : at + _HEADER - len(self._header)]
                self._header += take
                at += len(take)
                if len(self._header) == _HEADER:
                    self._stream = self._header[0]
                    self._left = int.from_bytes(self._header[4:], "big")
                    self._header.clear()
                continue
            take = data[at : at + self._left]
            at += len(take)
            self._left -= len(take)
            yield self._stream, take


class LogTail:
    """Feed it the stream in pieces of any size; `lines()` gives the last ones."""

    def __init__(self, lines_max: int) -> None:
        self._lines: deque[str] = deque(maxlen=max(0, lines_max))
        self._open: dict[int, bytearray] = {}
        self._unframed = Unframed()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        for stream, payload in self._unframed.feed(data):
            line = self._open.setdefault(stream, bytearray())
            for index, piece in enumerate(payload.split(b"\n")):
                if index:
                    self._lines.append(_text(line))
                    line.clear()
                line += piece[: max(0, _RAW_MAX - len(line))]

    def lines(self) -> tuple[str, ...]:
        """The last lines, oldest first, with those that have not ended."""
        rest = [_text(line) for line in self._open.values() if line]
        kept = self._lines.maxlen or 0
        return tuple([*self._lines, *rest][-kept:]) if kept else ()


class LogLines:
    """Turns a stream with timestamps into lines as `protocol.streams.OpenLogs` says: what is open is held back."""

    def __init__(self) -> None:
        self._open: dict[int, bytearray] = {}
        self._unframed = Unframed()

    def feed(self, data: bytes) -> bytes:
        """The lines that the next bytes of the stream complete, b"" when there are none."""
        found: list[bytes] = []
        for stream, payload in self._unframed.feed(data):
            prefix = _PREFIX.get(stream)
            if prefix is None:
                continue
            line = self._open.setdefault(stream, bytearray())
            *ended, rest = payload.split(b"\n")
            for piece in ended:
                line += piece[: max(0, LINE_BYTES_MAX - len(line))]
                found += (prefix, bytes(line), b"\n")
                line.clear()
            line += rest[: max(0, LINE_BYTES_MAX - len(line))]
        return b"".join(found)

    def rest(self) -> bytes:
        """The lines that have not ended, when the stream has."""
        found = [_PREFIX[stream] + bytes(line) + b"\n" for stream, line in sorted(self._open.items()) if line]
        self._open.clear()
        return b"".join(found)


def _text(line: bytearray) -> str:
    return clean(line.decode(errors="replace"))
