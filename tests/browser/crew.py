"""Agents for the browser tests: they speak the real protocol over real sockets and obey, but hold no containers.

A member reports what it is told to run as running and healthy, unless a test says otherwise through `verdict`.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
from websockets.exceptions import ConnectionClosed

from protocol.codec import decode_from_center
from protocol.messages import (
    ContainerBeat,
    ContainerRef,
    ContainerReport,
    Desired,
    DesiredDelta,
    FromCenter,
    Heartbeat,
    Observed,
    TaskOrder,
    TaskUpdate,
)
from protocol.spec import DesiredReplica
from tests.loopback.center import Agent, Rope, Running

BEAT_S = 0.5

Verdict = Callable[[DesiredReplica], dict[str, object]]
"""What to report of a replica: fields of a ContainerReport."""


def healthy(wanted: DesiredReplica) -> dict[str, object]:
    """All is well."""
    return {"state": "running", "health": "healthy"}


class Member:
    """One agent. Change `verdict` or `cpu`, then `look`, to report anew."""

    def __init__(self, name: str, agent: Agent, cpu: float) -> None:
        self.name = name
        self.cpu = cpu
        self.memory_mb = 8192.0
        self.verdict: Verdict = healthy
        self._agent = agent
        self._rope: Rope | None = None
        self._wanted: dict[tuple[str, str, int, int], DesiredReplica] = {}
        self._told: dict[tuple[str, str, int, int], dict[str, object]] = {}
        self._state_seq = 0
        self._observed = 0

    async def live(self) -> None:
        """Serve until the socket is closed."""
        with suppress(ConnectionClosed):
            async with self._agent.session() as rope:
                self._rope, self._observed = rope, 0
                assert rope.desired is not None
                await self._obey(rope.desired)
                beats = 0
                while True:
                    try:
                        async with asyncio.timeout(BEAT_S):
                            await self._obey(decode_from_center(await rope.socket.recv()))
                    except TimeoutError:
                        beats += 1
                        await rope.send(self._beat(beats))

    def cut(self) -> None:
        """The power goes: no goodbye."""
        assert self._rope is not None
        self._rope.socket.transport.abort()

    async def look(self) -> None:
        """Report what is another than was told before."""
        reports, gone = [], []
        for key in [k for k in self._told if k not in self._wanted]:
            del self._told[key]
            gone.append(ContainerRef(project=key[0], service=key[1], replica=key[2], epoch=key[3]))
        for key, wanted in self._wanted.items():
            fields = self.verdict(wanted)
            if fields != self._told.get(key):
                self._told[key] = fields
                reports.append(self._report(wanted, fields))
        if reports or gone:
            assert self._rope is not None
            self._observed += 1
            await self._rope.send(Observed(seq=self._observed, containers=tuple(reports), gone=tuple(gone)))

    async def _obey(self, message: FromCenter) -> None:
        match message:
            case Desired():
                self._wanted = {_key(r): r for r in message.replicas}
            case DesiredDelta():
                for ref in message.drop:
                    self._wanted.pop((ref.project, ref.service, ref.replica, ref.epoch), None)
                self._wanted.update({_key(r): r for r in message.replicas})
            case TaskOrder():
                result = f"sha256:{'ab' * 32}" if message.kind == "resolve" else ""
                assert self._rope is not None
                await self._rope.send(TaskUpdate(task=message.task, state="done", result=result))
            case _:
                return
        await self.look()

    def _report(self, wanted: DesiredReplica, fields: dict[str, object]) -> ContainerReport:
        self._state_seq += 1
        made = ContainerReport(
            project=wanted.project,
            service=wanted.service,
            replica=wanted.replica,
            epoch=wanted.epoch,
            state="running",
            state_seq=self._state_seq,
            container_id=f"{self._state_seq:064x}",
            ports=wanted.ports,
        )
        return msgspec.structs.replace(made, **fields)

    def _beat(self, number: int) -> Heartbeat:
        wave = 8 * math.sin(number / 3) + 5 * math.sin(number * 1.7)
        return Heartbeat(
            agent_id=self._agent.agent_id,
            seq=number,
            cpu_usage=max(0.0, self.cpu + wave),
            mem_free_mb=self.memory_mb * (1 - self.cpu / 137),
            mem_total_mb=self.memory_mb,
            disk_free_gb=60.0,
            disk_total_gb=100.0,
            containers=tuple(
                ContainerBeat(
                    project_code=w.project,
                    service=w.service,
                    replica=w.replica,
                    epoch=w.epoch,
                    status="running",
                    cpu_usage=2.0 + 3 * (w.replica % 3) + wave / 8,
                    mem_mb=90.0 + 40 * (len(w.service) % 5) + wave,
                )
                for w in self._wanted.values()
            ),
        )


def _key(replica: DesiredReplica) -> tuple[str, str, int, int]:
    return replica.project, replica.service, replica.replica, replica.epoch


@asynccontextmanager
async def crew(running: Running, *names: str) -> AsyncIterator[dict[str, Member]]:
    """Members of these names, online until the context ends."""
    members = {name: Member(name, await running.node(name), 14.0 + 17 * place % 60) for place, name in enumerate(names)}
    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(member.live()) for member in members.values()]
        yield members
        for life in lives:
            life.cancel()
