"""Every message of the rope, one tagged union per direction (DESIGN §3).

JSON text frames of at most 64 KiB. Unknown fields are ignored and unknown tags answered `Unsupported`, so versions N
and N-1 work together: new fields get defaults, new messages are sent only to a peer whose protocol number knows them.
Order of a session: Hello, Challenge, Proof, Inventory pages, Welcome, Desired pages; then anything.
"""

from typing import Literal

import msgspec

from protocol.names import ReplicaId
from protocol.spec import DesiredReplica, PortLease
from protocol.streams import Ack, OpenExec, OpenLogs, Resize, StreamCredit, StreamData, StreamEnd, Tail
from protocol.wire import ContainerRef as ContainerRef
from protocol.wire import Wire

PROTOCOL = 3
"""Version of this protocol. A peer speaks N and N-1; what both speak is the lower one of a session's two numbers."""

STREAMS_SINCE = 2
"""Streams and tails are known to peers of this protocol and newer ones."""

UPGRADES_SINCE = 3
"""Tasks of the kind `upgrade` are known to agents of this protocol and newer ones."""

SUBPROTOCOL = "ropeteam.agent.v1"
"""WebSocket subprotocol of `/api/agent/session`."""

ReplicaState = Literal[
    "pending", "assigned", "pulling", "starting", "running", "stopping", "stopped", "failed", "interrupted"
]
Health = Literal["none", "starting", "healthy", "unhealthy"]
TaskKind = Literal["resolve", "pull", "start", "stop", "restart", "remove", "upgrade"]
TaskState = Literal["queued", "accepted", "running", "done", "failed"]
ReasonCode = Literal["", "port_taken", "image_missing", "pull_failed", "crash_loop", "engine_down", "refused", "error"]
"""Why a replica is not running, for the scheduler to act on; the sentence for people is `reason`."""


# -- facts about a node ---------------------------------------------------------------------------------------------


class ContainerReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent knows of one (replica, epoch). `state_seq` grows with every change, so older reports are dropped.

    `state` is one of `assigned` (seen, waiting for its turn), `pulling`, `starting`, `running`, `stopping`, `stopped`
    (ended as it should, will not be started again), `failed` (not running; the agent tries again unless `gave_up`).
    """

    project: str
    service: str
    replica: int
    epoch: int
    state: ReplicaState
    state_seq: int = 0
    health: Health = "none"
    spec: str = ""
    """`container_fingerprint` the container was made from."""
    container_id: str = ""
    ports: tuple[PortLease, ...] = ()
    exit_code: int | None = None
    restarts: int = 0
    code: ReasonCode = ""
    reason: str = ""
    gave_up: bool = False
    """The agent stopped trying and asks the Center to move the replica (DESIGN §4, agent-side healing)."""
    log_tail: tuple[str, ...] = ()
    """Last lines of the container's output, only with `gave_up`; at most 50 lines of 500 characters."""
    up_s: float = 0.0
    """Seconds since the container was started, when `running`."""

    @property
    def id(self) -> ReplicaId:
        """The replica this reports on."""
        return ReplicaId(self.project, self.service, self.replica)


class ContainerBeat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One container in a heartbeat. `cpu_usage` in percent of one core, `mem_mb` in MiB, `uptime` like `3h25m`."""

    project_code: str
    service: str
    replica: int
    epoch: int
    status: ReplicaState
    health: Health = "none"
    uptime: str = ""
    cpu_usage: float = 0.0
    mem_mb: float = 0.0
    net_in_kb: float = 0.0
    """KiB/s received since the last reading; `net_out_kb` sent."""
    net_out_kb: float = 0.0


class Capacity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a machine has: cores, bytes of memory, bytes of the disk that holds Docker's data."""

    cpus: float = 0.0
    memory: int = 0
    disk: int = 0


