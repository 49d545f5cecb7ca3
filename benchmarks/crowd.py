"""Thousands of agents in one light process: real sockets, keys, messages and reconnect rules; no engine, no healing.

Run by `Crowd` as `python -m benchmarks.crowd`: a `Crew` on the first line of stdin, then orders, one answer line each.
`join`: all connect, spread over so many seconds; from then on each keeps its rope as an agent does, with a heartbeat
every 5 s ± 10 % and the signs of life between. `watch`: how long answers took, for so long. `back`: wait until every
agent has a newer session than when this was asked. `churn`: from now on so many changes a second (`churn.py`).

Light on purpose: one protocol object for each agent, frames made and masked beforehand, one timer for all. Where the
Center must be believed (its signature), these agents believe it.
"""

import asyncio
import heapq
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.frames import Frame, Opcode

from benchmarks.child import Child, started
from benchmarks.churn import Churn
from benchmarks.fleet import Crew
from benchmarks.row import percentile
from benchmarks.sample import Sample, agent_id, capacity, heartbeat, reports, versions
from nodeagent.pauses import Patience, beat_s
from nodeagent.session import PULSES
from protocol.codec import decode_from_center, encode, pages
from protocol.handshake import agent_claim
from protocol.messages import (
    PROTOCOL,
    SUBPROTOCOL,
    Challenge,
    ComeBack,
    ContainerReport,
    FromAgent,
    Hello,
    Inventory,
    Observed,
    Proof,
    Pulse,
)

PERIOD_S = 5.0
TICK_S = 0.005
CONNECT_S = 10.0
WAIT_S = 120.0
_BEAT = b'{"type":"beat"'
_CHALLENGE = b'{"type":"challenge"'
_COME_BACK = b'{"type":"comeback"'
_DESIRED = b'{"type":"desired"'
_CLOSE = 8
_RETRY_AFTER = re.compile(rb"\r\nretry-after: (\d+)", re.IGNORECASE)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    what: str
    seconds: float = 0.0
    per_s: float = 0.0


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """How it went. `sessions`: that are open now. `answered`: heartbeats; the times from send to answer. `changes`:
    told since the last `churn`.
    """

    sessions: int
    took_s: float
    answered: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    changes: int = 0


class Crowd:
    """The other end: orders to the process."""

    def __init__(self, child: Child, crew: Crew) -> None:
        self.child = child
        self._put(crew)

    def join(self, seconds: float) -> Done:
        """All connect within so many seconds; returns when each has its desired state."""
        return self._do(Order(what="join", seconds=seconds))

    def watch(self, seconds: float) -> Done:
        """How heartbeats are answered for so long."""
        return self._do(Order(what="watch", seconds=seconds))

    def mark(self) -> Done:
        """From here on sessions count for `back`."""
        return self._do(Order(what="mark"))

    def back(self) -> Done:
        """Wait until every agent has a session that began after `mark`; `took_s` counts from `mark`."""
        return self._do(Order(what="back"))

    def churn(self, per_s: float) -> Done:
        """From now on so many changes a second; 0 = none. Tells how many there were since the last time."""
        return self._do(Order(what="churn", per_s=per_s))

    def _do(self, order: Order) -> Done:
        self._put(order)
        return msgspec.json.decode(self.child.line(), type=Done)

    def _put(self, value: Crew | Order) -> None:
        self.child.stdin.write(msgspec.json.encode(value).decode() + "\n")
        self.child.stdin.flush()


@contextmanager
def crowd(crew: Crew) -> Iterator[Crowd]:
    """A process with these agents, not yet connected."""
    with started([sys.executable, "-m", "benchmarks.crowd"]) as child:
        yield Crowd(child, crew)


# -- inside the process ---------------------------------------------------------------------------------------------


def _masked(message: FromAgent) -> bytes:
    return Frame(Opcode.TEXT, encode(message)).serialize(mask=True)


_PULSE = _masked(Pulse())


