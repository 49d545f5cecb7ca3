"""Simulated agents in a process of their own: real sockets, real keys, the real messages; no engine, no healing.

Run by `Fleet` as `python -m benchmarks.fleet`: a `Crew` on the first line of stdin, then orders, one answer line each.
`connect`: all at once; `beat`: heartbeats for so long; `cut`: all connections break.
"""

import asyncio
import random
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from benchmarks.child import Child, started
from benchmarks.row import percentile
from benchmarks.sample import Sample, agent_id, capacity, heartbeat, reports, versions
from protocol.codec import FRAME_MAX, decode_from_center, encode, pages
from protocol.handshake import agent_claim, center_claim
from protocol.messages import (
    PROTOCOL,
    SUBPROTOCOL,
    Beat,
    Challenge,
    Desired,
    FromAgent,
    FromCenter,
    Hello,
    Inventory,
    Proof,
    Pulse,
    Welcome,
)

WAIT_S = 30.0

M = TypeVar("M", bound=FromCenter)


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """Who connects to what. `secrets`: private keys, hex; none = the peer is the reference, which has no handshake."""

    url: str
    nodes: int
    replicas: int
    center_key: str = ""
    secrets: list[str] = []


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. `seconds`, `period_s`, and `pulses` between two heartbeats: for `beat`."""

    what: str
    seconds: float = 0.0
    period_s: float = 1.0
    pulses: int = 0


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """How it went. `answered`: sessions opened, or heartbeats answered. `p50_ms`, `p99_ms`: from send to answer."""

    answered: int
    took_s: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0


class Fleet:
    """The other end: orders to the process."""

    def __init__(self, child: Child, crew: Crew) -> None:
        self._child = child
        self._put(crew)

    def connect(self) -> Done:
        """Open all sessions at once; returns when each has its desired state."""
        return self._do(Order(what="connect"))

    def beat(self, seconds: float, period_s: float = 1.0, pulses: int = 0) -> Done:
        """Every agent sends its heartbeat each `period_s` at a phase of its own, with signs of life between."""
        return self._do(Order(what="beat", seconds=seconds, period_s=period_s, pulses=pulses))

    def cut(self) -> Done:
        """Break all connections without a word."""
        return self._do(Order(what="cut"))

    def _do(self, order: Order) -> Done:
        self._put(order)
        return msgspec.json.decode(self._child.line(), type=Done)

    def _put(self, value: Crew | Order) -> None:
        self._child.stdin.write(msgspec.json.encode(value).decode() + "\n")
        self._child.stdin.flush()


@contextmanager
def fleet(crew: Crew) -> Iterator[Fleet]:
    """A client process with these agents, not yet connected."""
    with started([sys.executable, "-m", "benchmarks.fleet"]) as child:
        yield Fleet(child, crew)


# -- inside the process ---------------------------------------------------------------------------------------------


class _Agent:
    """One agent; `socket` is None while it is not connected."""

    def __init__(self, crew: Crew, number: int) -> None:
        self._crew = crew
        self._id = agent_id(number)
        self._number = number
        sample = Sample(nodes=crew.nodes, replicas=crew.replicas)
        self._replicas = list(sample.on(number))
        self._beat = heartbeat(self._id, self._replicas)
        self._seq = 0
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(crew.secrets[number])) if crew.secrets else None
        self._socket: ClientConnection | None = None

    async def open(self) -> None:
        self._socket = await self._connected()
        hello = self._hello()
        await self._send(hello)
        if self._key is not None:
            await self._prove(self._key, hello)
            for containers, last in pages(reports(self._replicas)):
                await self._send(Inventory(containers=tuple(containers), last=last))
        await self._until(Welcome)
        if self._key is not None:
            desired = await self._until(Desired)
            if len(desired.replicas) != len(self._replicas):
                raise AssertionError(f"{len(desired.replicas)} replicas are wanted, not {len(self._replicas)}")

    async def _connected(self) -> ClientConnection:
        """The open socket; a Center that is busy is asked again, as agents do."""
        while True:
            try:
                return await self._connect()
            except InvalidStatus as busy:
                if busy.response.status_code != 503:
                    raise
                await asyncio.sleep(random.random())  # noqa: S311 jitter, not a secret

    async def _connect(self) -> ClientConnection:
        return await connect(
            self._crew.url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            ping_interval=None,
            max_size=FRAME_MAX,
            open_timeout=WAIT_S,
        )

    async def beat(self, order: Order) -> list[float]:
        """Send until the time is over; the seconds from each frame to its answer."""
        took: list[float] = []
        clock = time.perf_counter
        end = clock() + order.seconds
        due = clock() + random.random() * order.period_s  # noqa: S311 a phase, not a secret
        while due < end:
            await asyncio.sleep(due - clock())
            due += order.period_s
            self._seq += 1
            sent = clock()
            await self._send(msgspec.structs.replace(self._beat, seq=self._seq))
            while (await self._until(Beat)).seq != self._seq:
                pass
            took.append(clock() - sent)
            for number in range(order.pulses):
                await asyncio.sleep(sent + order.period_s * (number + 1) / (order.pulses + 1) - clock())
                await self._send(Pulse())
        return took

    async def cut(self) -> None:
        """The line breaks: no goodbye, no close frame."""
        assert self._socket is not None
        self._socket.transport.abort()
        await self._socket.wait_closed()
        self._socket = None

    def _hello(self) -> Hello:
        return Hello(
            agent_id=self._id,
            nonce=secrets.token_hex(32),
            protocol=PROTOCOL,
            boot_id="boot-1",
            versions=versions(),
            capacity=capacity(),
            engine_id=f"engine-{self._number}",
        )

    async def _prove(self, key: Ed25519PrivateKey, hello: Hello) -> None:
        challenge = await self._until(Challenge)
        claim = (challenge.cluster, self._id, hello.nonce, challenge.nonce)
        center = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._crew.center_key))
        center.verify(bytes.fromhex(challenge.signature), center_claim(*claim))
        await self._send(Proof(signature=key.sign(agent_claim(*claim)).hex()))

    async def _send(self, message: FromAgent) -> None:
        assert self._socket is not None
        await self._socket.send(encode(message), text=True)

    async def _until(self, kind: type[M]) -> M:
        """The next message of that kind; others are passed over."""
        assert self._socket is not None
        while True:
            message = decode_from_center(await self._socket.recv(decode=False))
            if isinstance(message, kind):
                return message


async def _carry_out(agents: Sequence[_Agent], order: Order) -> Done:
    begun = time.perf_counter()
    took: list[float] = []
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        match order.what:
            case "connect":
                waits = [group.create_task(a.open()) for a in agents]
            case "beat":
                beats = [group.create_task(a.beat(order)) for a in agents]
            case "cut":
                waits = [group.create_task(a.cut()) for a in agents]
    took_s = time.perf_counter() - begun
    if order.what != "beat":
        return Done(answered=len(waits), took_s=took_s)
    took = [t * 1e3 for task in beats for t in task.result()]
    return Done(answered=len(took), took_s=took_s, p50_ms=percentile(took, 0.5), p99_ms=percentile(took, 0.99))


async def _main() -> None:
    loop = asyncio.get_running_loop()
    crew = msgspec.json.decode(sys.stdin.readline(), type=Crew)
    agents = [_Agent(crew, number) for number in range(crew.nodes)]
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        done = await _carry_out(agents, msgspec.json.decode(line, type=Order))
        print(msgspec.json.encode(done).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(_main())
