"""`RemoteDocker`: the port `nodeagent.core.container.Docker` on an engine of `tests.torture.engines`.

One connection per call, as with Docker. Runs in the tortured agent's process; `hit` is told around each call that
changes something, which is where an agent is made to die between a create and its start.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from nodeagent.core.container import Container, DockerEvent, DockerFault, EngineInfo, Exec, PullProgress, Usage
from protocol.spec import DesiredReplica
from tests.torture.engines import LINE_MAX, Answer, Ask

T = TypeVar("T")

CALL_S = 20.0
"""Deadline of a call, as the real port has."""

AGAIN_S = 0.5


class RemoteDocker:
    """`path`: the engine's socket."""

    def __init__(self, path: str, cluster: str, node: str, hit: Callable[[str], None]) -> None:
        self._path = path
        self._cluster = cluster
        self._node = node
        self._hit = hit

    async def info(self) -> EngineInfo:
        return msgspec.convert(await self._ask("info"), EngineInfo)

    async def containers(self) -> tuple[Container, ...]:
        return msgspec.convert(await self._ask("containers"), tuple[Container, ...])

    async def inspect(self, container_id: str) -> Container | None:
        return msgspec.convert(await self._ask("inspect", container_id), Container | None)

    async def resolve(self, image: str) -> str:
        return str(await self._ask("resolve", image))

    async def has_image(self, pinned: str) -> bool:
        return bool(await self._ask("has_image", pinned))

    async def remove_image(self, pinned: str) -> bool:
        return bool(await self._change("remove_image", pinned))

    async def pull(self, pinned: str) -> AsyncGenerator[PullProgress, None]:
        async with contextlib.aclosing(self._parts("pull", pinned)) as parts:
            async for part in parts:
                yield msgspec.convert(part, PullProgress)

    async def create(self, want: DesiredReplica, networks: Mapping[str, str]) -> str:
        return str(await self._change("create", dict(networks), want=want))

    async def start(self, container_id: str) -> None:
        await self._change("start", container_id)

    async def stop(self, container_id: str, grace_s: float) -> None:
        await self._change("stop", container_id, grace_s)

    async def restart(self, container_id: str, grace_s: float) -> None:
        await self._change("restart", container_id, grace_s)

    async def remove(self, container_id: str) -> None:
        await self._change("remove", container_id)

    async def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        return msgspec.convert(await self._ask("logs", container_id, lines), tuple[str, ...])

    async def read_logs(
        self, container_id: str, *, lines: int = -1, since_ns: int = 0, follow: bool = False
    ) -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(self._parts("read_logs", container_id, lines, since_ns, follow)) as parts:
            async for part in parts:
                yield msgspec.convert(part, bytes)

    async def exec(
        self, container_id: str, command: tuple[str, ...], *, tty: bool, stdin: bool, cols: int, rows: int
    ) -> Exec:
        raise DockerFault("refused", "nobody looks into containers here")

    async def usage(self, container_id: str) -> Usage:
        return msgspec.convert(await self._ask("usage", container_id), Usage)

    async def ensure_network(self, project: str, network: str, subnets_taken: tuple[str, ...]) -> str:
        return str(await self._ask("ensure_network", project, network, subnets_taken))

    async def drop_unused_networks(self) -> None:
        await self._ask("drop_unused_networks")

    async def ensure_volume(self, project: str, volume: str) -> str:
        return str(await self._ask("ensure_volume", project, volume))

    async def events(self) -> AsyncGenerator[DockerEvent, None]:
        while True:
            with contextlib.suppress(DockerFault):
                async with contextlib.aclosing(self._parts("events")) as parts:
                    async for part in parts:
                        yield msgspec.convert(part, DockerEvent)
            await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        return

    async def _change(self, call: str, *args: object, want: DesiredReplica | None = None) -> Any:
        self._hit(f"before-{call}")
        value = await self._ask(call, *args, want=want)
        self._hit(f"after-{call}")
        return value

    async def _ask(self, call: str, *args: object, want: DesiredReplica | None = None) -> Any:
        try:
            async with asyncio.timeout(CALL_S), contextlib.aclosing(self._answers(call, args, want)) as answers:
                async for answer in answers:
                    return answer.value
        except TimeoutError:
            raise DockerFault("timeout", f"the engine did not answer {call} within {CALL_S:g} s") from None
        raise DockerFault("engine_down", "the engine hung up")

    async def _parts(self, call: str, *args: object) -> AsyncGenerator[Any, None]:
        async with contextlib.aclosing(self._answers(call, args, None)) as answers:
            async for answer in answers:
                if answer.more:
                    yield answer.value

    async def _answers(
        self, call: str, args: tuple[object, ...], want: DesiredReplica | None
    ) -> AsyncGenerator[Answer, None]:
        ask = Ask(call=call, cluster=self._cluster, node=self._node, args=args, want=want)
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_MAX)
        except OSError as error:
            raise DockerFault("engine_down", str(error)) from error
        try:
            writer.write(msgspec.json.encode(ask) + b"\n")
            while line := await reader.readline():
                answer = msgspec.json.decode(line, type=Answer)
                if answer.fault is not None:
                    raise DockerFault(answer.fault, answer.text)
                yield answer
        except OSError as error:
            raise DockerFault("engine_down", str(error)) from error
        finally:
            writer.close()
