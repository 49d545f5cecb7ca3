"""A Center with three nodes and one project, for the browser to look at; reached through a line that can be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from controlplane.app import opened, serve
from controlplane.listener import listen
from controlplane.settings import Settings
from protocol.api import DeployAnswer
from protocol.spec import DesiredReplica
from ropeteam.client import Client
from tests.browser.crew import Member, crew, healthy
from tests.loopback.center import ADMIN_TOKEN, Running, until

COMPOSE = """
name: shop
services:
  web:
    image: web:{version}
    ports: ["80"]
    healthcheck: {{test: [CMD, "true"]}}
    deploy: {{replicas: {replicas}}}
"""


class Stage:
    """A Center with three nodes and one project that is well."""

    def __init__(self, running: Running, members: dict[str, Member], line: "Line") -> None:
        self.running = running
        self.members = members
        self.line = line
        self.url = line.url

    async def deploy(self, version: int, replicas: int = 4) -> None:
        text = COMPOSE.format(version=version, replicas=replicas)
        client = Client(self.running.url, ADMIN_TOKEN)
        await asyncio.to_thread(client.send, "PUT", "projects/shop", DeployAnswer, text.encode())

    def hold(self, replica: int) -> None:
        """From now on this replica does not get beyond starting at the next version. 0 = none."""

        def verdict(wanted: DesiredReplica) -> dict[str, object]:
            held = wanted.replica == replica and wanted.spec.image == "web:2"
            return {"state": "starting", "health": "starting"} if held else healthy(wanted)

        for member in self.members.values():
            member.verdict = verdict

    async def say(self, **fields: object) -> None:
        """All agents report `fields` of replica 2 and go on as before with the others."""

        def verdict(wanted: DesiredReplica) -> dict[str, object]:
            return {**healthy(wanted), **fields} if wanted.replica == 2 else healthy(wanted)

        for member in self.members.values():
            member.verdict = verdict
            await member.look()


class Line:
    """A TCP relay in front of the Center, at `url`."""

    def __init__(self) -> None:
        self.url = ""
        self.target = 0
        self.flows = asyncio.Event()
        self.flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._refuses = False

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[None]:
        """Listening until the context ends."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield
            self.cut()
        self.flows.set()

    def cut(self) -> None:
        """Every connection breaks, new ones do too."""
        self._refuses = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """New connections work again, and what was frozen flows."""
        self._refuses = False
        self.flows.set()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there_writer}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_on(reader, there_writer))
            tasks.create_task(self._pass_on(there_reader, writer))
        self._open -= {writer, there_writer}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def center_behind(line: Line, data: Path) -> AsyncIterator[Running]:
    """A Center that people reach by the line's address."""
    settings = Settings(data=data, host="127.0.0.1", port=0, public_url=line.url, admin_token=ADMIN_TOKEN)
    stop = asyncio.Event()
    async with opened(settings) as center, asyncio.TaskGroup() as tasks:
        listener = listen(settings.host, settings.port)
        tasks.create_task(serve(center, listener, stop))
        line.target = listener.getsockname()[1]
        try:
            yield Running(center, line.target)
        finally:
            stop.set()


@asynccontextmanager
async def staged(data: Path) -> AsyncIterator[Stage]:
    """All nodes are online, all replicas run."""
    line = Line()
    async with (
        line.laid(),
        center_behind(line, data) as running,
        crew(running, "node-1", "node-2", "node.10") as members,
    ):
        cluster = running.center.controller.cluster
        await until(lambda: all(n.state == "online" for n in cluster.nodes.values()), "all nodes online")
        stage = Stage(running, members, line)
        await stage.deploy(1)
        await until(lambda: sum(r.state == "running" for r in cluster.replicas.values()) == 4, "four replicas")
        yield stage
