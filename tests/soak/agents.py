"""Many agents of the product in one process, each on an engine in memory and behind a line that can be cut.

Run by `Agents` as `python -m tests.soak.agents`: a `Crew` on the first line of stdin, then orders, one answer line
each. An agent is all of the product's but its engine; what its containers would do, they do not.
"""

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.child import Child, started
from nodeagent.app import Agent
from nodeagent.settings import Settings
from protocol.handshake import JoinToken
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine

JOIN_PAUSE_S = 0.1
"""Between the starts of two agents, so that many do not fall upon the Center at once."""


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """Who connects to what. `tokens`: name of the node -> its join token. `images`: reference -> id on all engines."""

    folder: str
    center: str
    tokens: dict[str, str]
    images: dict[str, str]
    labels: dict[str, str]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`cut`: the line of `node` is dead for `seconds`. `restart`: its agent is away for `seconds`. `exit`: a container
    of it, the `number`-th, ends with code 1. `state`: what runs.
    """

    do: str
    node: str = ""
    seconds: float = 0.0
    number: int = 0


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`running`: `project/service/replica` of every container that runs, as often as it runs."""

    running: list[str]


class Agents:
    """The other end: orders to the process."""

    def __init__(self, child: Child, crew: Crew) -> None:
        self.child = child
        self.names = list(crew.tokens)
        self._put(crew)

    def order(self, do: str, node: str = "", seconds: float = 0.0, number: int = 0) -> State:
        """Give an order; gives what runs. Returns at once, also when what was ordered takes its time."""
        self._put(Order(do=do, node=node, seconds=seconds, number=number))
        return msgspec.json.decode(self.child.line(), type=State)

    def _put(self, value: Crew | Order) -> None:
        self.child.stdin.write(msgspec.json.encode(value).decode() + "\n")
        self.child.stdin.flush()


@contextmanager
def agents(crew: Crew) -> Iterator[Agents]:
    """The process with these agents, which begin to join; ended with the context."""
    with started([sys.executable, "-m", "tests.soak.agents"]) as child:
        yield Agents(child, crew)


# -- inside the process ---------------------------------------------------------------------------------------------


class _Line:
    """What an agent connects to instead of the Center: bytes go on while the line is whole, else they wait."""

    def __init__(self, host: str, port: int) -> None:
        self._center = (host, port)
        self.whole = asyncio.Event()
        self.whole.set()
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        """Listen; gives the URL."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.whole.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._center)
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(reader, far_writer))
            group.create_task(self._pass_on(far_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.whole.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


class _Simulated:
    """One node: engine, line, and an agent that is started again."""

    def __init__(self, crew: Crew, name: str, number: int) -> None:
        where = urlsplit(crew.center)
        self._crew = crew
        self._name = name
        self._address = f"10.99.0.{number + 1}"
        self.line = _Line(where.hostname or "", where.port or 80)
        self.engine = FakeEngine()
        self.engine.id = f"ENGINE:{name}"
        for reference, image in crew.images.items():
            self.engine.images[reference] = self.engine.images[image] = image
        self._agent: asyncio.Task[None] | None = None
        self._away_s = 0.0

    async def live(self, wait_s: float) -> None:
        """Until cancelled. What ends the agent but an order ends the whole process."""
        await asyncio.sleep(wait_s)
        settings = Settings(
            data=Path(self._crew.folder) / self._name,
            center=await self.line.open(),
            join=JoinToken.parse(self._crew.tokens[self._name]),
            name=self._name,
            address=self._address,
            labels=self._crew.labels,
            docker="tcp://in-memory",
        )
        settings.data.mkdir(parents=True)
        while True:
            agent = Agent(settings, lambda cluster, node: FakeDocker(self.engine, cluster=cluster, node=node))
            async with asyncio.TaskGroup() as group:
                self._agent = group.create_task(agent.live())
            self._agent = None
            await asyncio.sleep(self._away_s)

    def restart(self, away_s: float) -> None:
        """End its agent as a signal does that cannot be caught, and start it again after so many seconds."""
        if self._agent is not None:
            self._away_s = away_s
            self._agent.cancel()

    def exit(self, number: int) -> None:
        """One of its containers fails."""
        running = [key for key, held in self.engine.held.items() if held.container.status == "running"]
        if running:
            self.engine.exit(running[number % len(running)], 1)

    def running(self) -> list[str]:
        """What runs here."""
        found = [held.container for held in self.engine.held.values() if held.container.status == "running"]
        return [f"{c.ref.project}/{c.ref.service}/{c.ref.replica}" for c in found]


def _obey(nodes: dict[str, _Simulated], order: Order) -> State:
    match order.do:
        case "cut":
            line = nodes[order.node].line
            line.whole.clear()
            asyncio.get_running_loop().call_later(order.seconds, line.whole.set)
        case "restart":
            nodes[order.node].restart(order.seconds)
        case "exit":
            nodes[order.node].exit(order.number)
        case "state":
            pass
        case _:
            raise ValueError(order.do)
    return State(running=[name for node in nodes.values() for name in node.running()])


async def _main() -> None:
    loop = asyncio.get_running_loop()
    crew = msgspec.json.decode(sys.stdin.readline(), type=Crew)
    nodes = {name: _Simulated(crew, name, number) for number, name in enumerate(crew.tokens)}
    async with asyncio.TaskGroup() as group:
        lives = [group.create_task(node.live(JOIN_PAUSE_S * n)) for n, node in enumerate(nodes.values())]
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            state = _obey(nodes, msgspec.json.decode(line, type=Order))
            sys.stdout.write(msgspec.json.encode(state).decode() + "\n")
            sys.stdout.flush()
        for life in lives:
            life.cancel()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    uvloop.run(_main())
