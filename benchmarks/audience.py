"""Open dashboards without a browser: the sockets of pages in one light process that reads every frame and counts.

Run by `Audience` as `python -m benchmarks.audience`: a `Hall` on the first line of stdin, then orders, one answer line
each. `open`: all connect; returns when each has its first frame. `watch`: what came for so long.
A frame's marks (`churn.MARK`) tell how long it took from the agent's word to the page.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.child import Child, started
from benchmarks.churn import MARK
from benchmarks.row import percentile

OPEN_S = 120.0
_CLOSE = 8
_TEXT = 1


class Hall(msgspec.Struct, frozen=True, kw_only=True):
    """Who watches what. `pages`: the query of `/live` of each; `cookie`: of a browser that is signed in."""

    url: str
    cookie: str
    pages: list[str]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    what: str
    seconds: float = 0.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What came. `frames`: of each page, in the order of `Hall.pages`; those that say nothing new (`{}`) are not in
    it. `marks`: how many marks were seen; the times from the word of the agent to the page. `longest_s`: that a page
    heard nothing at all.
    """

    took_s: float
    frames: list[int] = []
    bytes: int = 0
    marks: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    max_ms: float = 0.0
    longest_s: float = 0.0
    closed: int = 0


class Audience:
    """The other end: orders to the process."""

    def __init__(self, child: Child, hall: Hall) -> None:
        self.child = child
        self._put(hall)

    def open(self) -> Seen:
        """All connect; returns when each has its first frame."""
        return self._do(Order(what="open"))

    def watch(self, seconds: float) -> Seen:
        """What comes for so long."""
        return self._do(Order(what="watch", seconds=seconds))

    def _do(self, order: Order) -> Seen:
        self._put(order)
        return msgspec.json.decode(self.child.line(), type=Seen)

    def _put(self, value: Hall | Order) -> None:
        self.child.stdin.write(msgspec.json.encode(value).decode() + "\n")
        self.child.stdin.flush()


@contextmanager
def audience(hall: Hall) -> Iterator[Audience]:
    """A process with these pages, not yet open."""
    with started([sys.executable, "-m", "benchmarks.audience"]) as child:
        yield Audience(child, hall)


# -- inside the process ---------------------------------------------------------------------------------------------


class _Page(asyncio.Protocol):
    """One socket."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._in = bytearray()
        self._upgraded = False
        self._mark = b""
        self.closed = False
        self.clear()

    def clear(self) -> None:
        """Count from here."""
        self.frames, self.bytes, self.longest_s = 0, 0, 0.0
        self.took_s: list[float] = []
        self._heard_at = time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = cast(asyncio.Transport, transport)
        self._line.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True

    def data_received(self, data: bytes) -> None:
        self._in += data
        if not self._upgraded:
            end = self._in.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._in.startswith(b"HTTP/1.1 101"):
                raise RuntimeError(f"refused: {bytes(self._in[:200])!r}")
            self._upgraded = True
            del self._in[: end + 4]
        start, size = 0, len(self._in)
        while size - start >= 2:
            length, head = self._in[start + 1], 2
            if length >= 126:
                head = 4 if length == 126 else 10
                length = int.from_bytes(self._in[start + 2 : start + head])
            end = start + head + length
            if size - start < head or end > size:
                break
            self._take(self._in[start] & 15, bytes(self._in[start + head : end]))
            start = end
        del self._in[:start]

    def _take(self, opcode: int, body: bytes) -> None:
        now = time.perf_counter()
        self.longest_s, self._heard_at = max(self.longest_s, now - self._heard_at), now
        if opcode == _CLOSE:
            self._line.abort()
        elif opcode == _TEXT and len(body) > 2:
            self.frames += 1
            self.bytes += len(body)
            found = MARK.search(body)
            if found is not None and found[1] != self._mark:
                self._mark = found[1]
                self.took_s.append(time.time() - float(self._mark))


def _request(hall: Hall, query: str) -> bytes:
    host = urlsplit(hall.url).netloc
    key = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455
    return (
        f"GET /live?{query} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nOrigin: {hall.url}\r\n"
        f"Cookie: {hall.cookie}\r\n\r\n"
    ).encode()


async def _open(hall: Hall, pages: Sequence[_Page]) -> Seen:
    loop, where, begun = asyncio.get_running_loop(), urlsplit(hall.url), time.perf_counter()
    host, port = where.hostname or "", where.port or 80
    async with asyncio.timeout(OPEN_S):
        for page in pages:
            await loop.create_connection(lambda page=page: page, host, port)  # type: ignore[misc]  # the loop's own name
        while not all(p.frames for p in pages):  # noqa: ASYNC110 protocols tell nobody
            await asyncio.sleep(0.02)
    return Seen(took_s=time.perf_counter() - begun)


async def _watch(pages: Sequence[_Page], seconds: float) -> Seen:
    for page in pages:
        page.clear()
    begun = time.perf_counter()
    await asyncio.sleep(seconds)
    took = [t * 1e3 for p in pages for t in p.took_s] or [0.0]
    return Seen(
        took_s=time.perf_counter() - begun,
        frames=[p.frames for p in pages],
        bytes=sum(p.bytes for p in pages),
        marks=sum(len(p.took_s) for p in pages),
        p50_ms=percentile(took, 0.5),
        p95_ms=percentile(took, 0.95),
        max_ms=max(took),
        longest_s=max(p.longest_s for p in pages),
        closed=sum(p.closed for p in pages),
    )


async def _main() -> None:
    loop = asyncio.get_running_loop()
    hall = msgspec.json.decode(sys.stdin.readline(), type=Hall)
    pages = [_Page(_request(hall, query)) for query in hall.pages]
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = msgspec.json.decode(line, type=Order)
        done = await (_open(hall, pages) if order.what == "open" else _watch(pages, order.seconds))
        print(msgspec.json.encode(done).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(_main())
