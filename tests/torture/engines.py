"""`python -m tests.torture.engines FOLDER NODE…`: the Docker Engines of all nodes, in one process that outlives agents.

Each node's engine answers at `FOLDER/<node>.sock`, one call of the port per connection, as Docker does; the driver
speaks at `FOLDER/control.sock`. Because all engines are here, this is where it is seen at once that something runs
twice. Not a Docker: the engines are those of `tests.fakes`.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec

from nodeagent.core.container import DockerFault, FaultKind
from protocol.messages import ContainerRef
from protocol.spec import DesiredReplica
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine

IMAGES = ("web:1", "web:2", "db:1")
LINE_MAX = 1 << 20
SUBNET_POOL = "10.213.0.0/16"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the port, as an agent sends it. `args`: everything but `want`."""

    call: str
    cluster: str
    node: str
    args: tuple[Any, ...] = ()
    want: DesiredReplica | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Its end, or with `more` a part of it. `fault`: a `DockerFault` of this kind."""

    value: Any = None
    fault: FaultKind | None = None
    text: str = ""
    more: bool = False


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the driver wants of the engine of `node`: `state` (all engines), `down`, `hung`, `slow`, `reboot`, `exit`,
    `lose`, `fail`.
    """

    do: str
    node: str = ""
    value: float = 0.0
    call: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A container, as the driver sees it."""

    node: str
    ref: ContainerRef
    running: bool
    image: str
    version: str
    ports: tuple[int, ...]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All engines. `twice`: every moment at which a second container of one (replica, epoch) began to run."""

    containers: tuple[Shown, ...]
    twice: tuple[str, ...]
    starts: int
    creates: int


class WatchedEngine(FakeEngine):
    """Tells whenever a container begins to run."""

    def __init__(self, name: str, started: Callable[["WatchedEngine", str], None]) -> None:
        super().__init__()
        self.name = name
        self.id = f"ENGINE:{name}"
        self.started = started
        for image in IMAGES:
            self.add_image(image)

    def show(self, container_id: str, **changes: object) -> None:
        """As the fake does."""
        super().show(container_id, **changes)
        if changes.get("status") == "running":
            self.started(self, container_id)


class Engines:
    """All of them, and what was seen."""

    def __init__(self, names: list[str]) -> None:
        self.engines = {name: WatchedEngine(name, self._started) for name in names}
        self.wants: dict[str, DesiredReplica] = {}
        self.twice: list[str] = []
        self.starts = self.creates = 0
        self._ports: dict[tuple[str, str, str], FakeDocker] = {}

    def docker(self, engine: str, cluster: str, node: str) -> FakeDocker:
        """The port as one agent sees it."""
        key = (engine, cluster, node)
        if key not in self._ports:
            self._ports[key] = FakeDocker(self.engines[engine], cluster=cluster, node=node, subnet_pool=SUBNET_POOL)
        return self._ports[key]

    def _started(self, engine: WatchedEngine, container_id: str) -> None:
        self.starts += 1
        held = engine.held[container_id]
        for other in self.engines.values():
            for key, found in other.held.items():
                same = found.container.ref == held.container.ref and found.cluster == held.cluster
                if same and found.container.status == "running" and (other, key) != (engine, container_id):
                    self.twice.append(
                        f"{time.monotonic():.3f} {held.container.name} began on {engine.name} beside {other.name}"
                    )

    def state(self) -> State:
        """Everything, for the driver."""
        shown = []
        for engine in self.engines.values():
            for key, held in engine.held.items():
                want = self.wants.get(key)
                shown.append(
                    Shown(
                        node=engine.name,
                        ref=held.container.ref,
                        running=held.container.status == "running",
                        image=want.image if want else "",
                        version=want.spec.environment.get("VERSION", "") if want else "",
                        ports=tuple(p.host for p in held.container.ports),
                    )
                )
        return State(containers=tuple(shown), twice=tuple(self.twice), starts=self.starts, creates=self.creates)

    def obey(self, order: Order) -> State | int:
        """Do what the driver wants; the number of containers it touched."""
        if order.do == "state":
            return self.state()
        engine = self.engines[order.node]
        running = [key for key, held in engine.held.items() if held.container.status == "running"]
        match order.do:
            case "down":
                engine.down = bool(order.value)
            case "hung":
                engine.hung = bool(order.value)
            case "slow":
                engine.start_delay_s = order.value
            case "reboot":
                engine.reboot()
                return len(running)
            case "fail":
                engine.fail_next(order.call, "error", "torture")
            case "exit" | "lose" if running:
                victim = running[int(order.value) % len(running)]
                engine.exit(victim, 1)
                if order.do == "lose":
                    held = engine.held.pop(victim)
                    engine.tell(held, "destroy")
                return 1
            case _:
                return 0
        return 0


class Door:
    """The socket of one engine."""

    def __init__(self, engines: Engines, name: str) -> None:
        self._engines = engines
        self._name = name

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One call. It is carried out to its end also when the agent dies meanwhile, as an engine does."""
        try:
            line = await reader.readline()
            if not line:
                return
            ask = msgspec.json.decode(line, type=Ask)
            try:
                answer = await self._call(ask, writer)
            except DockerFault as fault:
                answer = Answer(fault=fault.kind, text=str(fault))
            await _put(writer, answer)
        except OSError:
            return
        finally:
            writer.close()

    async def _call(self, ask: Ask, writer: asyncio.StreamWriter) -> Answer:
        docker = self._engines.docker(self._name, ask.cluster, ask.node)
        match ask.call:
            case "create":
                assert ask.want is not None
                container_id = await docker.create(ask.want, ask.args[0])
                self._engines.wants[container_id] = ask.want
                self._engines.creates += 1
                return Answer(value=container_id)
            case "pull":
                async for progress in docker.pull(*ask.args):
                    await _put(writer, Answer(value=progress, more=True))
                return Answer()
            case "events":
                async for event in docker.events():
                    await _put(writer, Answer(value=event, more=True))
                return Answer()
            case "read_logs":
                container_id, lines, since_ns, follow = ask.args
                async for piece in docker.read_logs(container_id, lines=lines, since_ns=since_ns, follow=follow):
                    await _put(writer, Answer(value=piece, more=True))
                return Answer()
            case "ensure_network":
                project, network, taken = ask.args
                return Answer(value=await docker.ensure_network(project, network, tuple(taken)))
            case _:
                call = cast("Callable[..., Any]", getattr(docker, ask.call))
                return Answer(value=await call(*ask.args))


async def _put(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
    await writer.drain()


async def _control(engines: Engines, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(msgspec.json.encode(engines.obey(msgspec.json.decode(line, type=Order))) + b"\n")
        await writer.drain()
    writer.close()


async def serve(folder: Path, names: list[str]) -> None:
    """Until killed, or the driver is gone (its end of our standard input closes)."""
    engines = Engines(names)
    async with contextlib.AsyncExitStack() as open_:
        for name in names:
            door = Door(engines, name)
            await open_.enter_async_context(
                await asyncio.start_unix_server(door.serve, folder / f"{name}.sock", limit=LINE_MAX)
            )
        await open_.enter_async_context(
            await asyncio.start_unix_server(
                lambda r, w: _control(engines, r, w), folder / "control.sock", limit=LINE_MAX
            )
        )
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)  # agents are gone: nobody needs an orderly end of what they were asking


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2:]))
