"""Images the agent pulled: only they go, the oldest first, only while the disk is short, never what is needed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from nodeagent.core.events import Now
from nodeagent.images import ASK_S, ASKED_MAX, REST_S, SHORT, Images
from nodeagent.journal import IMAGES_MAX, Journal, PulledImage
from protocol.messages import Heartbeat
from tests.contract.bench import want
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine


class Stage:
    """An engine, a disk that frees `frees` with each image, and what this node shall run."""

    def __init__(self, folder: Path) -> None:
        self.engine = FakeEngine()
        self.docker = FakeDocker(self.engine, cluster="cluster-1", node="node-1")
        self.journal = Journal(folder)
        self.mono = 1000.0
        self.share = 0.1
        self.frees = 0.0
        self.wanted: set[str] = set()
        self.images = self.made()

    def made(self) -> Images:
        """As after a start of the agent."""
        return Images(
            self.docker,
            self.journal,
            self.journal.load().images,
            share=lambda: self.share,
            measure=self.measure,
            wanted=lambda: self.wanted,
            now=lambda: Now(self.mono, 5000.0 + self.mono),
        )

    async def measure(self) -> float:
        return self.share + self.frees * self.engine.calls.count("remove_image")

    async def pulled(self, name: str) -> str:
        """An image comes by a pull of this agent."""
        pinned = self.engine.publish(f"r.test/{name}:1")
        self.images.coming(pinned)
        self.engine.images[pinned] = pinned.partition("@")[2]
        await self.images.came(pinned)
        self.mono += 1
        return pinned

    def here(self, *pinned: str) -> list[bool]:
        return [image in self.engine.images for image in pinned]

    @property
    def written(self) -> list[str]:
        """What the journal says."""
        return [one.image for one in self.journal.load().images]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        life = group.create_task(stage.images.run())
        yield
        life.cancel()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 what is waited for is a state of the fakes
            await asyncio.sleep(0)


async def settled() -> None:
    for _ in range(100):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


async def test_the_oldest_goes_first_and_no_more_than_is_needed(stage: Stage) -> None:
    first, second, third = [await stage.pulled(name) for name in ("a", "b", "c")]
    stage.frees = 0.03
    asked = stage.images.question()
    assert asked == (first, second, third)
    async with running(stage):
        stage.images.answer((third, second, first))
        await until(lambda: stage.written == [third])
        await settled()
    assert stage.here(first, second, third) == [False, False, True], "0.1 + 2 * 0.03 is enough"


async def test_the_heartbeat_carries_the_question_and_then_what_was_removed(stage: Stage) -> None:
    beat = Heartbeat(agent_id="a", seq=1, cpu_usage=1, mem_free_mb=1, disk_free_gb=1)
    assert stage.images.carried_by(beat) is beat
    first = await stage.pulled("a")
    assert stage.images.carried_by(beat) == msgspec.structs.replace(beat, images=(first,))
    async with running(stage):
        stage.images.answer((first,))
        await until(lambda: stage.written == [])
        await settled()
    assert stage.images.carried_by(beat) == msgspec.structs.replace(beat, images_removed=(first,))
    assert stage.images.carried_by(beat) is beat, "it is told once"


async def test_with_room_on_the_disk_nothing_is_asked(stage: Stage) -> None:
    await stage.pulled("a")
    stage.share = SHORT
    assert stage.images.question() == ()
    stage.share = 0.149
    assert len(stage.images.question()) == 1


async def test_only_what_the_center_calls_unused_and_was_asked_for_goes(stage: Stage) -> None:
    used, free = await stage.pulled("used"), await stage.pulled("free")
    stranger = stage.engine.add_image("stranger:1")
    stage.images.question()
    async with running(stage):
        stage.images.answer((free, stranger))
        await until(lambda: stage.written == [used])
        stage.images.answer((used, stranger))
        await settled()
    assert stage.here(used, free, stranger) == [True, False, True], "an answer to no question says nothing"


async def test_an_image_that_was_here_before_is_nobodys_business(stage: Stage) -> None:
    pinned = stage.engine.publish("r.test/before:1")
    stage.engine.images[pinned] = pinned.partition("@")[2]
    stage.images.coming(pinned)
    stage.images.missed(pinned)
    assert stage.images.question() == () and stage.written == []


async def test_what_this_node_shall_run_or_pulls_is_not_offered(stage: Stage) -> None:
    wanted, coming, free = [await stage.pulled(name) for name in ("wanted", "coming", "free")]
    stage.wanted = {wanted}
    stage.images.coming(coming)
    assert stage.images.question() == (free,)
    stage.wanted = {wanted, free}
    async with running(stage):
        stage.images.answer((free,))
        await settled()
    assert stage.here(free) == [True], "it is wanted since it was asked for"


async def test_what_a_container_has_stays_and_is_asked_about_later_again(stage: Stage) -> None:
    held = await stage.pulled("held")
    container_id = await stage.docker.create(want(held), {})
    assert stage.images.question() == (held,)
    async with running(stage):
        stage.images.answer((held,))
        await until(lambda: "remove_image" in stage.engine.calls)
        await settled()
        assert stage.here(held) == [True] and stage.written == [held]
        stage.mono += ASK_S
        assert stage.images.question() == ()
        stage.mono += REST_S
        await stage.docker.remove(container_id)
        assert stage.images.question() == (held,)
        stage.images.answer((held,))
        await until(lambda: stage.written == [])
    assert stage.here(held) == [False]


async def test_questions_are_few_short_and_go_through_all(stage: Stage) -> None:
    all_of_them = [await stage.pulled(f"x{n}") for n in range(ASKED_MAX + 4)]
    assert stage.images.question() == tuple(all_of_them[:ASKED_MAX])
    assert stage.images.question() == (), "not with each heartbeat"
    stage.mono += ASK_S
    assert stage.images.question() == tuple(all_of_them[ASKED_MAX:]), "of the others there was no word"
    stage.mono += ASK_S
    assert stage.images.question() == ()


async def test_it_knows_what_it_pulled_after_a_restart(stage: Stage) -> None:
    first, second = await stage.pulled("a"), await stage.pulled("b")
    again = await stage.pulled("a")
    assert again == first
    stage.images = stage.made()
    assert stage.images.question() == (second, first), "the one that came last is the youngest"


async def test_an_engine_that_is_down_is_asked_later(stage: Stage) -> None:
    first = await stage.pulled("a")
    stage.images.question()
    stage.engine.fail_next("remove_image", "engine_down")
    async with running(stage):
        stage.images.answer((first,))
        await until(lambda: "remove_image" in stage.engine.calls)
        await settled()
        stage.mono += REST_S + ASK_S
        assert stage.images.question() == (first,)
        stage.images.answer((first,))
        await until(lambda: stage.written == [])


async def test_a_damaged_list_removes_nothing(stage: Stage, tmp_path: Path) -> None:
    await stage.pulled("a")
    (tmp_path / "images.json").write_bytes(b'[{"image":')
    found = Journal(tmp_path).load()
    assert found.images == () and "images.json is damaged" in found.troubles[0]
    stage.images = stage.made()
    assert stage.images.question() == ()


async def test_the_list_is_bounded_and_goes_with_the_rest(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.save_images(tuple(PulledImage(image=f"i{n}", at=n) for n in range(IMAGES_MAX + 5)))
    found = Journal(tmp_path).load().images
    assert (len(found), found[0].image, found[-1].image) == (IMAGES_MAX, "i5", f"i{IMAGES_MAX + 4}")
    assert (tmp_path / "images.json").stat().st_mode & 0o777 == 0o600
    journal.clear()
    assert Journal(tmp_path).load().images == ()
