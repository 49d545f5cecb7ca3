"""What the scheduler is told: one `Room` per node and the `Want` of one replica.

Plain data without rules. The core's cluster fills it in for each placement; `placement`, `strategies` and `ports` read
it. Nodes that share one Docker Engine are given the same leases, resting ports and reservations (DESIGN §3).
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from controlplane.core.node import Node
from protocol.names import ReplicaId
from protocol.spec import PortLease, Protocol, ServiceSpec, Strategy


class Holder(msgspec.Struct, frozen=True):
    """The service that leases a host port."""

    project: str
    service: str


class Resting(msgspec.Struct, frozen=True, kw_only=True):
    """A freed host port and the service that had it last; only that service may take it again before `until`."""

    project: str
    service: str
    until: float | None = None
    """Wall seconds; None = until the old holder is confirmed gone."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A node as seen for one placement. CPUs in cores, memory in bytes.

    The replica to be placed is left out of `services` and `projects`. Leases that its former assignment gives up before
    the new one starts (stop-first) belong in `resting`, not in `leases`.
    """

    node: Node
    cpus_reserved: float = 0.0
    """Sum of `spec.cpus` over the assignments here."""
    memory_reserved: int = 0
    """Sum of `spec.memory` over the assignments here."""
    unseen_cpus: float = 0.0
    """Of `cpus_reserved`, what belongs to assignments that no heartbeat has shown yet."""
    unseen_memory: int = 0
    """Of `memory_reserved`, what belongs to assignments that no heartbeat has shown yet."""
    measured_cpus: float = 0.0
    """Of `cpus_reserved`, what was only assumed of assignments that heartbeats show by now. It refuses nothing."""
    measured_memory: int = 0
    """Of `memory_reserved`, the same."""
    cpu_usage: float | None = None
    """Latest heartbeat, percent of the whole machine; None = none yet."""
    mem_free: int | None = None
    """Latest heartbeat, bytes; None = none yet."""
    disk_free: float | None = None
    """Latest heartbeat, share from 0 to 1; None = none yet."""
    leases: Mapping[tuple[Protocol, int], Holder] = {}
    resting: Mapping[tuple[Protocol, int], Resting] = {}
    foreign: frozenset[int] = frozenset()
    """Ports that something listens on. Our own may be among them: those are judged by `leases` and `resting`."""
    services: Mapping[tuple[str, str], int] = {}
    """(project, service) -> replicas here."""
    projects: Mapping[str, int] = {}
    """Project -> replicas here."""


class View(NamedTuple):
    """All nodes in one decision. `at`: name -> place in `rooms`. `sharing`: name -> nodes on its engine."""

    rooms: list[Room]
    at: dict[str, int]
    sharing: dict[str, list[Node]]


class Kept(NamedTuple):
    """A room and what it was worked out from: true as long as these are the same."""

    room: Room
    load: object
    usage: object


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """One replica that needs a node."""

    replica: ReplicaId
    spec: ServiceSpec
    strategy: Strategy = "least_loaded"
    history: tuple[str, ...] = ()
    """Nodes that ran the project, most recent first."""
    data_node: str = ""
    """Node that has its volume data; "" = none yet. Binding unless the service may move."""
    avoid: frozenset[str] = frozenset()
    """Nodes that gave up on it."""
    fixed_required: bool = True
    """True (deploy, scale, update): the host ports asked for must be free. False (failover, drain): else remapped."""
    prefer: tuple[PortLease, ...] = ()
    """Former leases, tried before other ports."""
    stay: str = ""
    """Node to keep where it fits and spread allows; "" = none."""
    linked: frozenset[str] = frozenset()
    """Other services of its chain of dependencies, which it reaches by name on its own node only."""
    company: tuple[ServiceSpec, ...] = ()
    """Those of them that need a place now, too."""
    now: float
    """Wall seconds, for resting ports."""
