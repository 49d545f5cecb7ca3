"""Circles are found while they are young; what stays is set aside; nothing of it outlives the Center."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controlplane import garbage


class Circle:
    def __init__(self) -> None:
        self.me = self


@asynccontextmanager
async def collecting(whole_s: float = 3600.0) -> AsyncIterator[None]:
    with garbage.never_all():
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(garbage.run(0.001, whole_s))
            await asyncio.sleep(0.002)
            yield
            task.cancel()


async def test_circles_are_found_and_what_stays_is_set_aside() -> None:
    async with collecting():
        frozen = gc.get_freeze_count()
        kept = [[number] for number in range(50_000)]
        lost = weakref.ref(Circle())
        async with asyncio.timeout(5):
            while lost() is not None or gc.get_freeze_count() < frozen + len(kept):  # noqa: ASYNC110 no event for it
                await asyncio.sleep(0.001)


async def test_circles_of_what_was_set_aside_are_found_when_everything_is_looked_at() -> None:
    circle = Circle()
    async with collecting(whole_s=0.01):
        seen = weakref.ref(circle)
        del circle
        async with asyncio.timeout(5):
            while seen() is not None:  # noqa: ASYNC110 no event for it
                await asyncio.sleep(0.001)


async def test_afterwards_all_is_as_before() -> None:
    before = gc.get_threshold()
    async with collecting():
        assert gc.get_threshold() != before
    assert gc.get_threshold() == before and gc.get_freeze_count() == 0
