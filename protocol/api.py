"""HTTP bodies of `/api/v1` and `/api/agent/register`, shared by the Center's web ring and the command line.

Times are UTC in ISO 8601 (`2026-11-22T12:04:14.123Z`) unless a field ends in `_s` (seconds).
"""

from typing import Any

import msgspec

from protocol.addresses import AddressesView as AddressesView
from protocol.addresses import AddressView as AddressView
from protocol.messages import Capacity, Health, ReplicaState, TaskKind, TaskState, Versions


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every body; unknown fields of requests are refused by the types that say so."""


# -- errors ---------------------------------------------------------------------------------------------------------


class Problem(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One thing wrong with a request: where and why, and how to mend it."""

    message: str
    field: str = ""
    line: int = 0
    column: int = 0
    fix: str = ""
    file: str = ""
    """The user's file that `line` counts in; "" = the one that was sent."""


class ErrorBody(Body, frozen=True, kw_only=True):
    """The inside of `{"error": …}`."""

    code: str
    message: str
    details: tuple[Problem, ...] = ()


class ErrorAnswer(Body, frozen=True, kw_only=True):
    """The one error shape of the API (DESIGN §9)."""

    error: ErrorBody


class WhoAnswer(Body, frozen=True, kw_only=True):
    """`GET /api/v1/whoami`: who asks, and of what. `version`: of the Center."""

    name: str
    cluster: str
    version: str


# -- joining --------------------------------------------------------------------------------------------------------


class JoinTokenRequest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/join-tokens`. `ttl_s`: 60 s to 24 h. `name`: only a node of this name may use it."""

    ttl_s: float = 900.0
    name: str = ""


class JoinTokenView(Body, frozen=True, kw_only=True):
    """`GET /api/v1/join-tokens`: one of them, without its secret. `state`: `open`, `used` or `expired`."""

    id: str
    name: str
    state: str
    expires_at: str


class JoinTokenAnswer(Body, frozen=True, kw_only=True):
    """The token, shown once, and the command that uses it."""

    id: str
    token: str
    expires_at: str
    join_command: str


class RegisterRequest(Body, frozen=True, kw_only=True):
    """`POST /api/agent/register`. `signature`: over `handshake.register_claim(token, public_key, name)`, in hex."""

    token: str
    name: str
    public_key: str
    signature: str
    address: str = ""
    """Where people reach this node's ports; "" = the address the request came from."""
    labels: dict[str, str] = {}
    weight: float = 1.0
    capacity: Capacity = Capacity()
    versions: Versions = Versions()
    engine_id: str = ""


class RegisterAnswer(Body, frozen=True, kw_only=True):
    """`center_key`: the identity key in hex; its fingerprint must equal the token's. `signature`: over
    `handshake.registered_claim(cluster, agent_id, public_key)`.
    """

    agent_id: str
    node: str
    cluster: str
    center_key: str
    heartbeat_s: float
    session_path: str
    signature: str


# -- nodes ----------------------------------------------------------------------------------------------------------


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
    """`POST /api/v1/nodes/{name}/drain?dry_run=true`: what a drain would do now."""

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


class NodePatch(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`PATCH /api/v1/nodes/{name}`. `labels` are merged; null removes one."""

    labels: dict[str, str | None] | msgspec.UnsetType = msgspec.UNSET
    weight: float | msgspec.UnsetType = msgspec.UNSET
    address: str | msgspec.UnsetType = msgspec.UNSET


# -- projects -------------------------------------------------------------------------------------------------------


class PortView(Body, frozen=True, kw_only=True):
    """A published port. `address`: `10.0.0.12:20431`, where people reach it."""

    container: int
    host: int
    protocol: str
    address: str


class ReplicaView(Body, frozen=True, kw_only=True):
    """One replica. `outgoing`: its former copy that still runs beside it, if any. `announced`: people are sent to it,
    or to that copy; `address`: the first one they are sent to, "" when there is none.
    """

    service: str
    replica: int
    state: ReplicaState
    health: Health
    node: str | None
    epoch: int
    revision: int
    ports: tuple[PortView, ...]
    since: str
    reason: str
    moves: int
    restarts: int
    outgoing: str | None
    """Name of the node that still runs the former copy."""
    announced: bool = False
    address: str = ""
    exit_code: int | None = None
    """Of a container that has ended, as a job does."""


class ServiceView(Body, frozen=True, kw_only=True):
    """One service: how many replicas are wanted, run, and are healthy (or run without a health check)."""

    name: str
    image: str
    pinned: str
    wanted: int
    running: int
    healthy: int


class ProjectView(Body, frozen=True, kw_only=True):
    """`GET /api/v1/projects/{code}`. `message`: the state in a sentence, worst thing first."""

    code: str
    state: str
    message: str
    revision: int
    revisions: tuple[int, ...]
    services: tuple[ServiceView, ...]
    replicas: tuple[ReplicaView, ...]
    deployment: int | None
    """The deployment that runs now, or null."""
    created_at: str


class StepView(Body, frozen=True, kw_only=True):
    """One step of a deployment."""

    name: str
    state: str
    reason: str
    task: str | None
    started_at: str | None
    ended_at: str | None


class DeploymentView(Body, frozen=True, kw_only=True):
    """`GET /api/v1/deployments/{id}`."""

    id: int
    project: str
    kind: str
    state: str
    revision: int
    reason: str
    warnings: tuple[str, ...]
    steps: tuple[StepView, ...]
    actor: str
    created_at: str
    started_at: str | None
    ended_at: str | None


class DeployAnswer(Body, frozen=True, kw_only=True):
    """202 with the deployment, or 200 with `unchanged`."""

    unchanged: bool
    project: str
    revision: int
    deployment: DeploymentView | None
    warnings: tuple[Problem, ...] = ()


class SourceMap(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the lines of a Compose file come from that was made out of others.

    `places`: (line, column, index in `files`, line there, column there), in the order of the text.
    """

    files: tuple[str, ...] = ()
    places: tuple[tuple[int, int, int, int, int], ...] = ()


class DeployRequest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`PUT /api/v1/projects/{code}` as JSON: the Compose file's text, and a strategy for this dispatch.

    `sources`: what its lines come from, so that errors name the user's own files.
    """

    compose: str
    strategy: str = ""
    sources: SourceMap | None = None


class ScaleRequest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/projects/{code}/scale`: service name -> replicas."""

    services: dict[str, int]


class RestartRequest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/projects/{code}/restart`. No services = all."""

    services: tuple[str, ...] = ()