class _Agent(asyncio.Protocol):
    """One agent and its socket."""

    def __init__(self, boat: "_Boat", number: int) -> None:
        crew = boat.crew
        self._boat = boat
        self.number = number
        self._id = agent_id(number)
        replicas = list(Sample(nodes=crew.nodes, replicas=crew.replicas).on(number))
        self._heartbeat = _masked(heartbeat(self._id, replicas))
        stock = pages(reports(replicas))
        self._inventory = b"".join(_masked(Inventory(containers=tuple(c), last=last)) for c, last in stock)
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(crew.secrets[number]))
        self._patience = Patience()
        self._wish_s: float | None = None
        self._line: asyncio.Transport | None = None
        self._in = b""
        self._nonce = ""
        self.opened_at = 0.0
        self.riding = False
        self._sent_at = 0.0
        self._observed = 0

    async def connect(self) -> None:
        """Try once; a failure is tried again by the rules of agents."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                await loop.create_connection(lambda: self, self._boat.host, self._boat.port)
        except (OSError, TimeoutError):
            self._again(0.0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = cast(asyncio.Transport, transport)
        self._in = b""
        key = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455
        self._line.write(
            f"GET {self._boat.path} HTTP/1.1\r\nHost: {self._boat.host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
        )
        self._nonce = ""

    def data_received(self, data: bytes) -> None:
        data = self._in + data if self._in else data
        if not self._nonce:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._in = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                assert self._line is not None
                asked = _RETRY_AFTER.search(data[:end])
                self._wish_s = float(asked[1]) if asked else None
                self._line.abort()
                return
            data = data[end + 4 :]
            self._hello()
        start, size = 0, len(data)
        while size - start >= 2:
            length, head = data[start + 1], 2
            if length == 126:
                length, head = int.from_bytes(data[start + 2 : start + 4]), 4
            end = start + head + length
            if size - start < head or end > size:
                break
            self._take(data[start] & 15, data[start + head : end])
            start = end
        self._in = data[start:]

    def connection_lost(self, error: Exception | None) -> None:
        held_s = self._boat.clock() - self.opened_at if self.riding else 0.0
        self._line, self.riding = None, False
        self._again(held_s)

    def beat(self, step: int) -> None:
        """Send what is due: a heartbeat, or a sign of life."""
        if self._line is None or not self.riding:
            return
        if step:
            self._line.write(_PULSE)
        else:
            self._sent_at = self._boat.clock()
            self._line.write(self._heartbeat)

    def tell(self, report: ContainerReport) -> bool:
        """Report a change; False when there is no session."""
        if self._line is None or not self.riding:
            return False
        self._observed += 1
        self._line.write(_masked(Observed(seq=self._observed, containers=(report,))))
        return True

    def _again(self, held_s: float) -> None:
        wish_s, self._wish_s = self._wish_s, None
        self._boat.later(self._patience.after(held_s=held_s, wish_s=wish_s), self)

    def _hello(self) -> None:
        assert self._line is not None
        self._nonce = secrets.token_hex(32)
        hello = Hello(
            agent_id=self._id,
            nonce=self._nonce,
            protocol=PROTOCOL,
            boot_id="boot-1",
            versions=versions(),
            capacity=capacity(),
            engine_id=f"engine-{self.number}",
        )
        self._line.write(_masked(hello))

    def _take(self, opcode: int, body: bytes) -> None:
        assert self._line is not None
        if opcode == _CLOSE:
            self._line.abort()
        elif body.startswith(_BEAT):
            self._boat.answered.append(self._boat.clock() - self._sent_at)
        elif body.startswith(_CHALLENGE):
            challenge = decode_from_center(body)
            assert isinstance(challenge, Challenge)
            claim = agent_claim(challenge.cluster, self._id, self._nonce, challenge.nonce)
            self._line.write(_masked(Proof(signature=self._key.sign(claim).hex())) + self._inventory)
        elif body.startswith(_COME_BACK):
            wish = decode_from_center(body)
            assert isinstance(wish, ComeBack)
            self._wish_s = wish.after_s
        elif body.startswith(_DESIRED) and not self.riding:
            self.riding, self.opened_at, self._observed = True, self._boat.clock(), 0
            self._boat.in_beat(self)


class _Boat:
    """All agents of this process, and their one timer."""

    def __init__(self, crew: Crew) -> None:
        where = urlsplit(crew.url)
        self.crew = crew
        self.host, self.port, self.path = where.hostname or "", where.port or 0, where.path
        self.clock = time.perf_counter
        self.answered: list[float] = []
        self._due: list[tuple[float, int, int]] = []
        self._agents = [_Agent(self, number) for number in range(crew.nodes)]
        self._beating: set[int] = set()
        self._connecting: list[tuple[float, int]] = []
        self._marked_at = 0.0
        self._churn = Churn(Sample(nodes=crew.nodes, replicas=crew.replicas), self.clock())

    def later(self, wait_s: float, agent: _Agent) -> None:
        """It connects again after so many seconds."""
        heapq.heappush(self._connecting, (self.clock() + wait_s, agent.number))

    def in_beat(self, agent: _Agent) -> None:
        """Its session is open: its heartbeats begin, at once as those of agents, if it has none yet."""
        number = agent.number
        if number not in self._beating:
            self._beating.add(number)
            heapq.heappush(self._due, (self.clock(), number, 0))

    async def run(self, group: asyncio.TaskGroup) -> None:
        """The timer, until cancelled."""
        while True:
            now = self.clock()
            while self._due and self._due[0][0] <= now:
                due, number, step = heapq.heappop(self._due)
                self._agents[number].beat(step)
                pause_s = beat_s(PERIOD_S / (PULSES + 1))
                heapq.heappush(self._due, (max(due + pause_s, now), number, (step + 1) % (PULSES + 1)))
            while self._connecting and self._connecting[0][0] <= now:
                _, number = heapq.heappop(self._connecting)
                group.create_task(self._agents[number].connect())
            for number, report in self._churn.due(now, time.time()):
                self._agents[number].tell(report)
            await asyncio.sleep(TICK_S)

    async def carry_out(self, order: Order) -> Done:
        """Obey."""
        begun = self.clock()
        match order.what:
            case "join":
                for number, agent in enumerate(self._agents):
                    self.later(order.seconds * number / len(self._agents), agent)
                await self._until_open(0.0)
            case "watch":
                self.answered.clear()
                await asyncio.sleep(order.seconds)
                took = [t * 1e3 for t in self.answered]
                return Done(
                    sessions=self._open(0.0),
                    took_s=self.clock() - begun,
                    answered=len(took),
                    p50_ms=percentile(took, 0.5),
                    p99_ms=percentile(took, 0.99),
                    max_ms=max(took),
                )
            case "mark":
                self._marked_at = begun
            case "churn":
                return Done(sessions=self._open(0.0), took_s=0.0, changes=self._churn.begin(begun, order.per_s))
            case "back":
                await self._until_open(self._marked_at)
                begun = self._marked_at
        return Done(sessions=self._open(0.0), took_s=self.clock() - begun)

    def _open(self, since: float) -> int:
        return sum(a.riding and a.opened_at >= since for a in self._agents)

    async def _until_open(self, since: float) -> None:
        async with asyncio.timeout(WAIT_S):
            while self._open(since) < len(self._agents):  # noqa: ASYNC110 protocols tell nobody
                await asyncio.sleep(0.02)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    boat = _Boat(msgspec.json.decode(sys.stdin.readline(), type=Crew))
    async with asyncio.TaskGroup() as group:
        timer = group.create_task(boat.run(group))
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            done = await boat.carry_out(msgspec.json.decode(line, type=Order))
            print(msgspec.json.encode(done).decode(), flush=True)
        timer.cancel()


if __name__ == "__main__":
    uvloop.run(_main())
