"""A machine with an agent: the record, its states, and who may get new work. Used by the whole core."""

from typing import Literal

from controlplane.core.record import Record
from protocol.messages import Capacity, Versions
from protocol.spec import PortLease

NodeState = Literal["online", "suspect", "offline", "unknown"]
DrainState = Literal["", "moving", "done", "late"]

DISK_FREE_MIN = 0.10
"""Share of free disk below which a node gets nothing new (DESIGN §4)."""


SIZE_MAX = 2**60
"""More bytes than this, of anything, nobody has: agents are not trusted."""


def size(told: int) -> int:
    """A number of bytes as an agent told it, within what is possible."""
    return min(max(told, 0), SIZE_MAX)


def possible(told: Capacity) -> Capacity:
    """What a machine says it has, within what is possible."""
    return Capacity(cpus=min(max(told.cpus, 0.0), 65536.0), memory=size(told.memory), disk=size(told.disk))


def reached_at(node: "Node | None", lease: PortLease) -> str:
    """Where people reach a leased port: at the node's address, unless it is bound to another one only."""
    host = lease.host_ip
    if host in ("", "0.0.0.0", "::"):
        host = node.address if node is not None else ""
    return f"[{host}]:{lease.host}" if ":" in host else f"{host}:{lease.host}"


class Node(Record, frozen=True, kw_only=True):
    """Key: `name`. Times are wall seconds."""

    name: str
    agent_id: str
    public_key: str
    address: str
    registered_at: float
    labels: dict[str, str] = {}
    weight: float = 1.0
    capacity: Capacity = Capacity()
    versions: Versions = Versions()
    engine_id: str = ""
    port_from: int = 20000
    port_to: int = 29999
    bind_roots: tuple[str, ...] = ()
    boot_id: str = ""
    protocol: int = 0
    """What is spoken in its sessions; 0 = it had none since the Center knows to ask."""
    incarnation: int = 0
    """Of the Center that it was last told to obey by; lower than the Center's: not since a restore."""
    session_epoch: int = 0
    """The newest session ever opened; frames of older ones are ignored."""
    state: NodeState = "unknown"
    state_since: float = 0.0
    held: bool = False
    """Offline, but the guard holds: nothing moves."""
    lost: bool = False
    """Its replicas may be started elsewhere: it is offline and not held, or its engine is down for too long."""
    were_running: int = 0
    """Replicas that ran here when it was called offline, also after they were started elsewhere."""
    cause: int = 0
    """Sequence number of the event that began the story this node is in; 0 = none."""
    draining: bool = False
    drain: DrainState = ""
    """How far a drain is: replicas move, all that may have moved, or its deadline has passed."""
    drain_since: float = 0.0
    drain_until: float = 0.0
    """Its deadline; 0 = none."""
    drain_total: int = 0
    """Replicas there were to move when it began."""
    unschedulable: str = ""
    """Why nothing new is put here; "" = it may."""
    unschedulable_since: float = 0.0

    upgrading_until: float = 0.0
    """Its agent is being replaced: until then at most its silence does not count; 0 = it is not."""

    @property
    def takes_work(self) -> bool:
        """True when new assignments may be put here."""
        return self.state == "online" and not (self.draining or self.unschedulable or self.upgrading_until)


class Former(Record, frozen=True, kw_only=True):
    """A removed node, remembered so that it is told so when it proves its old key. Key: `agent_id`."""

    agent_id: str
    name: str
    public_key: str
    removed_at: float


class JoinTicket(Record, frozen=True, kw_only=True):
    """A join token, stored as the hash of its secret. Key: `id`. One use."""

    id: str
    secret_hash: str
    expires_at: float
    name: str = ""
    used_by: str = ""
    """Public key of the agent that used it; the same key may ask again (idempotent)."""
