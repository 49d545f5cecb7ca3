"""Docker events as hints, lists as truth."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from nodeagent import watcher as watcher_module
from nodeagent.core.container import DockerEvent
from nodeagent.core.events import EngineSeen, EngineSilent, Event, Inspected, Listed
from nodeagent.watcher import HINTS_MAX, Watcher
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine
from tests.unit.nodeagent.core.made import IMAGE, a_want


class Ear:
    """What the watcher posted."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self._more = asyncio.Event()

    async def post(self, event: Event) -> None:
        self.heard.append(event)
        self._more.set()

    def of(self, kind: type) -> list[Event]:
        return [event for event in self.heard if isinstance(event, kind)]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def watching(engine: FakeEngine) -> AsyncIterator[tuple[Watcher, Ear]]:
    ear = Ear()
    watcher = Watcher(FakeDocker(engine), ear.post)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watcher.run())
        yield watcher, ear
        task.cancel()


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.images[IMAGE] = IMAGE.partition("@")[2]
    return engine


async def test_begins_with_a_list_and_the_engines_name(engine: FakeEngine) -> None:
    async with watching(engine) as (watcher, ear):
        await watcher.looked.wait()
        await ear.until(lambda: bool(ear.of(EngineSeen)))
    first = ear.of(Listed)[0]
    assert isinstance(first, Listed) and first.after_break and first.containers == ()


async def test_a_hint_is_looked_at(engine: FakeEngine) -> None:
    docker = FakeDocker(engine)
    container_id = await docker.create(a_want(), {"default": "rope-shop-default"})
    engine.networks.clear()
    async with watching(engine) as (watcher, ear):
        await watcher.looked.wait()
        await asyncio.sleep(0.05)
        engine.inject(DockerEvent(action="die", container_id=container_id))
        engine.inject(DockerEvent(action="destroy", container_id="unknown"))
        await ear.until(lambda: len(ear.of(Inspected)) == 2)
    looks = {e.container_id: e.container for e in ear.heard if isinstance(e, Inspected)}
    assert looks["unknown"] is None
    assert (seen := looks[container_id]) is not None and seen.status == "created"


async def test_a_break_lists_again_and_says_so(engine: FakeEngine) -> None:
    async with watching(engine) as (watcher, ear):
        await watcher.looked.wait()
        await asyncio.sleep(0.05)
        watcher.relist()
        lists = len(ear.of(Listed))
        await ear.until(lambda: len(ear.of(Listed)) > lists)
        quiet = ear.of(Listed)[-1]
        lists = len(ear.of(Listed))
        engine.break_events()
        await ear.until(lambda: len(ear.of(Listed)) > lists)
    broke = ear.of(Listed)[-1]
    assert isinstance(quiet, Listed) and isinstance(broke, Listed)
    assert not quiet.after_break and broke.after_break


async def test_very_many_hints_become_a_list(engine: FakeEngine) -> None:
    async with watching(engine) as (watcher, ear):
        await watcher.looked.wait()
        await asyncio.sleep(0.05)
        lists = len(ear.of(Listed))
        for n in range(HINTS_MAX + 5):
            engine.inject(DockerEvent(action="start", container_id=f"c{n}"))
        await ear.until(lambda: len(ear.of(Listed)) > lists)


async def test_an_engine_that_is_away_or_hangs_is_silent(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASK_EVERY_S", "ASK_AGAIN_S", "ASK_S", "LIST_S"):
        monkeypatch.setattr(watcher_module, name, 0.03)
    async with watching(engine) as (watcher, ear):
        await watcher.looked.wait()
        engine.hung = True
        await ear.until(lambda: len(ear.of(EngineSilent)) >= 3)
        engine.hung = False
        lists = len(ear.of(Listed))
        await ear.until(lambda: len(ear.of(Listed)) > lists)
        back = ear.of(Listed)[-1]
        assert isinstance(back, Listed) and back.after_break
        silences = len(ear.of(EngineSilent))
        engine.down = True
        await ear.until(lambda: len(ear.of(EngineSilent)) >= silences + 3)


async def test_an_engine_that_is_away_from_the_start(engine: FakeEngine) -> None:
    engine.down = True
    async with watching(engine) as (watcher, ear):
        await watcher.looked.wait()
    assert ear.of(EngineSilent) and not ear.of(Listed)
