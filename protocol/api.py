"""HTTP bodies of `/api/v1` and `/api/agent/register`, shared by the Center's web ring and the command line.

Times are UTC in ISO 8601 (`2026-11-22T12:04:14.123Z`) unless a field ends in `_s` (seconds).
"""

from typing import Any

from protocol.access import ApiTokenAnswer as ApiTokenAnswer
from protocol.access import ApiTokenRequest as ApiTokenRequest
from protocol.access import ApiTokenView as ApiTokenView
from protocol.addresses import AddressesView as AddressesView
from protocol.addresses import AddressView as AddressView
from protocol.body import Body as Body
from protocol.body import Problem as Problem
from protocol.deployments import Candidate as Candidate
from protocol.deployments import Change as Change
from protocol.deployments import DeployAnswer as DeployAnswer
from protocol.deployments import DeploymentView as DeploymentView
from protocol.deployments import DeployRequest as DeployRequest
from protocol.deployments import FailoverAnswer as FailoverAnswer
from protocol.deployments import FailoverRequest as FailoverRequest
from protocol.deployments import HistoryEntry as HistoryEntry
from protocol.deployments import PlanAnswer as PlanAnswer
from protocol.deployments import PlanStep as PlanStep
from protocol.deployments import PortView as PortView
from protocol.deployments import ReleasePlan as ReleasePlan
from protocol.deployments import RestartRequest as RestartRequest
from protocol.deployments import RollbackRequest as RollbackRequest
from protocol.deployments import ScaleRequest as ScaleRequest
from protocol.deployments import SourceMap as SourceMap
from protocol.deployments import StepView as StepView
from protocol.messages import Capacity, Health, ReplicaState, TaskKind, TaskState, Versions
from protocol.nodes import DrainBlocker as DrainBlocker
from protocol.nodes import DrainMove as DrainMove
from protocol.nodes import DrainPlan as DrainPlan
from protocol.nodes import DrainRequest as DrainRequest
from protocol.nodes import DrainView as DrainView
from protocol.nodes import NodePatch as NodePatch
from protocol.nodes import NodeResources as NodeResources
from protocol.nodes import NodeTask as NodeTask
from protocol.nodes import NodeView as NodeView
from protocol.nodes import UpgradeRequest as UpgradeRequest
from protocol.nodes import UpgradeTurn as UpgradeTurn
from protocol.nodes import UpgradeView as UpgradeView
from protocol.usage import UsageHistory as UsageHistory
from protocol.usage import UsageRange as UsageRange

# -- errors ---------------------------------------------------------------------------------------------------------


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
    """The token, shown once, and the command that uses it: of a Center that runs from an image, with that image."""

    id: str
    token: str
    expires_at: str
    join_command: str
    process_command: str = ""
    """The command that runs the agent as a process of the machine, where `rope` is installed."""


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
    protocol: int = 2
    """What the agent speaks; one that does not say it speaks 2."""


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
    protocol: int = 2
    """What the Center speaks; one that does not say it speaks 2."""


# -- projects -------------------------------------------------------------------------------------------------------


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
