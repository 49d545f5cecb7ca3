"""The last lines out of Docker's log stream. Pure; keeps no more than what it will give back.

Docker frames the output of a container without a terminal: stream (1 byte), 3 zero bytes, length (4 bytes, big
endian), payload (docs.docker.com, ContainerAttach). Neither frames nor lines have a limit we could trust.
"""

from collections import deque

from nodeagent.docker.text import TEXT_MAX, clean

_HEADER = 8
_RAW_MAX = TEXT_MAX * 8
"""Bytes kept of a line that has not ended: enough for TEXT_MAX characters after cleaning."""


class LogTail:
    """Feed it the stream in pieces of any size; `lines()` gives the last ones."""

    def __init__(self, lines_max: int) -> None:
        self._lines: deque[str] = deque(maxlen=max(0, lines_max))
        self._open: dict[int, bytearray] = {}
        self._header = bytearray()
        self._left = 0
        self._stream = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
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
            self._payload(take)

    def lines(self) -> tuple[str, ...]:
        """The last lines, oldest first, with those that have not ended."""
        rest = [_text(line) for line in self._open.values() if line]
        kept = self._lines.maxlen or 0
        return tuple([*self._lines, *rest][-kept:]) if kept else ()

    def _payload(self, data: bytes) -> None:
        line = self._open.setdefault(self._stream, bytearray())
        for index, piece in enumerate(data.split(b"\n")):
            if index:
                self._lines.append(_text(line))
                line.clear()
            line += piece[: max(0, _RAW_MAX - len(line))]


def _text(line: bytearray) -> str:
    return clean(line.decode(errors="replace"))
