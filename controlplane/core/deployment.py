"""The record of one operation on a project, and of its steps. The rules that advance it are in `rollout`."""

from typing import Literal

from controlplane.core.record import Record
from protocol.names import ReplicaId

DeploymentKind = Literal["deploy", "update", "rollback", "restart", "scale", "remove", "migrate"]
DeploymentState = Literal[
    "waiting", "running", "paused", "succeeded", "failed", "rolled_back", "cancelled", "superseded"
]
StepKind = Literal["resolve", "start", "replace", "stop", "restart"]
StepState = Literal["waiting", "running", "done", "failed", "skipped"]

ENDED: frozenset[DeploymentState] = frozenset({"succeeded", "failed", "rolled_back", "cancelled", "superseded"})


class Step(Record, frozen=True, kw_only=True):
    """One step. `level`: starts and stops of one level run at once, levels one after the other; replaces and restarts
    run one at a time. `epoch`: the assignment the step made or acts on.
    """

    kind: StepKind
    level: int
    service: str = ""
    replica: ReplicaId | None = None
    state: StepState = "waiting"
    reason: str = ""
    task: str = ""
    epoch: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    tried: tuple[str, ...] = ()
    """Nodes a `resolve` was sent to without success."""


class Deployment(Record, frozen=True, kw_only=True):
    """Key: `id`. Times are wall seconds; 0 = not yet."""

    id: int
    project: str
    kind: DeploymentKind
    revision: int
    created_at: float
    state: DeploymentState = "waiting"
    from_revision: int = 0
    planned: bool = False
    """The steps after `resolve` are made."""
    steps: tuple[Step, ...] = ()
    services: tuple[str, ...] = ()
    """Services a restart is limited to; empty = all."""
    node: str = ""
    """The node a `migrate` empties."""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    actor: str = ""
    cause: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    progress_at: float = 0.0
    """When a step last moved, for the deadline."""
