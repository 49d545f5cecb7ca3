"""Everything the Center knows, in memory: the tables, their indexes, and how a committed change is applied.

Read by everyone (web, link, metrics); changed only by `controller/loop.py` through `apply`. The rules never touch it
directly: they work on a `Draft` over it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from controlplane.core.api_token import ApiToken
from controlplane.core.claims import Claim
from controlplane.core.deployment import ENDED, Deployment
from controlplane.core.detector import Watch
from controlplane.core.fact import NodeUsage
from controlplane.core.journal import Event
from controlplane.core.load import Load
from controlplane.core.node import Former, JoinTicket, Node
from controlplane.core.port_rest import PortRest
from controlplane.core.preparation import Preparation
from controlplane.core.project import Project, Revision
from controlplane.core.record import Record
from controlplane.core.replica import Replica
from controlplane.core.room import Kept
from controlplane.core.shortlist import Shortlist
from controlplane.core.task import Task
from controlplane.core.upgrade import Upgrade
from protocol.names import ReplicaId

K = TypeVar("K")

Turn = tuple[str, int, ReplicaId]
"""A replica's turn when places are given: by project, depth of its dependencies, id."""


class Meta(Record, frozen=True, kw_only=True):
    """The cluster itself; one row. Counters never go back. `incarnation` rises when a backup is restored."""

    cluster: str
    incarnation: int = 1
    revision: int = 0
    """Counts commits that changed desired state; agents refuse older ones."""
    event_seq: int = 0
    deployment_seq: int = 0
    task_seq: int = 0
    upgrade_seq: int = 0
    epoch_floor: int = 0
    """Highest epoch of any replica that was forgotten: one that comes back under its name begins above it."""
    adopting: bool = False
    """It was restored from a backup, and what runs is being adopted (`adoption`)."""
    adopt_until: float = 0.0
    """When that ends by itself, wall seconds; 0 = its time has not begun."""


class Volatile(msgspec.Struct, frozen=True, kw_only=True):
    """What need not survive a restart: the detector's memory, latest usage, when to try again to place things."""

    watch: Watch
    usage: Mapping[str, NodeUsage] = {}
    retry_at: float = 0.0
    """Monotonic time of the next try to place what is pending without a change."""
    relist_at: float = 0.0
    """Monotonic time at which nodes are next asked what became of copies that should have ended."""
    retry_after: Turn | None = None
    """The last try got as far as this turn and goes on behind it; None = it got through."""
    claims: Mapping[str, Claim] = {}
    """While the Center adopts: what nodes hold."""


KEYS: dict[type[Record], tuple[str, Any]] = {
    Meta: ("meta", lambda r: "meta"),
    Node: ("nodes", lambda r: r.name),
    Former: ("former", lambda r: r.agent_id),
    JoinTicket: ("tickets", lambda r: r.id),
    ApiToken: ("api_tokens", lambda r: r.id),
    Project: ("projects", lambda r: r.code),
    Revision: ("revisions", lambda r: (r.project, r.number)),
    Replica: ("replicas", lambda r: r.id),
    Deployment: ("deployments", lambda r: r.id),
    Task: ("tasks", lambda r: r.id),
    PortRest: ("rests", lambda r: (r.node, r.protocol, r.port)),
    Preparation: ("preparations", lambda r: r.replica),
    Upgrade: ("upgrades", lambda r: r.id),
}
"""Record type -> (table, key of a record). Keys are strings, numbers, tuples of these, or ReplicaId."""

UNSTORED: frozenset[type[Record]] = frozenset({Preparation})
"""Tables that live in memory only."""


class Changes(msgspec.Struct, kw_only=True):
    """What one decision changes; committed as one transaction, then applied. `puts`, `drops` hold each key once."""

    puts: list[Record] = []
    drops: list[Record] = []
    events: list[Event] = []
    volatile: Volatile | None = None

    @property
    def stored(self) -> bool:
        """True when something must be written to disk."""
        return bool(self.events) or any(type(r) not in UNSTORED for r in (*self.puts, *self.drops))


