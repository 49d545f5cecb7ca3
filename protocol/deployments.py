"""HTTP bodies about deployments: what is asked, planned, and how it goes. Part of `protocol.api`."""

from protocol.body import Body, Problem


class PortView(Body, frozen=True, kw_only=True):
    """A published port. `address`: `10.0.0.12:20431`, where people reach it."""

    container: int
    host: int
    protocol: str
    address: str


class StepView(Body, frozen=True, kw_only=True):
    """One step of a deployment."""

    name: str
    state: str
    reason: str
    task: str | None
    started_at: str | None
    ended_at: str | None


class DeploymentView(Body, frozen=True, kw_only=True):
    """`GET /api/v1/deployments/{id}`. `reason` of a waiting one: `waiting for deployment 41`."""

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
    from_revision: int = 0
    back_to: int = 0
    """The revision it goes back to if it fails; 0 = none succeeded yet."""
    going_back: str = ""
    """Set while it undoes what it did: `rolled_back` or `cancelled`, which is how it will end."""


class Change(Body, frozen=True, kw_only=True):
    """A field of the specification that a deployment changed. "" = not there. Secrets are not told."""

    field: str
    before: str
    after: str


class HistoryEntry(Body, frozen=True, kw_only=True):
    """`GET /api/v1/projects/{code}/history`: a deployment, and what it changed. `took_s`: so far, while it runs."""

    deployment: int
    kind: str
    state: str
    revision: int
    from_revision: int
    actor: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    took_s: float | None
    reason: str
    changes: tuple[Change, ...]


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
    """`action`: `start`, `replace`, `return` (to the former copy, which still runs), `stop`, `keep`,
    `pending`. `node`: null = none fits. `from_node` null: a start."""

    service: str
    replica: int
    action: str
    node: str | None
    from_node: str | None
    ports: tuple[PortView, ...]
    reason: str
    candidates: tuple[Candidate, ...]


class ReleasePlan(Body, frozen=True, kw_only=True):
    """How a service's replicas would be replaced: the choices, and why `order` is what it is."""

    service: str
    release: str
    """`rolling`, `canary`, `blue_green`."""
    order: str
    order_why: str
    parallelism: int
    delay_s: float
    monitor_s: float
    failure_action: str
    max_failure_ratio: float
    canaries: int
    replaced: int


class PlanAnswer(Body, frozen=True, kw_only=True):
    """`POST /api/v1/projects/{code}/plan`: what a deploy of this file would do now."""

    project: str
    unchanged: bool
    steps: tuple[PlanStep, ...]
    warnings: tuple[Problem, ...]
    releases: tuple[ReleasePlan, ...] = ()
    """One for each service of which replicas would be replaced."""