class Versions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What runs on a node. `image`: that of the container the agent runs in, "" = it runs in none, or does not say."""

    agent: str = ""
    engine: str = ""
    engine_api: str = ""
    os: str = ""
    arch: str = ""
    kernel: str = ""
    image: str = ""


# -- agent -> Center ------------------------------------------------------------------------------------------------


class Hello(Wire, frozen=True, kw_only=True):
    """First frame of a session. `nonce`: 32 fresh bytes in hex. `incarnation`, `revision`: the highest ever obeyed."""

    agent_id: str
    nonce: str
    protocol: int
    boot_id: str
    versions: Versions
    capacity: Capacity
    engine_id: str = ""
    incarnation: int = 0
    revision: int = 0
    port_from: int = 20000
    port_to: int = 29999
    bind_roots: tuple[str, ...] = ()


class Admitted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That this agent was registered: the Center's own signature, in hex, over `handshake.registered_claim(...)`."""

    name: str
    address: str
    public_key: str
    signature: str


class Proof(Wire, frozen=True, kw_only=True):
    """The agent's Ed25519 signature, in hex, over `handshake.agent_claim(...)`."""

    signature: str
    admitted: "Admitted | None" = None
    """Only where `Challenge.recall` asked: a restored Center may not know the agent."""


class Inventory(Wire, frozen=True, kw_only=True):
    """Everything the agent has, in pages; nothing else is sent between its first and last page.

    `engine_ok` False means the engine did not answer: then `containers` is empty and says nothing about what runs.
    """

    containers: tuple[ContainerReport, ...]
    last: bool = True
    engine_ok: bool = True
    held: tuple[DesiredReplica, ...] = ()
    """What the agent was told to run, where `Challenge.recall` asked for it. Independent of `engine_ok`."""


class Heartbeat(Wire, frozen=True, kw_only=True, gc=False):
    """Every 5 s ± 10 %, from figures gathered beside it, never waiting for Docker (requirements, DESIGN §3.3)."""

    agent_id: str
    seq: int
    cpu_usage: float
    mem_free_mb: float
    disk_free_gb: float
    load: float = 0.0
    mem_total_mb: float = 0.0
    disk_total_gb: float = 0.0
    engine_ok: bool = True
    ports: tuple[int, ...] = ()
    """TCP and UDP ports of the node that something listens on, within its lease range or below it, sorted."""
    containers: tuple[ContainerBeat, ...] = ()
    revision: int = 0
    """The revision of desired state obeyed last."""
    net_in_kb: float = 0.0
    """KiB/s received by the machine's own interfaces, without loopback and bridges; `net_out_kb` sent."""
    net_out_kb: float = 0.0
    answer_ms: float = 0.0
    """How long the Center's answer to the last heartbeat took: the line both ways, and both processes."""
    images: tuple[str, ...] = ()
    """Pinned images that this agent pulled and would remove, for its disk is short: which does nobody need?"""
    images_removed: tuple[str, ...] = ()
    """Those it has removed since the last heartbeat, for the journal."""


class Pulse(Wire, frozen=True, kw_only=True):
    """A sign of life between two heartbeats, so that a line that was cut for 12 s is not taken for 15 s of silence."""


class Observed(Wire, frozen=True, kw_only=True):
    """Changes, sent at once. `gone`: containers that are no more. `seq` counts from 1 per session; a gap: `Relist`."""

    seq: int
    containers: tuple[ContainerReport, ...] = ()
    gone: tuple[ContainerRef, ...] = ()


class TaskUpdate(Wire, frozen=True, kw_only=True):
    """How a task goes. Pull progress in bytes. `result`: for `resolve`, the pinned image reference."""

    task: str
    state: TaskState
    reason: str = ""
    result: str = ""
    bytes_done: int = 0
    bytes_total: int = 0


class Resync(Wire, frozen=True, kw_only=True):
    """ "Send me everything again": a delta did not fit. Nothing of it was applied."""

    reason: str


class ConfirmStop(Wire, frozen=True, kw_only=True):
    """Asked before stopping >= 3 and >= 50 % of the node's containers. Nothing is stopped until `StopConfirmed`."""

    incarnation: int
    revision: int
    stop: tuple[ContainerRef, ...]


class Goodbye(Wire, frozen=True, kw_only=True):
    """The agent process stops on purpose; the node is not suspect for it until it is silent."""

    reason: str = "restart"


# -- Center -> agent ------------------------------------------------------------------------------------------------


