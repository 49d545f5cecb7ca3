"""Deadlines, versions and sorted errors, against an engine that misbehaves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from nodeagent.core.container import DockerFault, FaultKind
from nodeagent.docker import connection as connection_module
from nodeagent.docker.connection import Connection, negotiate
from tests.unit.nodeagent.docker.scripted_engine import ScriptedEngine, lines, refusal, scripted, silence, text


class Thing(msgspec.Struct):
    name: str


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    async with scripted(tmp_path) as running:
        yield running


@pytest.fixture
async def connection(engine: ScriptedEngine) -> AsyncIterator[Connection]:
    made = Connection(engine.url)
    yield made
    await made.close()


async def kind_of(connection: Connection, deadline_s: float = 2.0) -> FaultKind:
    with pytest.raises(DockerFault) as raised:
        await connection.call("GET", "thing", deadline_s=deadline_s)
    assert str(raised.value)
    return raised.value.kind


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [
        ("1.41", "1.12", "v1.41"),
        ("1.51", "1.24", "v1.41"),
        ("1.52", "1.44", "v1.44"),
        ("1.40", "1.12", "v1.40"),
        ("1.9", "1.2", "v1.9"),
    ],
)
def test_the_version_spoken_is_ours_within_what_the_engine_offers(newest: str, oldest: str, spoken: str) -> None:
    assert negotiate(newest, oldest) == spoken


def test_an_odd_version_is_a_fault() -> None:
    with pytest.raises(DockerFault):
        negotiate("new", "1.12")


@pytest.mark.parametrize("url", ["", "docker.sock", "unix://", "ssh://host", "npipe:////./pipe/docker"])
def test_a_url_of_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="unix://"):
        Connection(url)


async def test_the_version_is_asked_once_and_used(engine: ScriptedEngine, connection: Connection) -> None:
    engine.version = {"ApiVersion": "1.52", "MinAPIVersion": "1.44"}
    engine.answers["GET", "thing"] = {"Name": "x"}
    await connection.call("GET", "thing")
    await connection.call("GET", "thing")
    assert engine.asked == ["GET /version", "GET /v1.44/thing", "GET /v1.44/thing"]


async def test_an_engine_that_came_back_newer_is_asked_again(engine: ScriptedEngine, connection: Connection) -> None:
    engine.answers["GET", "thing"] = {"Name": "x"}
    await connection.call("GET", "thing")
    await engine.stop()
    assert await kind_of(connection) == "engine_down"
    engine.version = {"ApiVersion": "1.52", "MinAPIVersion": "1.44"}
    await engine.start()
    await connection.call("GET", "thing")
    assert engine.asked[-1] == "GET /v1.44/thing"


async def test_no_socket_is_a_dead_engine(tmp_path: Path) -> None:
    connection = Connection(f"unix://{tmp_path}/nothing.sock")
    assert await kind_of(connection) == "engine_down"
    await connection.close()


async def test_nobody_at_a_tcp_port_is_a_dead_engine(unused_tcp_port: int) -> None:
    connection = Connection(f"tcp://127.0.0.1:{unused_tcp_port}")
    assert await kind_of(connection) == "engine_down"
    await connection.close()


async def test_silence_ends_at_the_deadline(engine: ScriptedEngine, connection: Connection) -> None:
    engine.answers["GET", "thing"] = silence
    assert await kind_of(connection, deadline_s=0.05) == "timeout"


async def test_a_connection_that_breaks_in_an_answer_is_a_dead_engine(
    engine: ScriptedEngine, connection: Connection
) -> None:
    engine.answers["GET", "thing"] = lines(b'{"Na', then_break=True)
    assert await kind_of(connection) == "engine_down"


@pytest.mark.parametrize(
    ("status", "body"), [(502, "<html>bad gateway</html>"), (500, ""), (503, "{"), (418, '{"error": "no message"}')]
)
async def test_an_answer_that_is_not_dockers_is_an_error(
    engine: ScriptedEngine, connection: Connection, status: int, body: str
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status, content_type="application/json")

    engine.answers["GET", "thing"] = answer
    assert await kind_of(connection) == "error"
    engine.answers["GET", "thing"] = text(body, status)
    assert await kind_of(connection) == "error"


async def test_an_answer_of_the_wrong_shape_is_an_error(engine: ScriptedEngine, connection: Connection) -> None:
    engine.answers["GET", "thing"] = {"name": 3}
    with pytest.raises(DockerFault) as raised:
        await connection.read(Thing, "thing")
    assert raised.value.kind == "error"


async def test_an_endless_answer_is_cut(
    engine: ScriptedEngine, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_MAX", 1000)
    engine.answers["GET", "thing"] = lines(b"x" * 600, b"x" * 600, then_wait=True)
    assert await kind_of(connection) == "error"


async def test_more_requests_run_at_once_than_a_default_pool_allows(
    engine: ScriptedEngine, connection: Connection
) -> None:
    all_wait = asyncio.Event()

    async def count(request: web.Request) -> web.StreamResponse:
        if sum("slow" in asked for asked in engine.asked) == 120:
            all_wait.set()
        return await silence(request)

    engine.answers["GET", "slow"] = count
    engine.answers["GET", "thing"] = {"Name": "x"}

    async def wait_for_nothing() -> None:
        with pytest.raises(DockerFault):
            await connection.call("GET", "slow", deadline_s=30.0)

    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(wait_for_nothing()) for _ in range(120)]
        await all_wait.wait()
        await connection.call("GET", "thing", deadline_s=1.0)
        for task in waiting:
            task.cancel()


async def test_a_stream_gives_whole_lines_and_skips_one_without_end(
    engine: ScriptedEngine, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "LINE_MAX", 100)
    engine.answers["GET", "thing"] = lines(b"on", b"e\ntw", b"o\n\n", b"x" * 90, b"x" * 90, b"x\nthree\nrest")
    async with connection.stream("GET", "thing") as stream:
        seen = []
        while (line := await stream.line(1.0)) is not None:
            seen.append(line)
    assert seen == [b"one", b"two", b"three"]


async def test_a_silent_stream_ends_at_its_deadline(engine: ScriptedEngine, connection: Connection) -> None:
    engine.answers["GET", "thing"] = lines(b"one\n", then_wait=True)
    async with connection.stream("GET", "thing") as stream:
        assert await stream.line(1.0) == b"one"
        with pytest.raises(DockerFault) as raised:
            await stream.line(0.02)
    assert raised.value.kind == "timeout"


async def test_closed_it_stays_closed(engine: ScriptedEngine, connection: Connection) -> None:
    engine.answers["GET", "thing"] = {"Name": "x"}
    await connection.call("GET", "thing")
    await connection.close()
    assert await kind_of(connection) == "engine_down"


async def test_a_refusal_keeps_dockers_sentence(engine: ScriptedEngine, connection: Connection) -> None:
    engine.answers["GET", "thing"] = refusal(500, "Bind for 0.0.0.0:80 failed: port is already allocated")
    with pytest.raises(DockerFault, match="port is already allocated") as raised:
        await connection.call("GET", "thing")
    assert raised.value.kind == "port_taken"
