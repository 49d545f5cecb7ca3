"""Logs, exec and figures from a person's socket through the Center to agents and their engines, and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from protocol import live
from protocol.loglines import parse
from tests.loopback.center import ADMIN_TOKEN
from tests.loopback.test_cluster import Team, team

T = TypeVar("T")
WAIT_S = 15.0
_FRAMES: msgspec.json.Decoder[live.FromCenter] = msgspec.json.Decoder(live.FromCenter)


class Person:
    """One socket of `/api/v1/stream`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, frame: live.FromPerson) -> None:
        await self.socket.send(msgspec.json.encode(frame).decode())

    async def hear(self) -> live.FromCenter:
        async with asyncio.timeout(WAIT_S):
            return _FRAMES.decode(await self.socket.recv())

    async def until(self, kind: type[T]) -> tuple[T, list[live.FromCenter]]:
        """The next frame of this kind, and those before it."""
        before: list[live.FromCenter] = []
        while not isinstance(frame := await self.hear(), kind):
            before.append(frame)
        return frame, before


@asynccontextmanager
async def person(it: Team) -> AsyncIterator[Person]:
    url = it.center.url.replace("http", "ws") + "/api/v1/stream"
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with connect(
        url, additional_headers=headers, subprotocols=[Subprotocol(live.LIVE)], compression=None, close_timeout=1
    ) as socket:
        yield Person(socket)


def texts(frames: list[live.FromCenter]) -> list[str]:
    """The lines in these frames."""
    data = b"".join(f.data for f in frames if isinstance(f, live.Data))
    return [parse(line).text.decode() for line in data.splitlines()]


def write(it: Team, *lines: str) -> None:
    """Every container writes these."""
    for engine in it.engines.values():
        for container_id in engine.held:
            engine.write(container_id, *lines)


def placed(it: Team) -> dict[str, int]:
    """Node -> number of the replica there, one on each."""
    return {r.wanted.node: r.id.index for r in it.cluster.replicas.values() if r.wanted is not None}


async def deployed(it: Team, replicas: int = 2) -> None:
    await it.deploy(replicas)
    await it.until(lambda: sum(it.running().values()) == replicas, "all run")
    await it.until(
        lambda: all(r.wanted and r.wanted.state == "running" for r in it.cluster.replicas.values()), "the Center knows"
    )


