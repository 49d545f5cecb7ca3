"""One connection to a Docker Engine: requests with a deadline, errors sorted once, streams read line by line.

The one place that touches aiodocker, of which it uses URLs, sessions and error answers. Its higher calls lack
deadlines, distribution, one-shot stats and framed logs, and its event stream never comes back after a break; so every
request goes through `_do_query` here, one way for all. Knows nothing of containers. Used by this package only.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import aiodocker
import aiohttp
import msgspec

from nodeagent.core.container import DockerFault
from nodeagent.docker.faults import sort_fault
from nodeagent.docker.text import clean

API_MAX = (1, 41)
"""The newest API this package is written for: Docker 20.10."""

READ_S = 10.0
"""Deadline of a request that only reads."""

CLOSE_S = 1.0

ANSWER_MAX = 32 * 1024 * 1024
"""Bytes of one answer."""

LINE_MAX = 1024 * 1024
"""Bytes of one line of a stream; a longer one is skipped (an event repeats the labels of its container)."""

T = TypeVar("T")
Params = Mapping[str, str]


class _Version(msgspec.Struct, rename="pascal"):
    api_version: str
    min_api_version: str = msgspec.field(name="MinAPIVersion", default="1.12")


def negotiate(newest: str, oldest: str) -> str:
    """The API version to speak, as in a path (`v1.41`): ours, lowered or raised into what the engine offers."""
    try:
        high, low = (tuple(int(p) for p in v.split(".")) for v in (newest, oldest))
    except ValueError as error:
        raise DockerFault("error", f"Docker states an odd API version {clean(newest, 40)!r}") from error
    return "v" + ".".join(str(p) for p in max(min(API_MAX, high), low))


class Stream:
    """The body of one answer that arrives over time."""

    def __init__(self, response: aiohttp.ClientResponse, what: str) -> None:
        self._response = response
        self._what = what
        self._rest = bytearray()
        self._skipping = False

    async def chunk(self, idle_s: float) -> bytes:
        """The next bytes, b"" at the end. Raises DockerFault: `timeout` after `idle_s` of silence, `engine_down`."""
        async with _sorted(self._what, idle_s):
            return await self._response.content.readany()

    async def line(self, idle_s: float) -> bytes | None:
        """The next line without its break, None at the end. Faults as `chunk`."""
        while True:
            end = self._rest.find(b"\n")
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                if self._skipping:
                    self._skipping = False
                elif line.strip() and len(line) <= LINE_MAX:
                    return line
                continue
            if len(self._rest) > LINE_MAX:
                self._rest.clear()
                self._skipping = True
            data = await self.chunk(idle_s)
            if not data:
                return None
            self._rest += data


class Hijacked:
    """A connection that carries raw bytes both ways since its answer's head."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def close(self) -> None:
        """Close it; never raises for the world."""
        self.writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.writer.wait_closed()


