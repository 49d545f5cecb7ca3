"""An HTTP server on a Unix socket that answers like a Docker Engine, as a test tells it to: also wrongly, or never."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10", "Os": "linux", "Arch": "amd64"}


class ScriptedEngine:
    """`answers`: (method, path without version) -> handler or a JSON value. `asked`: every request line so far."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "d.sock"
        self.url = f"unix://{self.path}"
        self.version: dict[str, str] = VERSION
        self.answers: dict[tuple[str, str], object] = {}
        self.asked: list[str] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.path)).start()

    async def stop(self) -> None:
        """The engine is gone: open connections break."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.asked.append(f"{request.method} {request.path_qs}")
        if path == "version":
            return web.json_response(self.version)
        answer = self.answers.get((request.method, path.partition("/")[2]))
        if answer is None:
            return web.json_response({"message": f"page not found: {path}"}, status=404)
        if callable(answer):
            answered: web.StreamResponse = await answer(request)
            return answered
        return web.json_response(answer)


@asynccontextmanager
async def scripted(folder: Path) -> AsyncIterator[ScriptedEngine]:
    """A started one."""
    engine = ScriptedEngine(folder)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def refusal(status: int, message: str) -> Answer:
    """Docker's error answer."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": message}, status=status)

    return answer


def text(body: str, status: int = 200) -> Answer:
    """An answer that is not JSON."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status)

    return answer


async def silence(_: web.Request) -> web.StreamResponse:
    """No answer."""
    await asyncio.sleep(3600)
    raise AssertionError("unreachable")


def lines(*parts: bytes, then_break: bool = False, then_wait: bool = False) -> Answer:
    """A streamed answer in these parts; then its proper end, a broken connection, or nothing."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        if then_wait:
            await asyncio.sleep(3600)
        if then_break and request.transport is not None:
            request.transport.abort()
            await asyncio.sleep(3600)
        return response

    return answer