class RollbackRequest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/projects/{code}/rollback`. `revision` 0 = the one before the current."""

    revision: int = 0


class FailoverRequest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/projects/{code}/failover`. No services = all."""

    services: tuple[str, ...] = ()


class FailoverAnswer(Body, frozen=True, kw_only=True):
    """Replicas (`shop/web/1`) that are started elsewhere now, and why others stay."""

    project: str
    moving: tuple[str, ...]
    stays: dict[str, str]


class Candidate(Body, frozen=True, kw_only=True):
    """A node as the scheduler sees it for one replica: a score, or the reason it is refused."""

    node: str
    score: float | None
    reason: str


class PlanStep(Body, frozen=True, kw_only=True):
    """`action`: `start`, `replace`, `stop`, `keep`, `pending`. `node`: null = none fits. `from_node` null: a start."""

    service: str
    replica: int
    action: str
    node: str | None
    from_node: str | None
    ports: tuple[PortView, ...]
    reason: str
    candidates: tuple[Candidate, ...]


class PlanAnswer(Body, frozen=True, kw_only=True):
    """`POST /api/v1/projects/{code}/plan`: what a deploy of this file would do now."""

    project: str
    unchanged: bool
    steps: tuple[PlanStep, ...]
    warnings: tuple[Problem, ...]


# -- the rest -------------------------------------------------------------------------------------------------------


class TaskView(Body, frozen=True, kw_only=True):
    """`GET /api/v1/tasks`."""

    id: str
    kind: TaskKind
    state: TaskState
    node: str | None
    project: str
    replica: str
    deployment: int | None
    reason: str
    bytes_done: int
    bytes_total: int
    created_at: str
    ended_at: str | None


class EventView(Body, frozen=True, kw_only=True):
    """A line of the journal. `cause`: sequence number of the event that began this story."""

    seq: int
    at: str
    kind: str
    text: str
    cause: int
    project: str = ""
    replica: str = ""
    node: str = ""
    deployment: int = 0
    actor: str = ""
    """Who asked, where a person did."""
    data: dict[str, Any] = {}


class Page(Body, frozen=True, kw_only=True):
    """Answer of `GET /api/v1/events`: `next_after` is what to ask with next."""

    events: tuple[EventView, ...]
    next_after: int


class StreamFrame(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A frame of `WebSocket /api/v1/stream`.

    `kind`: `event` (with `event`; resume by `?after=SEQ`), `node`, `project`, `deployment`, `addresses` (the object as
    it is now; these are not replayed; the addresses of a project come whenever they change), `beat` (nothing to tell
    for 15 s), `dropped` (so many events were skipped because the reader was slow: ask with `after`).
    """

    kind: str
    event: EventView | None = None
    node: NodeView | None = None
    project: ProjectView | None = None
    deployment: DeploymentView | None = None
    addresses: AddressesView | None = None
    dropped: int = 0
