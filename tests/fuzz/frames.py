"""Frames both ways, in process: through the codec, and what is decoded through the core of the side that gets it.

Holds: only ProtocolError comes out of the codec; what it lets in can be encoded again and is the same; the core never
raises for it, and what the core wants stored or sent can be stored or sent; no frame takes long; memory stays.
"""

import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import psutil  # type: ignore[import-untyped]  # as in nodeagent.meters

from controlplane.core import center, views
from controlplane.core.cluster import Changes, Cluster
from controlplane.core.command import OpenSession
from controlplane.core.fact import Fact, Listed, Reported, StopAsked, Synced, TaskReported, Tick
from controlplane.core.record import Now, Refused
from controlplane.core.task import Task
from controlplane.link.hub import Hub
from controlplane.link.session import Session
from controlplane.store.tables import statements
from nodeagent.core.events import Memory, Received, SaveMemory, SaveTask, Send, SessionOpened
from nodeagent.core.events import Now as AgentNow
from nodeagent.core.node import NodeState
from protocol.codec import FRAME_MAX, ProtocolError, UnknownTag, decode_from_agent, decode_from_center, encode
from protocol.messages import (
    Beat,
    ConfirmStop,
    FromAgent,
    FromCenter,
    Heartbeat,
    Hello,
    Inventory,
    Observed,
    TaskUpdate,
    Word,
)
from protocol.names import ReplicaId
from tests.fuzz.mutations import Mutator
from tests.fuzz.shapes import Shapes, messages
from tests.unit.controlplane import sample_cluster

FRAME_S = 0.25
"""CPU seconds that one frame may take from bytes to all that follows from it."""

GROWTH_MAX = 64 << 20
"""Resident bytes that all frames together may leave behind."""

WARM_UP = 5000

ANEW = 500
"""Frames after which both sides begin anew: what hostile frames built up is for other tests."""

INT64 = 1 << 63
WALL = sample_cluster.WALL


class Told(NamedTuple):
    """How a run went. `peak`: resident bytes at most. `slowest`: CPU seconds of one frame."""

    frames: int
    seconds: float
    outcomes: dict[str, int]
    slowest: float
    peak: int

    def __str__(self) -> str:
        outcomes = ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        return (
            f"{self.frames} frames in {self.seconds:.0f} s ({self.frames / self.seconds:.0f}/s): {outcomes}; slowest "
            f"{self.slowest * 1000:.1f} ms, peak memory {self.peak >> 20} MiB"
        )


OTHERS = ReplicaId("shop", "web", 2)
"""A replica of node-2, and a task of its own: what node-1 says must not touch them."""

TASK = Task(id="t1", kind="pull", node="node-2", image="web:1", created_at=WALL, deadline_at=WALL + 1e6)


class CenterSide:
    """The Center's hub and core with two nodes and a project; what comes from `node-1` is hostile."""

    def __init__(self) -> None:
        self._mono = 1000.0
        self.cluster: Cluster = sample_cluster.shop()
        self.cluster.apply(Changes(puts=[TASK]))
        self._honest = self.cluster.replicas[OTHERS]
        self.hub = Hub(self._now)
        self.session = Session("node-1", "agent-1", 1)
        self.hub.enter(self.session)

    def _now(self) -> Now:
        return Now(mono=self._mono, wall=WALL + self._mono)

    def take(self, message: FromAgent) -> None:
        """What `link.ride` and the controller do with it."""
        self._mono += 0.005
        if isinstance(message, Heartbeat):
            self.hub.beat(self.session, message)
            encode(Beat(seq=message.seq))
            self._decide(Tick(sightings=self.hub.sightings(self._mono), usage=self.hub.usage()))
            node = self.cluster.nodes["node-1"]
            msgspec.json.encode(views.node_view(self.cluster, node, self.hub.figures("node-1"), self._now()))
        elif isinstance(message, Hello):
            hello = OpenSession(
                actor="node", agent_id="agent-1", hello=message, containers=(), engine_ok=True, remote=""
            )
            self._decide(hello)
        else:
            fact = self._fact(message)
            if fact is not None:
                self._decide(fact)
        assert self.cluster.replicas[OTHERS] == self._honest, "what another node has was changed"
        assert self.cluster.tasks["t1"] == TASK, "another node's task was changed"
        for code in tuple(self.cluster.projects):
            msgspec.json.encode(views.project_view(self.cluster, self.cluster.projects[code], self._now()))

    def _fact(self, message: FromAgent) -> Fact | None:
        epoch = self.cluster.nodes["node-1"].session_epoch
        match message:
            case Observed():
                return Reported(node="node-1", session_epoch=epoch, containers=message.containers, gone=message.gone)
            case Inventory():
                return Listed(
                    node="node-1", session_epoch=epoch, containers=message.containers, engine_ok=message.engine_ok
                )
            case TaskUpdate():
                return TaskReported(node="node-1", session_epoch=epoch, update=message)
            case ConfirmStop():
                return StopAsked(node="node-1", session_epoch=epoch, ask=message)
            case _:
                return Synced(node="node-1", session_epoch=epoch)

    def _decide(self, event: Fact | OpenSession) -> None:
        try:
            outcome = center.handle(self.cluster, event, self._now())
        except Refused:
            assert not isinstance(event, Fact), f"{event} was refused"
            return
        for _, rows in statements(outcome.changes):
            for row in rows:
                for column in row:
                    if isinstance(column, int):
                        assert -INT64 <= column < INT64, f"{column} does not fit into a column"
                    elif isinstance(column, str):
                        column.encode()
        self.cluster.apply(outcome.changes)
        for action in outcome.actions:
            for field in ("order", "confirmed"):
                if (part := getattr(action, field, None)) is not None:
                    encode(part)


