"""One order to one agent, as people watch it. `start` and `stop` ride on desired state; others are sent."""

from controlplane.core.record import Record
from protocol.messages import ContainerRef, TaskKind, TaskState

KEPT = 1000
"""Ended tasks kept in memory and store; older ones are forgotten."""


class Task(Record, frozen=True, kw_only=True):
    """Key: `id` (`t12`). Times are wall seconds; 0 = not yet. `deadline_at`: failed when not ended by then."""

    id: str
    kind: TaskKind
    node: str
    created_at: float
    deadline_at: float
    project: str = ""
    target: ContainerRef | None = None
    image: str = ""
    deployment: int = 0
    state: TaskState = "queued"
    reason: str = ""
    result: str = ""
    bytes_done: int = 0
    bytes_total: int = 0
    ended_at: float = 0.0

    @property
    def ended(self) -> bool:
        """True when it is done or failed, which is final."""
        return self.state in ("done", "failed")

    @property
    def is_order(self) -> bool:
        """True when it is sent to the agent as a `TaskOrder`; the others follow from desired state."""
        return self.kind in ("resolve", "pull", "restart", "upgrade")
