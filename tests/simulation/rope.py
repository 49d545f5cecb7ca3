"""The agent's side of the rope in virtual time: connect, prove, heartbeat, connect again. Mirrors `nodeagent.link`.

Sends and takes real frames through `protocol.codec`. Belongs to one life of an agent.
"""

import hashlib
import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from nodeagent.core.container import Usage
from nodeagent.core.events import Received, Send, SessionClosed, SessionOpened
from nodeagent.heartbeat import make_heartbeat
from protocol import handshake
from protocol.codec import decode_from_center, encode
from protocol.messages import (
    PROTOCOL,
    Beat,
    Capacity,
    Challenge,
    ComeBack,
    FromAgent,
    FromCenter,
    Hello,
    Proof,
    Removed,
    Streamed,
    Versions,
    Welcome,
)
from tests.simulation.agent import Agent
from tests.simulation.network import Connection, End

CONNECT_S = 10.0
SILENCE_S = 15.0
HEARTBEAT_S = 5.0
REMOVED_PAUSE_S = 60.0
JITTER_CAP_S = 8.0

GIB = 1024**3
PORT_FROM = 20_000


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who an agent says it is, and the key it proves it with."""

    cluster: str
    agent_id: str
    node: str
    key: str
    center_key: str = "center"


class Readings(NamedTuple):
    """What the meters measured; as `nodeagent.heartbeat.Readings`."""

    ports: tuple[int, ...]
    disk_free_gb: float
    cpu_percent: float = 10.0
    mem_free_mb: float = 14_000.0
    mem_total_mb: float = 16_384.0
    disk_total_gb: float = 100.0
    load: float = 0.1
    net_in_kb: float = 0.0
    net_out_kb: float = 0.0
    usage: Mapping[str, Usage] = {}


def signature(key: str, claim: bytes) -> str:
    """Stands for an Ed25519 signature: nobody can make it who does not hold the key."""
    return hashlib.sha256(key.encode() + b"\0" + claim).hexdigest()


@lru_cache(maxsize=1024)
def _decoded(frame: bytes) -> FromCenter:
    """As `decode_from_center`; messages are frozen, and most frames are answers to heartbeats, alike for all agents."""
    return decode_from_center(frame)


class Rope:
    """`dial` opens a connection for an end, or answers None when nothing can be reached."""

    def __init__(
        self,
        agent: Agent,
        identity: Identity,
        chance: random.Random,
        dial: Callable[[End], Connection | None],
        readings: Callable[[], Readings],
        ports: int,
    ) -> None:
        self.identity = identity
        self.session = 0
        self.welcomed_at: float | None = None
        self._agent = agent
        self._chance = chance
        self._dial = dial
        self._readings = readings
        self._ports = ports
        self._connection: Connection | None = None
        self._end: End | None = None
        self._nonce = ""
        self._proved = False
        self._failures = 0
        self._come_back_s: float | None = None
        self._heard_at = 0.0
        self._beats = 0

    @property
    def welcomed(self) -> bool:
        """A session is open."""
        return self.welcomed_at is not None

    def connect(self) -> None:
        """Try to reach the Center, for ever."""
        if self._connection is not None:
            return
        self.session += 1
        end = End(self._agent.process, self._take, self._lost)
        connection = self._dial(end)
        if connection is None:
            self._agent.process.after(self._chance.uniform(0.001, CONNECT_S), self._again)
            return
        self._connection, self._end, self._proved = connection, end, False
        self._heard_at = self._agent.process.clock.now
        self._agent.process.after(SILENCE_S, self._listen, self.session)
        identity = self.identity
        self._nonce = f"{self._chance.getrandbits(64):064x}"
        state = self._agent.state
        incarnation, revision = state.authority
        self._send(
            Hello(
                agent_id=identity.agent_id,
                nonce=self._nonce,
                protocol=PROTOCOL,
                boot_id=self._agent.boot_id,
                versions=Versions(agent="1", os="linux", arch="amd64"),
                capacity=Capacity(cpus=8.0, memory=16 * GIB, disk=100 * GIB),
                engine_id=f"engine-{identity.node}",
                port_to=PORT_FROM + self._ports - 1,
                incarnation=incarnation,
                revision=revision,
            )
        )

    def send(self, action: Send) -> None:
        """A message of the core, for its session only."""
        if action.session == self.session and self._proved:
            self._send(action.message)

    def drop(self) -> None:
        """The process is dead: its kernel closes the connection."""
        if self._connection is not None and self._end is not None:
            self._connection.close(self._end)

    def reset(self) -> None:
        """The connection breaks; the process lives."""
        self._end_it()

    def vanish(self) -> None:
        """The machine is dead: nobody closes anything."""
        if self._connection is not None and self._end is not None:
            self._connection.vanish(self._end)

    def inject(self, message: FromAgent) -> None:
        """Say something the core did not say: an agent that lies."""
        if self.welcomed:
            self._send(message)

    def _send(self, message: FromAgent) -> None:
        if self._connection is not None and self._end is not None:
            self._connection.send(self._end, encode(message))

    def _take(self, frame: bytes) -> None:
        message = _decoded(frame)
        self._heard_at = self._agent.process.clock.now
        if not self._proved:
            self._prove(message)
            return
        if isinstance(message, Streamed):
            return
        match message:
            case Welcome():
                self.welcomed_at = self._agent.process.clock.now
                self._failures = 0
                self._agent.post(Received(session=self.session, message=message))
                self._beats = 0
                self._beat(self.session)
                return
            case ComeBack(after_s=after_s):
                self._come_back_s = after_s
            case Removed():
                self._come_back_s = REMOVED_PAUSE_S
            case Beat():
                return  # posted by the real session too, where it changes nothing
            case _:
                pass
        self._agent.post(Received(session=self.session, message=message))

    def _prove(self, message: object) -> None:
        identity = self.identity
        if isinstance(message, ComeBack):
            self._come_back_s = message.after_s
            return
        assert isinstance(message, Challenge), f"the Center began with {type(message).__name__}"
        claim = (identity.cluster, identity.agent_id, self._nonce, message.nonce)
        if message.signature != signature(identity.center_key, handshake.center_claim(*claim)):
            self._end_it()
            return
        self._send(Proof(signature=signature(identity.key, handshake.agent_claim(*claim))))
        self._proved = True
        self._agent.post(SessionOpened(session=self.session, recall=message.recall))

    def _beat(self, session: int) -> None:
        if session != self.session or not self.welcomed:
            return
        self._beats += 1
        agent = self._agent
        kept = agent.core.kept.desired
        self._send(
            make_heartbeat(
                self._beats,
                self.identity.agent_id,
                self._readings(),
                agent.state,
                revision=kept.revision if kept else 0,
                wall=agent.now().wall,
            )
        )
        agent.process.after(HEARTBEAT_S * self._chance.uniform(0.9, 1.1), self._beat, session)

    def _listen(self, session: int) -> None:
        """A Center that sent nothing for 15 s is gone."""
        if session != self.session or self._connection is None:
            return
        left_s = self._heard_at + SILENCE_S - self._agent.process.clock.now
        if left_s <= 0:
            self._end_it()
        else:
            self._agent.process.after(left_s, self._listen, session)

    def _end_it(self) -> None:
        if self._connection is not None and self._end is not None:
            self._connection.close(self._end)
        self._lost()

    def _lost(self) -> None:
        if self._connection is None:
            return
        self._connection = self._end = None
        proved, self._proved = self._proved, False
        self.welcomed_at = None
        if proved:
            self._agent.post(SessionClosed(session=self.session))
        self._again()

    def _again(self) -> None:
        wish, self._come_back_s = self._come_back_s, None
        self._failures += 1
        jitter_s = self._chance.uniform(0.0, min(JITTER_CAP_S, 0.5 * 2.0 ** min(self._failures, 16)))
        self._agent.process.after(jitter_s if wish is None else wish * self._chance.uniform(1.0, 1.1), self.connect)