async def test_logs_of_a_project_come_from_all_nodes_and_go_on(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1", "node-2") as it, person(it) as me:
        await deployed(it)
        write(it, "hello")
        await me.say(live.Logs(id=1, project="shop", lines=10))
        _, frames = await me.until(live.Over)
        sources = {(f.service, f.replica, f.node) for f in frames if isinstance(f, live.Source)}
        assert sources == {("web", number, node) for node, number in placed(it).items()} and len(sources) == 2
        assert texts(frames) == ["hello", "hello"]
        await me.say(live.Logs(id=2, project="shop", follow=True, lines=0))
        await me.until(live.Source)
        await me.until(live.Source)
        await asyncio.sleep(0.2)
        write(it, "and on")
        found = [(await me.until(live.Data))[0] for _ in range(2)]
        assert texts(list(found)) == ["and on", "and on"]
        await me.say(live.Stop(id=2))
        assert (await me.until(live.Over))[0].id == 2
        await it.until(lambda: it.center.center.relay.open_streams() == 0, "the agents are told")


async def test_lines_of_a_lost_node_are_read_from_the_center(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1", "node-2") as it, person(it) as me:
        await deployed(it)
        write(it, "last words")
        replica = next(r for r in it.cluster.replicas.values() if r.wanted and r.wanted.node == "node-2")

        async def kept() -> bytes:
            assert replica.wanted is not None
            return await it.center.center.tails.lines(replica.id, replica.wanted.epoch)

        async with asyncio.timeout(WAIT_S):
            while not await kept():  # noqa: ASYNC110 the file has no events
                await asyncio.sleep(0.05)
        it.cut("node-2")
        await it.until(lambda: it.center.center.hub.sessions() == 1, "the session is over")
        await me.say(live.Logs(id=1, project="shop", service="web"))
        over, frames = await me.until(live.Over)
        assert over.error == ""
        assert texts(frames) == ["last words", "last words"]
        notes = {f.node: f.note for f in frames if isinstance(f, live.Source)}
        nodes = {r.wanted.node for r in it.cluster.replicas.values() if r.wanted}
        assert notes == {n: f"{n} is away: its last lines" if n == "node-2" else "" for n in nodes}


async def test_a_command_runs_and_the_journal_knows(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it, person(it) as me:
        await deployed(it, 1)
        await me.say(live.Exec(id=7, project="shop", service="web", command=("cat",), stdin=True))
        credit, frames = await me.until(live.Credit)
        assert [f.node for f in frames if isinstance(f, live.Source)] == ["node-1"]
        assert credit.credit >= 1024
        await me.say(live.Input(id=7, data=b"echo me\n"))
        data, _ = await me.until(live.Data)
        assert data.data == b"echo me\n"
        await me.say(live.Input(id=7, eof=True))
        over, _ = await me.until(live.Over)
        assert (over.code, over.error) == (0, "")
        await me.say(live.Exec(id=8, project="shop", service="web", command=("sh", "-c", "exit 3")))
        assert (await me.until(live.Over))[0].code == 3
        events = [e.text for e in await it.center.center.store.events(0, 1000) if e.kind == "exec.started"]
        assert events == [
            "admin runs a command in shop/web/1 on node-1: cat",
            "admin runs a command in shop/web/1 on node-1: sh -c exit 3",
        ]


async def test_a_person_who_leaves_ends_the_command(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it:
        await deployed(it, 1)
        async with person(it) as me:
            await me.say(live.Exec(id=1, project="shop", service="web", command=("cat",), stdin=True))
            await me.until(live.Credit)
        engine = it.engines["node-1"]
        await it.until(lambda: engine.execs[0].closed, "the agent let go of it")
        assert it.center.center.relay.open_streams() == 0
        await it.until(lambda: it.center.center.hub.sessions() == 1, "the node is there all the same")


async def test_figures_and_events_share_the_socket_with_logs(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it, person(it) as me:
        await me.say(live.Top(id=1, every_s=0.5))
        await me.say(live.Events(id=2, after=0))
        told, _ = await me.until(live.Told)
        assert told.event.seq == 1
        number = await it.deploy(1)
        await me.say(live.Deployment(id=3, deployment=number))
        over, frames = await me.until(live.Over)
        assert over.id == 3
        progress = [f for f in frames if isinstance(f, live.Progress)]
        assert progress[-1].deployment.state == "succeeded"
        usage, _ = await me.until(live.Usage)
        assert [n.node for n in usage.nodes] == ["node-1"]
        await me.say(live.Logs(id=4, project="nothing"))
        over, _ = await me.until(live.Over)
        assert (over.id, over.error) == (4, "not_found")


async def test_a_reader_that_takes_nothing_stops_the_agent_and_nobody_else(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it, person(it) as me, person(it) as other:
        await deployed(it, 1)
        await me.say(live.Logs(id=1, project="shop", follow=True, lines=0, credit=2000))
        source, _ = await me.until(live.Source)
        await asyncio.sleep(0.2)
        write(it, *("x" * 500 for _ in range(1000)))
        got = 0
        while got < 2000:
            got += len((await me.until(live.Data))[0].data)
        await other.say(live.Logs(id=1, project="shop", lines=3))
        _, frames = await other.until(live.Over)
        assert len(texts(frames)) == 3
        await me.say(live.Top(id=2))
        _, before = await me.until(live.Usage)
        assert not [f for f in before if isinstance(f, live.Data)], "no byte beyond the credit"
        assert got == 2000
        granted = 0
        while got < 1000 * 500:
            await me.say(live.Credit(id=1, source=source.source, credit=50_000))
            granted += 50_000
            while got < min(granted + 2000, 1000 * 500):
                got += len((await me.until(live.Data))[0].data)
        assert it.center.center.hub.sessions() == 1
        assert not [
            e for e in await it.center.center.store.events(0, 1000) if e.kind in ("node.suspect", "node.offline")
        ]
