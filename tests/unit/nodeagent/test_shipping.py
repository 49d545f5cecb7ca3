"""Last lines leave in time, in small portions, and are kept before a container goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nodeagent import shipping
from nodeagent.bulk import Bulk
from nodeagent.core.steps import Remove
from nodeagent.ring import Ring
from nodeagent.shipping import TAIL_BYTES, Shipper
from protocol.loglines import parse
from protocol.messages import ContainerRef
from protocol.streams import Tail
from tests.contract.bench import want
from tests.fakes.docker import FakeDocker
from tests.fakes.streams import containers

REF = ContainerRef(project="shop", service="web", replica=1, epoch=1)
WAIT_S = 5.0


class Bench:
    """A shipper with a container that runs."""

    def __init__(self, folder: Path) -> None:
        self.docker = FakeDocker()
        self.ring = Ring(folder)
        self.shipper = Shipper(self.docker, self.ring, lambda: containers(self.docker))
        self.bulk = Bulk(lambda: None)
        self.container_id = ""

    async def begin(self) -> None:
        image = self.docker.engine.add_image("busybox:1")
        self.container_id = await self.docker.create(want(image), {})
        await self.docker.start(self.container_id)

    def write(self, *lines: str) -> None:
        self.docker.engine.write(self.container_id, *lines)

    async def tail(self) -> list[str]:
        async with asyncio.timeout(WAIT_S):
            while not isinstance(frame := self.bulk.take(), Tail):  # noqa: ASYNC110 the lane wakes its writer only
                await asyncio.sleep(0.002)
        self.bulk.acked(1 << 30)
        self.last = frame
        return [parse(line).text.decode() for line in frame.lines.splitlines()]


@asynccontextmanager
async def shipped(bench: Bench) -> AsyncIterator[None]:
    """While a session is open."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.shipper.run(bench.bulk))
        yield
        running.cancel()


@pytest.fixture
async def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(shipping, "LOOK_S", 0.01)
    monkeypatch.setattr(shipping, "EVERY_S", 0.05)
    monkeypatch.setattr(shipping, "_spread", lambda _: 0.0)
    made = Bench(tmp_path)
    await made.begin()
    return made


async def test_a_running_container_is_shipped_again_and_again_each_line_once(it: Bench) -> None:
    it.write("one", "two")
    async with shipped(it):
        assert await it.tail() == ["one", "two"]
        assert not it.last.ended
        it.write("three")
        assert await it.tail() == ["three"]


async def test_a_quiet_container_is_asked_ever_less_often(it: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "QUIET_EVERY_S", 10.0)
    async with shipped(it):
        await asyncio.sleep(0.6)
    assert 2 <= it.docker.engine.calls.count("read_logs") <= 6


async def test_an_end_is_told_at_once_and_in_a_small_portion(it: Bench) -> None:
    it.write(*(f"{n} " + "x" * 200 for n in range(200)))
    it.docker.engine.exit(it.container_id, 1)
    async with shipped(it):
        lines = await it.tail()
    assert it.last.ended and len(it.last.lines) <= TAIL_BYTES
    assert lines[-1].startswith("199 ")


async def test_after_a_break_the_last_shipment_is_sent_again(it: Bench) -> None:
    it.write("one")
    async with shipped(it):
        assert await it.tail() == ["one"]
        it.write("two")
        assert await it.tail() == ["two"]
    async with shipped(it):
        assert await it.tail() == ["two"], "it may not have arrived"


async def test_what_is_removed_is_kept_first_here_and_there(it: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "EVERY_S", 10.0)  # the last line is not shipped by a round meanwhile
    it.write("one", "two")
    async with shipped(it):
        await it.tail()
        it.write("last")
        await it.shipper.removing(Remove(ref=REF, container_id=it.container_id))
        kept = it.ring.read(REF)
        assert kept is not None and [parse(line).text for line in kept.splitlines()] == [b"one", b"two", b"last"]
        assert await it.tail() == ["last"] and it.last.ended


async def test_a_removal_does_not_wait_for_an_engine_that_hangs(it: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "READ_S", 0.05)
    it.docker.engine.hung = True
    async with asyncio.timeout(WAIT_S):
        await it.shipper.removing(Remove(ref=REF, container_id=it.container_id))
    assert it.ring.read(REF) is None
