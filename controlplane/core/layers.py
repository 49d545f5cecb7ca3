"""One mapping over another. For sightings of thousands of nodes: `ChainMap.get` raises and catches for each it lacks.

Used by `detector` and `upgrading`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Layered(Mapping[str, V], Generic[V]):
    """`over` where it knows the key, else `under`. Both as they are when asked."""

    def __init__(self, over: Mapping[str, V], under: Mapping[str, V]) -> None:
        self._over = over
        self._under = under

    def __getitem__(self, key: str) -> V:
        return self._over[key] if key in self._over else self._under[key]

    def get(self, key: str, default: Any = None) -> Any:
        """As of any mapping."""
        found = self._over.get(key)
        return self._under.get(key, default) if found is None else found

    def __iter__(self) -> Iterator[str]:
        yield from self._over
        yield from (key for key in self._under if key not in self._over)

    def __len__(self) -> int:
        return sum(1 for _ in self)
