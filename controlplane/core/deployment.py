"""The record of one operation on a project, and of its steps. The rules that advance it are in `rollout`."""

from typing import Literal

import msgspec

from controlplane.core.record import Record
from protocol.names import ReplicaId

DeploymentKind = Literal["deploy", "update", "rollback", "restart", "scale", "remove", "migrate"]
DeploymentState = Literal[
    "waiting", "running", "paused", "succeeded", "failed", "rolled_back", "cancelled", "superseded"
]
StepKind = Literal[
    "resolve", "pull", "start", "replace", "canary", "promote", "green", "switch", "return", "stop", "restart"
]
StepState = Literal["waiting", "running", "done", "failed", "skipped"]
Outcome = Literal["", "rolled_back", "cancelled"]

ENDED: frozenset[DeploymentState] = frozenset({"succeeded", "failed", "rolled_back", "cancelled", "superseded"})
RELEASES: frozenset[DeploymentKind] = frozenset({"deploy", "update", "rollback"})
"""Kinds that bring a revision, with `update_config` and all; they go back when it fails."""

REASON_MAX = 500


class Step(Record, frozen=True, kw_only=True):
    """One step. Levels are taken one after the other. Within one, replaces and restarts of a service go in batches of
    `parallelism`, unless `together`; everything else goes at once. `epoch`: the assignment the step made or acts on.
    """

    kind: StepKind
    level: int
    service: str = ""
    replica: ReplicaId | None = None
    node: str = ""
    """Where a `pull` goes."""
    state: StepState = "waiting"
    reason: str = ""
    task: str = ""
    epoch: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    together: bool = False
    back: bool = False
    """Made when the deployment failed or was cancelled, to undo what it did."""
    tried: tuple[str, ...] = ()
    """Nodes a `resolve` was sent to without success."""

    @property
    def key(self) -> ReplicaId:
        """The replica it acts on. Raises AssertionError for steps of a whole service."""
        assert self.replica is not None, f"{self.kind} {self.service} has no replica"
        return self.replica

    @property
    def open(self) -> bool:
        """True while it has not ended."""
        return self.state in ("waiting", "running")

    def ended(self, state: StepState, wall: float, reason: str = "") -> "Step":
        """The step, over at `wall` (Unix seconds)."""
        return msgspec.structs.replace(self, state=state, reason=reason[:REASON_MAX], ended_at=wall)

    def saying(self, reason: str) -> "Step":
        """The step with another word on what it waits for."""
        return msgspec.structs.replace(self, reason=reason[:REASON_MAX])


class Deployment(Record, frozen=True, kw_only=True):
    """Key: `id`. Times are wall seconds; 0 = not yet."""

    id: int
    project: str
    kind: DeploymentKind
    revision: int
    """The revision asked for. A scale gets its own when it begins."""
    created_at: float
    state: DeploymentState = "waiting"
    from_revision: int = 0
    """The project's revision when it began."""
    back_to: int = 0
    """The revision that last succeeded, which a failure goes back to; 0 = none."""
    outcome: Outcome = ""
    """Set while it goes back: how it ends when that is done."""
    planned: bool = False
    """The steps after `resolve` are made."""
    steps: tuple[Step, ...] = ()
    services: tuple[str, ...] = ()
    """Services a restart is limited to; empty = all."""
    counts: dict[str, int] = {}
    """Service -> replicas, of a scale."""
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
    paused_at: float = 0.0

    @property
    def aim(self) -> int:
        """The revision it goes to now: the one asked for, or the one it goes back to."""
        return self.back_to if self.outcome else self.revision
