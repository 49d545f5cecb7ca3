"""The event stream comes back after every break and says that something may be missing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from nodeagent.core.container import DockerEvent
from nodeagent.docker import events
from nodeagent.docker.connection import Connection
from nodeagent.docker.events import BACKOFF_MAX_S, LOST, backoff_s, listen, read_event
from tests.unit.nodeagent.docker.scripted_engine import ScriptedEngine, lines, scripted, silence

HEALTH = DockerEvent(action="health_status", container_id="a")
DIED = b'{"Type":"container","Action":"die","Actor":{"ID":"abc"}}\n'


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    async with scripted(tmp_path) as running:
        yield running


async def take(engine: ScriptedEngine, count: int) -> list[DockerEvent]:
    connection = Connection(engine.url)
    seen: list[DockerEvent] = []
    async with asyncio.timeout(5.0), aclosing(listen(connection, "c", "n")) as stream:
        async for event in stream:
            seen.append(event)
            if len(seen) == count:
                break
    await connection.close()
    return seen


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BACKOFF_S", 0.001)


async def test_lost_comes_when_it_opens_when_it_breaks_and_when_it_opens_again(engine: ScriptedEngine) -> None:
    engine.answers["GET", "events"] = lines(DIED, then_break=True)
    died = DockerEvent(action="die", container_id="abc")
    assert await take(engine, 5) == [LOST, died, LOST, LOST, died]


async def test_a_stream_that_ends_properly_is_a_break_too(engine: ScriptedEngine) -> None:
    engine.answers["GET", "events"] = lines(DIED)
    assert [e.action for e in await take(engine, 5)] == ["lost", "die", "lost", "lost", "die"]


async def test_an_engine_that_is_down_is_told_once(engine: ScriptedEngine) -> None:
    await engine.stop()
    connection = Connection(engine.url)
    async with aclosing(listen(connection, "c", "n")) as stream:
        assert await anext(stream) == LOST
        next_one = asyncio.wait_for(anext(stream), 0.1)
        with pytest.raises(TimeoutError):
            await next_one
    await connection.close()


async def test_silence_makes_it_open_anew(engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "IDLE_S", 0.02)
    engine.answers["GET", "events"] = lines(DIED, then_wait=True)
    assert [e.action for e in await take(engine, 4)] == ["lost", "die", "lost", "die"]


async def test_an_engine_that_hangs_while_it_is_opened_is_told_once(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "OPEN_S", 0.02)
    engine.answers["GET", "events"] = silence
    assert await take(engine, 1) == [LOST]


async def test_only_our_containers_are_asked_for(engine: ScriptedEngine) -> None:
    engine.answers["GET", "events"] = lines(DIED, then_wait=True)
    await take(engine, 1)
    assert "ropeteam.cluster" in engine.asked[-1] and "ropeteam.node" in engine.asked[-1]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b'{"Action":"health_status: healthy","Actor":{"ID":"a"}}', HEALTH),
        (b'{"Action":"exec_create: sh -c x","Actor":{"ID":"a"}}', None),
        (b'{"Action":"lost","Actor":{"ID":"a"}}', None),
        (b'{"Action":3}', None),
        (b"not json", None),
        (b'"\xff"', None),
        (b"[" * 5000, None),
    ],
)
def test_a_line_is_a_hint_or_nothing(line: bytes, event: DockerEvent | None) -> None:
    assert read_event(line) == event


def test_the_wait_grows_to_a_cap_and_is_never_nothing() -> None:
    waits = [backoff_s(n, 0.999) for n in range(1, 40)]
    assert waits == sorted(waits) and waits[-1] <= BACKOFF_MAX_S
    assert min(backoff_s(n, 0.0) for n in range(1, 40)) > 0