class Connection:
    """Requests to one engine. Opens at the first request; may be made before the event loop runs."""

    def __init__(self, url: str) -> None:
        """`url`: `unix:///path` or `tcp://host:port`. Raises ValueError on another scheme."""
        scheme, _, rest = url.partition("://")
        if scheme not in ("unix", "tcp", "http") or not rest:
            raise ValueError(f"Docker URL {url!r}: give unix:///path/to/docker.sock or tcp://host:port")
        self._url = url
        self._client: aiodocker.Docker | None = None
        self._connector: aiohttp.BaseConnector | None = None
        self._negotiated = False
        self._closed = False

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        deadline_s: float = READ_S,
    ) -> bytes:
        """One request and the whole of its answer. Raises DockerFault."""
        async with _sorted(f"{method} {path}", deadline_s):
            return await self._whole(method, path, params, body)

    async def read(self, kind: type[T], path: str, *, params: Params | None = None, deadline_s: float = READ_S) -> T:
        """GET `path`, decoded as `kind`. Raises DockerFault."""
        return decode(kind, await self.call("GET", path, params=params, deadline_s=deadline_s))

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, params: Params | None = None, deadline_s: float = READ_S
    ) -> AsyncIterator[Stream]:
        """A request whose answer is read piece by piece; `deadline_s` is for its beginning. Raises DockerFault."""
        what = f"{method} {path}"
        async with _sorted(what, deadline_s):
            client = await self._ready()
            response = await self._send(client, method, path, params, None)
        try:
            yield Stream(response, what)
        finally:
            response.close()

    async def hijack(self, path: str, body: object, *, deadline_s: float = READ_S) -> Hijacked:
        """POST `path` and take the connection over. aiohttp has no half-closed connections, so this one is our own.
        Raises DockerFault.
        """
        what = f"POST {path}"
        async with _sorted(what, deadline_s):
            client = await self._ready()
            scheme, _, rest = self._url.partition("://")
            if scheme == "unix":
                reader, writer = await asyncio.open_unix_connection(rest)
            else:
                host, _, port = rest.rstrip("/").rpartition(":")
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            taken = Hijacked(reader, writer)
            try:
                data = msgspec.json.encode(body)
                head = (
                    f"POST /{client.api_version}/{path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
                    f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(data)}\r\n\r\n"
                )
                writer.write(head.encode() + data)
                answer = await reader.readuntil(b"\r\n\r\n")
                status = int(answer.split(b" ", 2)[1])
                if status not in (101, 200):
                    said = await reader.read(LINE_MAX)
                    raise sort_fault(
                        status, clean(said.partition(b'"message":')[2].decode(errors="replace").strip(' "}\n'))
                    )
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                await taken.close()
                raise DockerFault("error", f"Docker's answer is not understood ({what})") from error
            except BaseException:
                await taken.close()
                raise
            return taken

    async def close(self) -> None:
        """Close every socket. Requests under way fail as `engine_down`."""
        self._closed = True
        client, connector = self._client, self._connector
        self._client = self._connector = None
        if client is not None:
            await client.close()
        if connector is not None:
            await connector.close()

    async def _whole(self, method: str, path: str, params: Params | None, body: object) -> bytes:
        client = await self._ready()
        response = await self._send(client, method, path, params, body)
        return await _all_of(response)

    async def _send(
        self, client: aiodocker.Docker, method: str, path: str, params: Params | None, body: object
    ) -> aiohttp.ClientResponse:
        data = None if body is None else msgspec.json.encode(body)
        try:
            return await client._do_query(path, method, params=params, data=data)
        except aiodocker.DockerError as error:
            if error.status == 900:
                # It may come back as another version.
                self._negotiated = False
            raise

    async def _ready(self) -> aiodocker.Docker:
        if self._closed:
            raise DockerFault("engine_down", "the connection to Docker is closed")
        client = self._client or self._open()
        if not self._negotiated:
            version = decode(_Version, await _all_of(await client._do_query("version", "GET", versioned_api=False)))
            client.api_version = negotiate(version.api_version, version.min_api_version)
            self._negotiated = True
        return client

    def _open(self) -> aiodocker.Docker:
        # No limit (the default of 100 lets followed streams block everything else), and no kept connections: one that
        # the engine closed in its restart would fail the next request that must not be repeated.
        if self._url.startswith("unix://"):
            self._connector = aiohttp.UnixConnector(self._url.removeprefix("unix://"), limit=0, force_close=True)
            host = "unix://localhost"
        else:
            self._connector = aiohttp.TCPConnector(limit=0, force_close=True)
            host = self._url
        self._client = aiodocker.Docker(url=host, connector=self._connector, api_version="v1.41")
        return self._client


def decode(kind: type[T], answer: bytes) -> T:
    """The answer of the engine as `kind`. Raises DockerFault `error` when it is something else."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DockerFault("error", f"Docker's answer is not understood: {clean(str(error))}") from error


async def _all_of(response: aiohttp.ClientResponse) -> bytes:
    try:
        answer = bytearray()
        while data := await response.content.readany():
            answer += data
            if len(answer) > ANSWER_MAX:
                raise DockerFault("error", f"Docker's answer is longer than {ANSWER_MAX} bytes")
        return bytes(answer)
    finally:
        response.close()


@asynccontextmanager
async def _sorted(what: str, deadline_s: float) -> AsyncIterator[None]:
    """Give the body `deadline_s` and turn whatever it raises into DockerFault. Must not span a yield of a generator."""
    try:
        async with asyncio.timeout(deadline_s):
            yield
    except TimeoutError as error:
        raise DockerFault("timeout", f"Docker did not answer within {deadline_s:g} s ({what})") from error
    except aiodocker.DockerError as error:
        raise sort_fault(error.status, str(error.message)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise DockerFault("engine_down", f"the connection to Docker broke: {clean(str(error))}") from error
    except (ValueError, KeyError, TypeError) as error:
        # aiodocker reads `message` out of an error answer without looking; a proxy in between may send anything.
        raise DockerFault("error", f"Docker's answer is not understood: {clean(str(error))}") from error
