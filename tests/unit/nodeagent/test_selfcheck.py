"""The agent's answer to a health check, and the check of the images that asks."""

import asyncio
import runpy
from pathlib import Path

import pytest

from nodeagent.selfcheck import answer_checks

HEALTH = runpy.run_path(str(Path(__file__).parents[3] / "deploy" / "health.py"))


async def test_an_agent_that_lives_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROPE_DATA", str(tmp_path))
    (tmp_path / "health.sock").touch()  # left by one that was killed
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        answering = group.create_task(answer_checks(tmp_path))
        while await asyncio.to_thread(HEALTH["main"], "agent") != 0:  # noqa: ASYNC110  it stands for Docker, which polls
            await asyncio.sleep(0.01)
        assert (tmp_path / "health.sock").stat().st_mode & 0o777 == 0o600
        answering.cancel()
    assert await asyncio.to_thread(HEALTH["main"], "agent") == 1


async def test_a_path_too_long_for_a_socket_is_no_reason_to_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    async with asyncio.timeout(10):
        await answer_checks(folder)
    assert "no health checks" in caplog.text


@pytest.mark.parametrize(("status", "code"), [("200 OK", 0), ("503 Service Unavailable", 1)])
async def test_the_center_is_asked_where_it_listens(status: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode())
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with asyncio.timeout(10), await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        monkeypatch.setenv("ROPE_LISTEN", f"0.0.0.0:{server.sockets[0].getsockname()[1]}")
        assert await asyncio.to_thread(HEALTH["main"], "center") == code
    assert asked == ["GET /healthz HTTP/1.1"]
