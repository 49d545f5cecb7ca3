"""Values of any type of the protocol, by chance: what a peer that keeps to the grammar but not to reason would send.

Made from the types themselves, so that a new message is fuzzed without a line here. Values are what JSON can hold.
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

TEXTS = (
    "",
    "web",
    "shop",
    "node-1",
    "agent-1",
    "t1",
    "running",
    "..",
    "/",
    "a/b",
    "-",
    "_",
    " ",
    "\0",
    "\n",
    "\x1b[31m",
    "0",
    "é",
    "部署",
    "\u202e",
    "\ufeff",
    "\u2028",
    "\U0001f9d7",
    "x" * 300,
    "sha256:" + "a" * 64,
    "web@sha256:" + "b" * 64,
    "10.0.0.1",
    "::1",
    "true",
    "null",
    "1e999",
    "%s",
    "{}",
    "<script>",
    "'; DROP TABLE nodes; --",
)

NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    80,
    -1,
    255,
    256,
    65535,
    65536,
    1 << 31,
    (1 << 31) - 1,
    1 << 32,
    (1 << 53) + 1,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
    1 << 64,
    -(1 << 63),
    -(1 << 63) - 1,
    10**30,
)

FLOATS = (0.0, -0.0, 1.0, 0.5, -1.0, 99.9, 1e-300, 1e300, 1.7976931348623157e308, 5e-324)

ITEMS_MAX = 3


class Shapes:
    """Values from a seed. `wild`: the share of leaves that are beyond reason."""

    def __init__(self, chance: random.Random, wild: float = 0.2) -> None:
        self._chance = chance
        self._wild = wild
        self._makers: dict[Any, Callable[[], Any]] = {}

    def value(self, kind: Any) -> Any:
        """One value of a Python type."""
        maker = self._makers.get(kind)
        if maker is None:
            maker = self._makers[kind] = self._maker(inspect.type_info(kind))
        return maker()

    def _maker(self, info: inspect.Type) -> Callable[[], Any]:
        match info:
            case inspect.StructType():
                return self._struct(info)
            case inspect.UnionType(types=types):
                makers = [self._maker(one) for one in types]
                return lambda: self._chance.choice(makers)()
            case inspect.LiteralType(values=values):
                return lambda: self._chance.choice(values)
            case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
                one = self._maker(item)
                return lambda: [one() for _ in range(self._chance.randint(0, ITEMS_MAX))]
            case inspect.DictType(key_type=key, value_type=value):
                name, one = self._maker(key), self._maker(value)
                return lambda: {str(name()): one() for _ in range(self._chance.randint(0, ITEMS_MAX))}
            case inspect.TupleType(item_types=items):
                ones = [self._maker(item) for item in items]
                return lambda: [one() for one in ones]
            case _:
                return self._leaf(info)

    def _struct(self, info: inspect.StructType) -> Callable[[], Any]:
        fields = [(f.encode_name, f.required, self._maker(f.type)) for f in info.fields]

        def make() -> dict[str, Any]:
            made: dict[str, Any] = {info.tag_field: info.tag} if info.tag_field else {}
            for name, required, maker in fields:
                if required or self._chance.random() < 0.5:
                    made[name] = maker()
            return made

        return make

    def _leaf(self, info: inspect.Type) -> Callable[[], Any]:
        match info:
            case inspect.IntType():
                return self._int
            case inspect.FloatType():
                return self._float
            case inspect.BoolType():
                return lambda: self._chance.random() < 0.5
            case inspect.NoneType():
                return lambda: None
            case inspect.StrType():
                return lambda: self._chance.choice(TEXTS)
            case inspect.BytesType():
                return lambda: self._chance.choice(("", "YQ==", "YWJj" * 20))
            case _:
                return lambda: self._chance.choice((None, 1, "x", [], {}))

    def _int(self) -> int:
        return self._chance.choice(NUMBERS) if self._chance.random() < self._wild else self._chance.randint(0, 5)

    def _float(self) -> float:
        return self._chance.choice(FLOATS) if self._chance.random() < self._wild else self._chance.uniform(0, 100)


def messages(shapes: Shapes, union: Any) -> bytes:
    """The frame of a message of one direction: any of its types, each as likely."""
    return msgspec.json.encode(shapes.value(shapes._chance.choice(union.__args__)))