class AgentSide:
    """The agent's core in an open session; what the Center says is hostile."""

    def __init__(self) -> None:
        self._mono = 100.0
        self.state = NodeState(boot_id="boot-1", memory=Memory(boot_id="boot-1"), tasks=(), now=self._now())
        self.state.handle(SessionOpened(session=1), self._now())

    def _now(self) -> AgentNow:
        return AgentNow(self._mono, WALL + self._mono)

    def take(self, message: FromCenter) -> None:
        """What `nodeagent.session` and the loop do with it."""
        if not isinstance(message, Word):
            return
        self._mono += 0.005
        for action in self.state.handle(Received(session=1, message=message), self._now()):
            match action:
                case Send():
                    encode(action.message)
                case SaveMemory():
                    msgspec.json.decode(msgspec.json.encode(action.memory), type=Memory)
                case SaveTask():
                    msgspec.json.encode(action.record)
                case _:
                    pass


class Run:
    """One run from a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._shapes = Shapes(self._chance)
        self._mutator = Mutator(self._chance)
        self._outcomes: Counter[str] = Counter()
        self._slowest = 0.0
        self._sides = (CenterSide(), AgentSide())

    def run(self, count: int) -> Told:
        """So many frames. Raises AssertionError, or whatever a frame made the product raise, with the frame noted."""
        self._some(min(count, WARM_UP))  # what is loaded and compiled on the way is not a leak
        before, begun = _resident(), time.perf_counter()
        self._some(count)
        grown, seconds = _resident() - before, time.perf_counter() - begun
        assert grown < GROWTH_MAX, f"{grown >> 20} MiB more after {count} frames"
        return Told(count, seconds, dict(self._outcomes), self._slowest, _peak())

    def _some(self, count: int) -> None:
        for number in range(count):
            if number % ANEW == 0:
                self._sides = (CenterSide(), AgentSide())
            frame = self._frame()
            begun = time.thread_time()
            try:
                self._outcomes[self._one(frame)] += 1
            except Exception as error:
                error.add_note(f"frame {number}: {frame[:2000]!r}")
                raise
            took_s = time.thread_time() - begun
            self._slowest = max(self._slowest, took_s)
            assert took_s < FRAME_S, f"{took_s:.3f} s for {frame[:2000]!r}"

    def _frame(self) -> bytes:
        union = FromAgent if self._chance.random() < 0.6 else FromCenter
        frame = messages(self._shapes, union)
        return frame if self._chance.random() < 0.4 else self._mutator.mutant(frame)

    def _one(self, frame: bytes) -> str:
        """The frame to both sides. Returns what became of it."""
        center_side, agent_side = self._sides
        outcome = "refused"
        ways: tuple[tuple[Callable[[bytes], Any], Callable[[Any], None]], ...] = (
            (decode_from_agent, center_side.take),
            (decode_from_center, agent_side.take),
        )
        for decode, take in ways:
            try:
                message = decode(frame)
            except UnknownTag as unknown:
                assert len(unknown.tag) <= 64
                continue
            except ProtocolError as error:
                assert len(str(error)) < 1000
                continue
            assert len(frame) <= FRAME_MAX
            again = encode(message)
            assert decode(again) == message
            take(message)
            outcome = "taken"
        return outcome


def fuzz(seed: int, count: int) -> Told:
    """`count` frames from a seed."""
    return Run(seed).run(count)


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
