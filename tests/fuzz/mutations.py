"""Bytes -> other bytes, by chance: what a broken or hostile peer makes of a good frame or file."""

import random
from collections.abc import Callable, Sequence

SCRAPS = (
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b'"',
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"NaN",
    b"Infinity",
    b"-",
    b"1e999",
    b"-1e999",
    b"1" * 400,
    b"0." + b"0" * 400,
    b'{"type":"hello"}',
    b'"type":"beat",',
    b"\n",
    b"\t",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    "部署".encode(),
    b" " * 1000,
    b"[" * 2000,
    b'{"a":' * 500,
    b'"' + b"x" * 5000 + b'"',
    b"/*",
    b"//",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!python/object ",
)

DIGITS = frozenset(b"0123456789")


class Mutator:
    """Mutants from a seed. `size_max`: bytes no mutant is longer than by much."""

    def __init__(self, chance: random.Random, scraps: Sequence[bytes] = SCRAPS) -> None:
        self._chance = chance
        self._scraps = scraps
        self._ways: tuple[Callable[[bytes, int], bytes], ...] = (
            self._flip,
            self._insert,
            self._insert,
            self._cut,
            self._twice,
            self._number,
            self._end,
            self._swap,
        )

    def mutant(self, good: bytes) -> bytes:
        """`good` with one to four faults."""
        for _ in range(self._chance.choice((1, 1, 1, 2, 2, 3, 4))):
            good = self._chance.choice(self._ways)(good, int(self._chance.random() * (len(good) + 1)))
        return good

    def _flip(self, good: bytes, at: int) -> bytes:
        return good[:at] + bytes((int(self._chance.random() * 256),)) + good[at + 1 :]

    def _insert(self, good: bytes, at: int) -> bytes:
        return good[:at] + self._chance.choice(self._scraps) + good[at:]

    def _cut(self, good: bytes, at: int) -> bytes:
        return good[:at] + good[at + int(self._chance.random() * 40) :]

    def _twice(self, good: bytes, at: int) -> bytes:
        piece = good[at : at + int(self._chance.random() * 200)]
        return good[:at] + piece * self._chance.choice((2, 2, 3, 50)) + good[at:]

    def _number(self, good: bytes, at: int) -> bytes:
        found = next((i for i in range(at, min(at + 200, len(good))) if good[i] in DIGITS), None)
        if found is None:
            return good
        end = found
        while end < len(good) and good[end] in DIGITS:
            end += 1
        number = self._chance.choice(
            (b"0", b"-1", b"99999999999999999999", b"1e308", b"1e999", b"0x10", b"1.5", b"65536")
        )
        return good[:found] + number + good[end:]

    def _end(self, good: bytes, at: int) -> bytes:
        return good[:at]

    def _swap(self, good: bytes, at: int) -> bytes:
        other = int(self._chance.random() * (len(good) + 1))
        first, second = sorted((at, other))
        middle = (first + second) // 2
        return good[:first] + good[middle:second] + good[first:middle] + good[second:]