class Cluster:
    """The tables. Keys as in `KEYS`."""

    def __init__(self, meta: Meta, volatile: Volatile, records: Iterable[Record] = ()) -> None:
        self.meta = meta
        self.volatile = volatile
        self.nodes: dict[str, Node] = {}
        self.former: dict[str, Former] = {}
        self.tickets: dict[str, JoinTicket] = {}
        self.api_tokens: dict[str, ApiToken] = {}
        self.projects: dict[str, Project] = {}
        self.revisions: dict[tuple[str, int], Revision] = {}
        self.replicas: dict[ReplicaId, Replica] = {}
        self.deployments: dict[int, Deployment] = {}
        self.tasks: dict[str, Task] = {}
        self.rests: dict[tuple[str, str, int], PortRest] = {}
        self.preparations: dict[ReplicaId, Preparation] = {}
        self.upgrades: dict[int, Upgrade] = {}
        self.on_node: dict[str, set[ReplicaId]] = {}
        """Node -> replicas with an assignment there."""
        self.of_project: dict[str, set[ReplicaId]] = {}
        self.unplaced: set[ReplicaId] = set()
        """Replicas without a wanted assignment that shall have one."""
        self.crossing: set[ReplicaId] = set()
        """Replicas with an outgoing assignment that still serves."""
        self.departing: set[ReplicaId] = set()
        """Replicas with an outgoing assignment whose end is waited for."""
        self.in_order: set[ReplicaId] = set()
        """Replicas that wait for what they depend on, or for which others are to be restarted."""
        self.away: set[ReplicaId] = set()
        """Replicas that go back to the node they were taken from."""
        self.open_tasks: set[str] = set()
        self.open_deployments: set[int] = set()
        self.rests_on: dict[str, set[tuple[str, str, int]]] = {}
        self.prepared_on: dict[str, set[ReplicaId]] = {}
        self.unsettled: set[str] = set()
        """Nodes that are not simply online and taking work: those that a tick must look at anyway."""
        self._agents: dict[str, str] = {}
        """Agent's id -> its node."""
        self.loads: dict[str, Load] = {}
        """What is promised to each node, worked out when first asked for and set aside when it changes."""
        self.former_loads: dict[str, Load] = {}
        self.touched_since: dict[str, set[ReplicaId]] = {}
        """Node -> replicas that changed there since its former load was worked out."""
        self.rooms: dict[str, Kept] = {}
        """Rooms of nodes, as they were last worked out; each says from what."""
        self.shortlists: dict[tuple[str, str], Shortlist] = {}
        """By project and service, those placed last."""
        self._tables: dict[type[Record], dict[Any, Any]] = {
            kind: getattr(self, name) for kind, (name, _) in KEYS.items() if kind is not Meta
        }
        for record in records:
            self._put(record)

    def apply(self, changes: Changes) -> None:
        """Make committed changes visible."""
        for record in changes.drops:
            self._drop(record)
        for record in changes.puts:
            self._put(record)
        if changes.volatile is not None:
            self.volatile = changes.volatile

    def take_back(self, changes: Changes, truth: "Cluster") -> None:
        """Undo `apply` of changes that could not be committed: what they touched is as in `truth` again."""
        for record in (*changes.puts, *changes.drops):
            if isinstance(record, Meta):
                continue
            kind = type(record)
            before = truth.table(kind).get(KEYS[kind][1](record))
            if before is None:
                self._drop(record)
            else:
                self._put(before)
        self.meta, self.volatile = truth.meta, truth.volatile

    def agent(self, agent_id: str) -> Node | None:
        """The node whose agent has this id."""
        return self.nodes.get(self._agents.get(agent_id, ""))

    def table(self, kind: type[Record]) -> dict[Any, Any]:
        """The table that holds records of this type."""
        return self._tables[kind]

    def _put(self, record: Record) -> None:
        if isinstance(record, Meta):
            self.meta = record
            return
        table, key = self.table(type(record)), KEYS[type(record)][1](record)
        self._unindex(table.get(key))
        table[key] = record
        self._index(record)

    def _outdate(self, node: str, touched: ReplicaId | None = None) -> None:
        load = self.loads.pop(node, None)
        if load is not None:
            self.former_loads[node] = load
        if touched is not None and node in self.former_loads:
            self.touched_since.setdefault(node, set()).add(touched)

    def _drop(self, record: Record) -> None:
        table, key = self.table(type(record)), KEYS[type(record)][1](record)
        self._unindex(table.pop(key, None))
        if isinstance(record, Node):
            for known in (self.loads, self.former_loads, self.touched_since, self.rooms):
                known.pop(record.name, None)

    def _index(self, record: Record) -> None:
        match record:
            case Replica():
                self.of_project.setdefault(record.id.project, set()).add(record.id)
                for assignment in record.assignments:
                    self.on_node.setdefault(assignment.node, set()).add(record.id)
                    self._outdate(assignment.node, record.id)
                if wants_place(record):
                    self.unplaced.add(record.id)
                if record.restarts_due or (record.wanted is not None and record.wanted.awaits):
                    self.in_order.add(record.id)
                if record.home:
                    self.away.add(record.id)
                if record.outgoing is not None:
                    (self.departing if record.outgoing.ending else self.crossing).add(record.id)
            case Node():
                self._agents[record.agent_id] = record.name
                (self.unsettled.discard if _is_settled(record) else self.unsettled.add)(record.name)
            case Task() if not record.ended:
                self.open_tasks.add(record.id)
            case Deployment() if record.state not in ENDED:
                self.open_deployments.add(record.id)
            case PortRest():
                self.rests_on.setdefault(record.node, set()).add((record.node, record.protocol, record.port))
                self._outdate(record.node)
            case Preparation():
                self.prepared_on.setdefault(record.target, set()).add(record.replica)
                self._outdate(record.target)

    def _unindex(self, record: Record | None) -> None:
        match record:
            case Replica():
                _discard(self.of_project, record.id.project, record.id)
                for assignment in record.assignments:
                    _discard(self.on_node, assignment.node, record.id)
                    self._outdate(assignment.node, record.id)
                self.unplaced.discard(record.id)
                self.crossing.discard(record.id)
                self.departing.discard(record.id)
                self.in_order.discard(record.id)
                self.away.discard(record.id)
            case Node():
                self._agents.pop(record.agent_id, None)
                self.unsettled.discard(record.name)
            case Task():
                self.open_tasks.discard(record.id)
            case Deployment():
                self.open_deployments.discard(record.id)
            case PortRest():
                _discard(self.rests_on, record.node, (record.node, record.protocol, record.port))
                self._outdate(record.node)
            case Preparation():
                _discard(self.prepared_on, record.target, record.replica)
                self._outdate(record.target)


def wants_place(replica: Replica) -> bool:
    """True when the replica has no wanted assignment and shall have one, or its node is lost and it may move."""
    if replica.ending or replica.failed:
        return False
    return replica.wanted is None or replica.wanted.state == "interrupted"


def _is_settled(node: Node) -> bool:
    return node.state == "online" and not (
        node.unschedulable or node.draining or node.held or node.lost or node.upgrading_until
    )


def _discard(index: dict[str, set[K]], key: str, member: K) -> None:
    ids = index.get(key)
    if ids is not None:
        ids.discard(member)
        if not ids:
            del index[key]
