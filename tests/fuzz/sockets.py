"""WebSocket frames as bytes, good, broken and hostile, in pieces of any size, through the Center's own parser of them.

Holds: only BadFrame comes out; the same bytes mean the same however they are cut; what waits to be complete is bounded.
"""

import random
from collections import Counter

from controlplane.link.frames import BadFrame, Frames, Piece
from protocol.codec import FRAME_MAX
from tests.fuzz.hostile import framed
from tests.fuzz.mutations import Mutator

WAITING_MAX = 2 * FRAME_MAX + 4096
"""Bytes that one peer may make the Center hold: a message and a frame that are not complete, and one read."""


def fuzz_sockets(seed: int, count: int) -> Counter[str]:
    """`count` streams of one to six frames each."""
    chance = random.Random(seed)
    mutator, outcomes = Mutator(chance), Counter[str]()
    for _ in range(count):
        stream = b"".join(_frame(chance) for _ in range(chance.randint(1, 6)))
        if chance.random() < 0.5:
            stream = mutator.mutant(stream)
        try:
            outcomes[_one(chance, stream)] += 1
        except Exception as error:
            error.add_note(f"of {stream[:2000]!r}")
            raise
    return outcomes


def _one(chance: random.Random, stream: bytes) -> str:
    whole, cut = _read([stream]), _read(_pieces(chance, stream))
    if whole[1] and cut[1]:  # one read that is refused gives nothing; what came in reads before it was given
        assert whole[1] == cut[1], f"refused as {whole[1]!r} in one, as {cut[1]!r} in pieces"
        return "refused"
    assert whole == cut, "it depends on where it is cut"
    return "read"


def _read(reads: list[bytes]) -> tuple[list[Piece], str]:
    frames, found = Frames(), list[Piece]()
    for data in reads:
        try:
            found += frames.feed(data)
        except BadFrame as bad:
            assert 1000 < bad.code < 1016 and bad.reason
            return found, bad.reason
        held = len(frames._rest) + sum(map(len, frames._parts or ()))
        assert held < WAITING_MAX, f"{held} bytes wait"
    return found, ""


def _frame(chance: random.Random) -> bytes:
    body = chance.randbytes(chance.choice((0, 1, 5, 125, 126, 127, 300)))
    way = chance.random()
    if way < 0.5:
        return framed(body)
    if way < 0.7:
        cut = len(body) // 2
        return framed(body[:cut], fin=False) + framed(body[cut:], opcode=0)
    if way < 0.8:
        return framed(body[:100], opcode=chance.choice((8, 9, 10)))
    if way < 0.85:
        return framed(bytes(chance.choice((65535, 65536, 65537))))
    if way < 0.9:
        return framed(body, fin=False)
    return framed(body, opcode=chance.randrange(16), fin=chance.random() < 0.5, masked=chance.random() < 0.8)


def _pieces(chance: random.Random, stream: bytes) -> list[bytes]:
    found, start, most = list[bytes](), 0, chance.choice((7, 100, 5000, 100_000))
    while start < len(stream):
        end = start + chance.randint(1, most)
        found.append(stream[start:end])
        start = end
    return found
