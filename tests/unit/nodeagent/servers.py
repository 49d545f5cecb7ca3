"""Small servers on loopback, friendly and hostile, and checks to make of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from nodeagent.core.probes import Check
from nodeagent.core.verdict import Target
from protocol import spec
from tests.fakes.docker import FakeDocker
from tests.unit.nodeagent.core.made import a_ref, a_want

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[int]:
    """A TCP server on loopback; gives its port."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def answers(*pieces: bytes, asked: list[bytes] | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if asked is not None:
            asked.append(head)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return serve


def a_check(probe: spec.Probe, addresses: tuple[str, ...] = ("127.0.0.1",), container_id: str = "c1") -> Check:
    target = Target(ref=a_ref(), run=(container_id, 1.0), probe=probe, addresses=addresses)
    return Check(target=target, number=1, timeout_s=1.0)


def http(port: int, **fields: object) -> spec.Probe:
    return msgspec.structs.replace(spec.Probe(kind="http", port=port, path="/healthz"), **fields)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def a_container(docker: FakeDocker) -> str:
    image = docker.engine.add_image("web:1")
    network = await docker.ensure_network("shop", "default", ())
    container_id = await docker.create(a_want(image=image), {"default": network})
    await docker.start(container_id)
    return container_id


def command(*words: str) -> spec.Probe:
    return spec.Probe(kind="exec", command=words)
