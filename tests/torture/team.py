"""Everything that is tortured: one Center, its agents, their engines, their disks; started again whenever they die.

Knows how to turn each thing; what to turn and when is `faults.py`'s, what must hold `checks.py`'s.
"""

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tests.torture import knobs
from tests.torture.api import Api
from tests.torture.engines import LINE_MAX, Order, State
from tests.torture.process import END_S, Child, start_engines
from tests.torture.story import Story

CENTER_DISK_MB = 48
AGENT_DISK_MB = 2
READY_S = 60.0
PORTS = range(15000, 19000)
"""Where the Center listens: below what the kernel gives to others, for it must get the same one again."""


class Team:
    """`disks`: folders that are file systems of their own and can be filled."""

    def __init__(self, folder: Path, names: list[str], story: Story, chance: random.Random) -> None:
        self.folder = folder
        self.names = names
        self.story = story
        self.chance = chance
        self.port = free_port()
        self.api = Api(self.port)
        self.disks: set[str] = set()
        self.again_max_s = 6.0
        """The longest that a process is away before it is started again."""
        self.center = Child("center", folder, self._center_command, story)
        self.agents = {name: Child(name, folder, self._agent_command(name), story) for name in names}
        self.joins: dict[str, str] = {}
        self.lives: list[asyncio.Task[None]] = []
        self._control: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    @property
    def children(self) -> list[Child]:
        """Center and agents."""
        return [self.center, *self.agents.values()]

    def child(self, name: str) -> Child:
        """By its name."""
        return self.center if name == "center" else self.agents[name]

    def data(self, name: str) -> Path:
        """The data folder of a process."""
        return self.folder / f"{name}.disk" / "data"

    def _center_command(self) -> list[str]:
        return [
            sys.executable, "-m", "tests.torture.center", str(self.center.knobs),
            "--data", str(self.data("center")), "--listen", f"127.0.0.1:{self.port}",
        ]  # fmt: skip

    def _agent_command(self, name: str) -> Callable[[], list[str]]:
        def command() -> list[str]:
            return [
                sys.executable, "-m", "tests.torture.agent", str(self.agents[name].knobs),
                str(self.folder / f"{name}.sock"), "--data", str(self.data(name)), "--docker", "tcp://engine",
                "--center", f"http://127.0.0.1:{self.port}", "--join", self.joins[name], "--name", name,
                "--address", f"10.0.0.{self.names.index(name) + 1}",
            ]  # fmt: skip

        return command

    async def keep(self, child: Child) -> None:
        """Start it again whenever it ends, after a pause, for ever."""
        while True:
            while child.kept_down:  # noqa: ASYNC110  a fault of seconds
                await asyncio.sleep(0.1)
            ended = await child.live()
            pause_s = self.chance.choice((0.0, self.chance.uniform(0, self.again_max_s)))
            self.story.tell("end", f"{child.name} {ended}; again in {pause_s:.1f} s")
            await asyncio.sleep(pause_s)

    async def order(self, do: str, node: str = "", value: float = 0.0, call: str = "") -> int:
        """Turn an engine."""
        return int(msgspec.json.decode(await self._say(Order(do=do, node=node, value=value, call=call))))

    async def state(self) -> State:
        """What all engines have."""
        return msgspec.json.decode(await self._say(Order(do="state")), type=State)

    async def _say(self, order: Order) -> bytes:
        async with self._turn:
            if self._control is None:
                self._control = await asyncio.open_unix_connection(str(self.folder / "control.sock"), limit=LINE_MAX)
            reader, writer = self._control
            writer.write(msgspec.json.encode(order) + b"\n")
            return await reader.readline()

    def hang_up(self) -> None:
        """No more is said to the engines."""
        if self._control is not None:
            self._control[1].close()

    # -- disks --------------------------------------------------------------------------------------------------------

    def fill(self, name: str) -> None:
        """Leave no byte free on this disk."""
        with (self.folder / f"{name}.disk" / "filler").open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def unfill(self, name: str) -> None:
        """Give the room back."""
        (self.folder / f"{name}.disk" / "filler").unlink(missing_ok=True)

    @contextlib.contextmanager
    def mounted(self) -> Iterator[None]:
        """A small file system for each process. Needs root; without it no disk is filled."""
        for child in self.children:
            (self.folder / f"{child.name}.disk").mkdir()
        if os.geteuid() != 0:
            self.story.tell("note", "only root can mount small disks to fill: no disk is filled in this run")
            yield
            return
        try:
            for child in self.children:
                size = CENTER_DISK_MB if child is self.center else AGENT_DISK_MB
                disk = self.folder / f"{child.name}.disk"
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=0700", "tmpfs", disk], check=True)
                self.disks.add(child.name)
            yield
        finally:
            for name in self.disks:
                subprocess.run(["umount", "--lazy", self.folder / f"{name}.disk"], check=True)

    # -- the beginning ------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until the Center answers."""
        async with asyncio.timeout(READY_S):
            while True:
                with contextlib.suppress(OSError, AssertionError):
                    await self.api.get("/readyz")
                    return
                await asyncio.sleep(0.1)

    async def assemble(self, tasks: asyncio.TaskGroup) -> None:
        """The Center, then the agents, each with a token of its own."""
        self.lives.append(tasks.create_task(self.keep(self.center)))
        await self.settle()
        for name, child in self.agents.items():
            reply = await self.api.ask("POST", "/join-tokens", {})
            self.joins[name] = reply.body["token"]
            self.lives.append(tasks.create_task(self.keep(child)))

    async def restore(self) -> None:
        """Everything works again: nothing is stopped, full, hung, limited, armed or bent."""
        for child in self.children:
            knobs.disarm(child.knobs)
            knobs.set_offset(child.knobs, 0.0)
            child.free_files()
            child.go_on()
            child.kept_down = False
        for name in self.disks:
            self.unfill(name)
        for name in self.names:
            for do in ("down", "hung", "slow"):
                await self.order(do, name)


@asynccontextmanager
async def assembled(folder: Path, size: int, story: Story, chance: random.Random) -> AsyncIterator[Team]:
    """A team of `size` nodes, its processes started; killed at the end, and its disks thrown away."""
    names = [f"node-{number + 1}" for number in range(size)]
    team = Team(folder, names, story, chance)
    with team.mounted():
        engines = await start_engines(folder, names)
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    await team.assemble(tasks)
                    yield team
                finally:
                    for life in team.lives:
                        life.cancel()
        finally:
            team.hang_up()
            assert engines.stdin is not None
            engines.stdin.close()
            async with asyncio.timeout(END_S):
                await engines.wait()


def free_port() -> int:
    """A port nobody listens on."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")
