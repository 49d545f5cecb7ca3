"""HTTP bodies about nodes: what a node is, how a drain of it goes. Part of `protocol.api`."""

import msgspec

from protocol.body import Body
from protocol.messages import Health, ReplicaState, Versions


class NodeResources(Body, frozen=True, kw_only=True):
    """Used = measured on the machine; reserved = promised to replicas. Memory in MiB, disk in GiB."""

    cpus: float
    cpus_reserved: float
    cpu_usage: float | None
    mem_total_mb: float
    mem_free_mb: float | None
    mem_reserved_mb: float
    disk_total_gb: float
    disk_free_gb: float | None
    load: float | None
    ports: tuple[int, ...]


class NodeTask(Body, frozen=True, kw_only=True):
    """A replica this node has: the "current tasks" of a node."""

    project_code: str
    service: str
    replica: int
    epoch: int
    status: ReplicaState
    health: Health
    uptime: str
    cpu_usage: float | None
    mem_mb: float | None
    outgoing: bool


class DrainRequest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/nodes/{name}/drain`. `deadline_s`: give up after so long, 0 = never; what is left stays."""

    deadline_s: float = 0.0


class DrainBlocker(Body, frozen=True, kw_only=True):
    """A replica that a drain leaves on the node, and why."""

    replica: str
    reason: str


class DrainMove(Body, frozen=True, kw_only=True):
    """A replica that a drain would move, and where to; null with the reason where no node takes it now."""

    replica: str
    to: str | None
    reason: str


class DrainPlan(Body, frozen=True, kw_only=True):
    """`GET /api/v1/nodes/{name}/drain-plan`: what a drain would do now."""

    node: str
    moves: tuple[DrainMove, ...]
    blockers: tuple[DrainBlocker, ...]


class DrainView(Body, frozen=True, kw_only=True):
    """How far a drain is. `state`: `moving`, `done` (all that may move has), `late` (its deadline has passed)."""

    state: str
    moved: int
    total: int
    left: tuple[str, ...]
    blockers: tuple[DrainBlocker, ...]
    deadline: str | None


class NodeView(Body, frozen=True, kw_only=True):
    """`GET /api/v1/nodes/{name}`. `last_seen_s`: seconds since its last frame, null if never in this Center's life."""

    name: str
    agent_id: str
    state: str
    """`online`, `suspect`, `offline`, `unknown`."""
    held: bool
    """Offline, but nothing moves: the guard holds."""
    address: str
    labels: dict[str, str]
    weight: float
    draining: bool
    unschedulable: str | None
    """The reason why nothing new is put here, or null."""
    engine_ok: bool
    resources: NodeResources
    tasks: tuple[NodeTask, ...]
    versions: Versions
    connected: bool
    last_seen_s: float | None
    registered_at: str
    drain: DrainView | None = None
    """Set while it is draining."""
    upgrading: bool = False
    """Its agent is being replaced: nothing moves from there, and nothing new comes."""
    were_running: int = 0
    """Of a node that is offline: replicas that ran there when it was heard last, wherever they run now."""


class NodePatch(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`PATCH /api/v1/nodes/{name}`. `labels` are merged; null removes one."""

    labels: dict[str, str | None] | msgspec.UnsetType = msgspec.UNSET
    weight: float | msgspec.UnsetType = msgspec.UNSET
    address: str | msgspec.UnsetType = msgspec.UNSET


class UpgradeRequest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/upgrades`. `nodes`: names; none = all that can be upgraded. `image`: "" = the agent's image that
    join lines name. `batch`: so many nodes at a time.
    """

    nodes: tuple[str, ...] = ()
    image: str = ""
    batch: int = 1


class UpgradeTurn(Body, frozen=True, kw_only=True):
    """One node of an upgrade. `state`: `waiting`, `resolving`, `pulling`, `replacing`, `done`, `failed`, `skipped`.
    `before`, `after`: the version of its agent.
    """

    node: str
    state: str
    reason: str
    before: str
    after: str
    task: str | None
    started_at: str | None
    ended_at: str | None


class UpgradeView(Body, frozen=True, kw_only=True):
    """`GET /api/v1/upgrades/{id}`: agents replaced by another image. `state`: `running`, `succeeded`, `failed`."""

    id: int
    image: str
    pinned: str
    """The image as the first node resolved it, "" until then."""
    batch: int
    state: str
    reason: str
    nodes: tuple[UpgradeTurn, ...]
    actor: str
    created_at: str
    ended_at: str | None
