"""A replica and its assignments: the records, the legal moves between states, and when one counts as ready.

A replica has at most one wanted and one outgoing assignment (DESIGN §1). Epochs are never reused.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from controlplane.core.record import Record
from protocol.messages import ContainerRef, Health, ReasonCode, ReplicaState
from protocol.names import ReplicaId
from protocol.spec import PortLease, ServiceSpec

UP_S = 5.0
"""Without a health check a replica is ready when it has been up for so long, or for `monitor` if that is less."""

Serves = Literal["both", "wanted", "outgoing"]
"""Which of a replica's two assignments people are sent to (`announce`)."""

_ALIVE: frozenset[ReplicaState] = frozenset(
    {"assigned", "pulling", "starting", "running", "stopping", "stopped", "failed"}
)

LEGAL: Mapping[ReplicaState, frozenset[ReplicaState]] = {
    "pending": frozenset({"assigned", "failed", "stopped"}),
    "assigned": _ALIVE | {"interrupted"},
    "pulling": _ALIVE | {"interrupted"},
    "starting": _ALIVE | {"interrupted"},
    "running": _ALIVE | {"interrupted"},
    "failed": _ALIVE | {"interrupted"},
    "stopped": _ALIVE | {"interrupted"},
    "stopping": _ALIVE | {"interrupted"},
    "interrupted": _ALIVE | {"interrupted"},
}
"""From an assignment's state to those it may be seen in next. Reports on an `ending` one are not even looked at."""

REPORTABLE: frozenset[ReplicaState] = _ALIVE
"""States that an agent may report; the others are the Center's own words."""


class Assignment(Record, frozen=True, kw_only=True):
    """Replica x node with an epoch, a revision and leased host ports. `since`, `running_since`: wall seconds."""

    node: str
    epoch: int
    revision: int
    ports: tuple[PortLease, ...] = ()
    state: ReplicaState = "assigned"
    health: Health = "none"
    since: float = 0.0
    running_since: float = 0.0
    """When this process was first seen running, 0 when it does not run; restarts set it anew."""
    reason: str = ""
    code: ReasonCode = ""
    state_seq: int = 0
    """The agent's counter of the last report applied; older reports are dropped."""
    container_id: str = ""
    restarts: int = 0
    exit_code: int | None = None
    gave_up: bool = False
    hold: bool = False
    """Not started before the outgoing assignment is confirmed gone (stop-first)."""
    ending: bool = False
    """Withdrawn from the desired state: its container is being stopped and removed."""
    awaits: bool = False
    """Held (`hold` is set, too) until what its service depends on is ready; `reason` says what."""
    freed: bool = False
    """A person said that its replica may be started elsewhere, whatever `x-rope.failover` says."""
    task: str = ""
    """Task that people watch for this assignment."""


class Replica(Record, frozen=True, kw_only=True):
    """Key: `id`. `revision`: what it shall run now, moved one replica at a time by deployments."""

    id: ReplicaId
    revision: int
    epoch: int = 0
    """Highest epoch ever used."""
    wanted: Assignment | None = None
    outgoing: Assignment | None = None
    since: float = 0.0
    """When it became pending, failed or interrupted without an assignment; wall seconds."""
    reason: str = ""
    """Why there is no wanted assignment."""
    failed: bool = False
    """Given up after too many moves; only a deployment tries again."""
    moves: int = 0
    """Moves asked for by agents since the last deployment or 10 stable minutes."""
    moved_at: float = 0.0
    """When the last of `moves` was, wall seconds."""
    remap: bool = False
    """A fixed host port is only preferred (since a failover or a drain), not required (deploy, scale, update). Stays so
    until a deployment places it anew: the port may turn out to be taken only when the agent tries it."""
    avoid: tuple[str, ...] = ()
    """Nodes that gave up on this revision; tried again only by a person's word or when nothing else is left."""
    cause: int = 0
    """Sequence number of the event that began the story it is in; 0 = none."""
    ending: bool = False
    """To be stopped and forgotten: scaled away, its service or its project removed."""
    serves: Serves = "both"
    """Rolling and canary: both copies serve while both live. Blue-green: only the old one before the switch, only the
    new one after it.
    """
    kept_until: float = 0.0
    """Until then (wall seconds) the outgoing assignment is kept although the wanted one is ready: for a return."""
    restarts_due: bool = False
    """It was started elsewhere; services with `restart: true` towards it are restarted once it is ready."""
    done_for: int = 0
    """Revision for which a completed job counts as done, though it ran under another one (a rollback)."""
    home: str = ""
    """Node that a failover took it from and that it goes back to (`x-rope.on_return`); "" = none."""

    @property
    def state(self) -> ReplicaState:
        """The one word on this replica, for API, command line and pages."""
        if self.wanted is not None:
            return self.wanted.state
        if self.ending:
            return "stopping" if self.outgoing else "stopped"
        return "failed" if self.failed else "pending"

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """Wanted and outgoing, those that exist."""
        if self.outgoing is None:  # nearly always; asked for several times for each replica of a page
            return () if self.wanted is None else (self.wanted,)
        return (self.outgoing,) if self.wanted is None else (self.wanted, self.outgoing)


def ref(replica: ReplicaId, epoch: int) -> ContainerRef:
    """The name of a container on the wire."""
    return ContainerRef(project=replica.project, service=replica.service, replica=replica.index, epoch=epoch)


def is_checked(assignment: Assignment, spec: ServiceSpec) -> bool:
    """True when something tells how healthy it is: a probe, the file's check, or one that the image brings. A probe
    that says nothing was added to a container that ran before, or its agent is too old to know it.
    """
    named = spec.health is not None and spec.health.test != ("NONE",)
    return named or assignment.health != "none"


def is_ready(assignment: Assignment, spec: ServiceSpec, wall: float, up_s: float | None = None) -> bool:
    """Healthy, or without a check up for `up_s` (None: `UP_S`, or `monitor` if that is less); a `restart: no` job
    that ended with 0 is ready too.
    """
    if assignment.state == "stopped":
        return assignment.exit_code == 0
    if assignment.state != "running" or assignment.ending:
        return False
    if is_checked(assignment, spec):
        return assignment.health == "healthy"
    least_s = min(UP_S, spec.update.monitor_s) if up_s is None else up_s
    return assignment.running_since > 0 and wall - assignment.running_since >= least_s


def moved(assignment: Assignment, state: ReplicaState, wall: float, reason: str = "") -> Assignment:
    """The assignment in another state. Raises AssertionError on a move that is not legal."""
    if state != assignment.state and state not in LEGAL[assignment.state]:
        raise AssertionError(f"epoch {assignment.epoch} on {assignment.node}: {assignment.state} -> {state}")
    since = assignment.since if state == assignment.state else wall
    return msgspec.structs.replace(assignment, state=state, since=since, reason=reason)