class Challenge(Wire, frozen=True, kw_only=True):
    """The Center's proof, over `handshake.center_claim(...)` with the identity key, and its own nonce."""

    cluster: str
    nonce: str
    signature: str
    recall: bool = False
    """The Center was restored from a backup: its agents tell with their inventory what they were told to run."""


class Welcome(Wire, frozen=True, kw_only=True):
    """The session is open under `session_epoch`; the full desired state follows."""

    node: str
    session_epoch: int
    incarnation: int
    heartbeat_s: float = 5.0
    protocol: int = 1
    """What the Center speaks; one that does not say it speaks 1."""


class Removed(Wire, frozen=True, kw_only=True):
    """Answer to a removed node that proved its key: stop these (they live elsewhere now), heal nothing more."""

    stop: tuple[ContainerRef, ...] = ()
    last: bool = True


class Leaving(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A copy that was withdrawn from desired state on purpose, by a deployment or a drain, and may still run: its stop
    signal comes `wait_s` from now, when its clients are gone, and it gets `grace_s` to end.
    """

    ref: ContainerRef
    wait_s: float = 0.0
    grace_s: float = 0.0


class Desired(Wire, frozen=True, kw_only=True):
    """A page of everything this node shall run. Complete with `last`; applied as a whole, never page by page.

    `seq` is the same on all pages and becomes the session's sequence number. What runs and is neither in `replicas` nor
    `leaving` on any page lives elsewhere by now and goes at once.
    """

    seq: int
    incarnation: int
    revision: int
    page: int = 0
    last: bool = True
    replicas: tuple[DesiredReplica, ...] = ()
    leaving: tuple[Leaving, ...] = ()


class DesiredDelta(Wire, frozen=True, kw_only=True):
    """Applies to sequence `after` only and results in `after + 1`. `drop` wins over nothing: one ref is in one list."""

    after: int
    incarnation: int
    revision: int
    replicas: tuple[DesiredReplica, ...] = ()
    drop: tuple[ContainerRef, ...] = ()


class TaskOrder(Wire, frozen=True, kw_only=True):
    """One order. Doing it twice under one `task` id has one effect. `resolve`, `pull`, `upgrade`: `image`, pinned for
    the last. `restart`: `target`.
    """

    task: str
    kind: TaskKind
    image: str = ""
    target: ContainerRef | None = None
    deadline_s: float = 600.0


class StopConfirmed(Wire, frozen=True, kw_only=True):
    """The Center means it: the answer to `ConfirmStop` of the same incarnation and revision."""

    incarnation: int
    revision: int


class Beat(Wire, frozen=True, kw_only=True):
    """The heartbeat's answer: the Center's sign of life. `unused`: of the heartbeat's `images` those that no kept
    revision uses; a Center that does not know the question answers none.
    """

    seq: int
    unused: tuple[str, ...] = ()


class Relist(Wire, frozen=True, kw_only=True):
    """ "Send your inventory again.\""""


class ComeBack(Wire, frozen=True, kw_only=True):
    """The Center goes away for a moment: reconnect after so many seconds. Sent before a close."""

    after_s: float


# -- both ways ------------------------------------------------------------------------------------------------------


class Unsupported(Wire, frozen=True, kw_only=True):
    """The last frame had a tag this side does not know; it was ignored."""

    tag: str


FromAgent = (
    Hello
    | Proof
    | Inventory
    | Heartbeat
    | Pulse
    | Observed
    | TaskUpdate
    | Resync
    | ConfirmStop
    | Goodbye
    | Tail
    | StreamData
    | StreamCredit
    | StreamEnd
    | Ack
    | Unsupported
)
Word = (
    Challenge
    | Welcome
    | Removed
    | Desired
    | DesiredDelta
    | TaskOrder
    | StopConfirmed
    | Beat
    | Relist
    | ComeBack
    | Unsupported
)
"""What the Center says to the agent's core."""
Streamed = OpenLogs | OpenExec | Resize | StreamData | StreamCredit | StreamEnd | Ack
"""What it says to the agent's streams."""
FromCenter = Word | Streamed
