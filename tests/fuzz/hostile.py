"""`python -m tests.fuzz.hostile PORT SEED FRAMES AGENT_ID KEY`: sends hostile frames to a live Center, from outside.

Two kinds of enemies: strangers, who prove nothing, and a registered agent with its own key gone mad. Prints what became
of it as JSON. A process of its own, so that it does not slow down those who measure. Run by `siege.py`.
"""

import asyncio
import base64
import random
import secrets
import sys
from collections import Counter
from contextlib import suppress

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.utils import apply_mask

from protocol.codec import FRAME_MAX, decode_from_center, encode
from protocol.handshake import agent_claim
from protocol.messages import (
    PROTOCOL,
    SUBPROTOCOL,
    Capacity,
    Challenge,
    FromAgent,
    FromCenter,
    Hello,
    Inventory,
    Proof,
    Versions,
)
from tests.fuzz.mutations import Mutator
from tests.fuzz.shapes import Shapes, messages

STRANGERS = 12
ANSWER_S = 5.0
LINGER_S = 0.05
"""How long a stranger looks for an answer before it goes."""

PATH = "/api/agent/session"
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


class Enemy:
    """What all of them do. `left`: frames that are still to be sent, by all together."""

    def __init__(self, port: int, seed: int, frames: int) -> None:
        self.port = port
        self.chance = random.Random(seed)
        self.shapes = Shapes(self.chance)
        self.mutator = Mutator(self.chance)
        self.left = frames
        self.outcomes: Counter[str] = Counter()

    def frame(self) -> bytes:
        """A WebSocket frame: mostly text in the wrong words, now and then not even a frame."""
        self.left -= 1
        body = messages(self.shapes, FromAgent if self.chance.random() < 0.9 else FromCenter)
        if self.chance.random() < 0.6:
            body = self.mutator.mutant(body)
        way = self.chance.random()
        if way < 0.85:
            return framed(body)
        if way < 0.88:
            return framed(body, opcode=self.chance.randrange(16))
        if way < 0.90:
            return framed(body[:100], opcode=PING)
        if way < 0.92:
            return framed(b"[" * self.chance.choice((FRAME_MAX, FRAME_MAX - 1, FRAME_MAX + 1)))
        if way < 0.94:
            half = len(body) // 2
            return framed(body[:half], fin=False) + framed(body[half:], opcode=0)
        if way < 0.96:
            return framed(body, claimed=self.chance.choice((1 << 63, 1 << 40, FRAME_MAX + 1)))
        if way < 0.98:
            return framed(body, masked=False)
        return self.chance.randbytes(self.chance.randint(1, 300))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """An open WebSocket. Raises OSError, EOFError."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        key = base64.b64encode(self.chance.randbytes(16)).decode()
        writer.write(
            f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            writer.close()
            raise EOFError(head.decode(errors="replace"))
        return reader, writer


class Stranger(Enemy):
    """Proves nothing."""

    async def attack(self, everybody: "Enemy") -> None:
        """One connection after another, until no frames are left."""
        while everybody.left > 0:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._visit(everybody)
            except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
                everybody.outcomes[f"stranger: {type(error).__name__}"] += 1

    async def _visit(self, everybody: "Enemy") -> None:
        if self.chance.random() < 0.1:
            await self._babble(everybody)
            return
        reader, writer = await self.connect()
        try:
            for _ in range(self.chance.randint(1, 4)):
                everybody.left -= 1
                writer.write(self.frame())
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    while await reader.read(65536):
                        pass
            everybody.outcomes["stranger: visits"] += 1
        finally:
            writer.close()

    async def _babble(self, everybody: "Enemy") -> None:
        """Not even HTTP."""
        everybody.left -= 1
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            good = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode()
            writer.write(self.mutator.mutant(good))
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await reader.read(65536)
            everybody.outcomes["stranger: babble"] += 1
        finally:
            writer.close()


class Traitor(Enemy):
    """A registered agent with its own key."""

    def __init__(self, port: int, seed: int, frames: int, agent_id: str, key: Ed25519PrivateKey) -> None:
        super().__init__(port, seed, frames)
        self._agent_id = agent_id
        self._key = key

    async def attack(self, everybody: "Enemy") -> None:
        """One session after another, until no frames are left."""
        while everybody.left > 0:
            try:
                async with asyncio.timeout(4 * ANSWER_S):
                    await self._session(everybody)
            except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
                everybody.outcomes[f"traitor: {type(error).__name__}"] += 1

    async def _session(self, everybody: "Enemy") -> None:
        reader, writer = await self.connect()
        try:
            await self._prove(reader, writer)
            for _ in range(self.chance.randint(1, 400)):
                everybody.left -= 1
                writer.write(self._own(self.frame()))
                await writer.drain()
                if reader.at_eof() or writer.is_closing():
                    break
                if self.chance.random() < 0.1:
                    await self._drink(reader)
            everybody.outcomes["traitor: sessions"] += 1
        finally:
            writer.close()

    def _own(self, frame: bytes) -> bytes:
        """Half of its heartbeats carry its own name, or none would get far."""
        if self.chance.random() < 0.5:
            beat = self.shapes.value(FromAgent.__args__[3])
            beat["agent_id"] = self._agent_id
            return framed(msgspec.json.encode(beat))
        return frame

    async def _drink(self, reader: asyncio.StreamReader) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await reader.read(1 << 16)

    async def _prove(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonce = secrets.token_hex(32)
        hello = Hello(
            agent_id=self._agent_id,
            nonce=nonce,
            protocol=PROTOCOL,
            boot_id="b",
            versions=Versions(),
            capacity=Capacity(),
        )
        writer.write(framed(encode(hello)))
        challenge = decode_from_center(await read_text(reader))
        if not isinstance(challenge, Challenge):
            raise EOFError(type(challenge).__name__)
        claim = agent_claim(challenge.cluster, self._agent_id, nonce, challenge.nonce)
        writer.write(framed(encode(Proof(signature=self._key.sign(claim).hex()))))
        stock = encode(Inventory(containers=()))
        if self.chance.random() < 0.5:
            stock = msgspec.json.encode(self.shapes.value(Inventory) | {"last": True})
        writer.write(framed(stock))
        await read_text(reader)


def framed(
    body: bytes, *, opcode: int = TEXT, fin: bool = True, masked: bool = True, claimed: int | None = None
) -> bytes:
    """A client's WebSocket frame. `claimed`: the size it says it has."""
    size = len(body) if claimed is None else claimed
    flag = 0x80 if masked else 0
    head = bytes(((0x80 if fin else 0) | opcode,))
    if size < 126:
        head += bytes((flag | size,))
    elif size < 1 << 16:
        head += bytes((flag | 126,)) + size.to_bytes(2)
    else:
        head += bytes((flag | 127,)) + size.to_bytes(8)
    if not masked:
        return head + body
    mask = secrets.token_bytes(4)
    return head + mask + (apply_mask(body, mask) if body else b"")


async def read_text(reader: asyncio.StreamReader) -> bytes:
    """The next text frame of the Center. Raises EOFError at its close."""
    first, second = await reader.readexactly(2)
    size = second & 127
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
    body = await reader.readexactly(size)
    if first & 15 != TEXT:
        raise EOFError(body.decode(errors="replace"))
    return body


async def main(port: int, seed: int, frames: int, agent_id: str, key: str) -> None:
    """Until all frames are sent."""
    everybody = Enemy(port, seed, frames)
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key))
    async with asyncio.TaskGroup() as tasks:
        for number in range(STRANGERS):
            tasks.create_task(Stranger(port, seed + number, frames).attack(everybody))
        tasks.create_task(Traitor(port, seed - 1, frames, agent_id, private).attack(everybody))
    outcomes = {"sent": frames - everybody.left, **everybody.outcomes}
    sys.stdout.write(msgspec.json.encode(outcomes).decode() + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]))
