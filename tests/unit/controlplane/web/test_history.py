"""The newest lines of a journal that is read forward only."""

from collections.abc import Sequence

import pytest

from controlplane.core.journal import Event
from controlplane.web.history import Wanted, newest

ALL = Wanted()


class Store:
    """`last` events; every `step`-th is of project `rare`. Answers at most 1000, as the real one."""

    def __init__(self, last: int, step: int) -> None:
        self._step = step
        self._all = [
            Event(seq=n, at=0, kind="k", text="", cause=n, project="rare" if n % step == 0 else "often")
            for n in range(1, last + 1)
        ]
        self.asked = 0

    async def events(
        self, after: int, limit: int, project: str = "", node: str = "", cause: int = 0, *, by_people: bool = False
    ) -> Sequence[Event]:
        self.asked += 1
        found = [e for e in self._all[after:] if project in ("", e.project)]
        return found[: min(limit, 1000)]


@pytest.mark.parametrize(("last", "limit"), [(0, 10), (5, 10), (10, 10), (5000, 10), (5000, 1000)])
async def test_the_newest_of_all(last: int, limit: int) -> None:
    store = Store(last, 7)
    found = await newest(store, last, limit, ALL)
    assert [e.seq for e in found] == list(range(max(1, last - limit + 1), last + 1))
    assert store.asked <= 2


async def test_the_newest_of_a_rare_project_are_found_far_back() -> None:
    found = await newest(Store(5000, 900), 5000, 3, Wanted(project="rare"))
    assert [e.seq for e in found] == [2700, 3600, 4500]


async def test_fewer_than_asked_when_there_are_no_more() -> None:
    found = await newest(Store(5000, 2000), 5000, 3, Wanted(project="rare"))
    assert [e.seq for e in found] == [2000, 4000]
