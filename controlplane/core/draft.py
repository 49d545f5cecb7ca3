"""A decision in the making: a view of the cluster with changes laid over it, which become one transaction.

Rules read and write through a Draft; the cluster beneath stays as it is until the changes are committed.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from controlplane.core.action import Action
from controlplane.core.cluster import KEYS, Changes, Cluster, Meta, Volatile, wants_place
from controlplane.core.deployment import ENDED, Deployment
from controlplane.core.journal import Event
from controlplane.core.load import Own
from controlplane.core.node import Node, reached_at
from controlplane.core.port_rest import PortRest
from controlplane.core.preparation import Preparation
from controlplane.core.project import Project, Revision
from controlplane.core.record import Now, Record, Refused
from controlplane.core.replica import Assignment, Replica
from controlplane.core.room import View
from controlplane.core.task import Task
from protocol.names import ReplicaId
from protocol.spec import ServiceSpec

R = TypeVar("R", bound=Record)

LOOKS_MAX = 800
"""Rooms a decision looks at before it lets others have a turn, some 10 µs each (benchmarks/RESULTS.md): the loop must
never be blocked for more than 20 ms (DESIGN §2)."""

PLACEMENT_LOOKS = 20
"""What the rest of a placement costs, in looks: its records, journal lines and desired state."""

_NOTHING: dict[Any, Any] = {}


class Draft:
    """One decision. `now` is fixed for its whole life."""

    def __init__(self, cluster: Cluster, now: Now) -> None:
        self.base = cluster
        self.now = now
        self.meta: Meta = cluster.meta
        self.volatile: Volatile = cluster.volatile
        self.looks = 0
        """Rooms looked at for placements so far: what a decision's time goes into."""
        self.actor = ""
        """Who asked, until the first line of the journal has said so."""
        self.unfinished = False
        """There is more to decide at once: the caller is asked back soon."""
        self.actions: list[Action] = []
        self.events: list[Event] = []
        self.touched: set[ReplicaId] = set()
        self.changed_loads: set[str] = set()
        """Nodes whose load differs from the one the cluster remembers."""
        self.view: View | None = None
        """The rooms of all nodes, once they were asked for; None = to be worked out."""
        self.stale: set[str] = set()
        """Nodes whose room in `view` is not true any more."""
        self.owns: dict[str, Own] = {}
        """Nodes' sums over their replicas, as last worked out in this decision."""
        self.touched_on: dict[str, set[ReplicaId]] = {}
        """Node -> replicas there that were changed since."""
        self.distrusts = False
        """Specifications were changed: no sums from before are believed."""
        self._over: dict[type[Record], dict[Any, Record | None]] = {}
        self._on_node: dict[str, set[ReplicaId]] = {}
        self._of_project: dict[str, set[ReplicaId]] = {}

    # -- reading ----------------------------------------------------------------------------------------------------

    def get(self, kind: type[R], key: Any) -> R | None:
        """The record with this key as it is in this decision, or None."""
        over = self._over.get(kind)
        if over is not None and key in over:
            return over[key]  # type: ignore[return-value]  # tables hold one type each
        found: R | None = self.base.table(kind).get(key)
        return found

    def all(self, kind: type[R]) -> Iterator[R]:
        """Every record of a type, in no order. Not for replicas or tasks: those have indexes."""
        over = self._over.get(kind)
        if not over:  # as it is at nearly every tick
            return iter(tuple(self.base.table(kind).values()))
        unchanged = [record for key, record in self.base.table(kind).items() if key not in over]
        return iter((*unchanged, *(record for record in over.values() if record is not None)))

    def node(self, name: str) -> Node:
        """The node of that name. Raises Refused."""
        node = self.get(Node, name)
        if node is None:
            raise Refused("not_found", f"there is no node {name!r}", "node")
        return node

    def project(self, code: str) -> Project:
        """The project of that code. Raises Refused."""
        project = self.get(Project, code)
        if project is None:
            raise Refused("not_found", f"there is no project {code!r}", "project")
        return project

    def replica(self, key: ReplicaId) -> Replica | None:
        """The replica, or None."""
        return self.get(Replica, key)

    def revision(self, project: str, number: int) -> Revision | None:
        """A kept revision, or None."""
        return self.get(Revision, (project, number))

    def spec(self, key: ReplicaId, revision: int) -> ServiceSpec | None:
        """The service's specification in a revision, or None when it was not in it."""
        found = self.revision(key.project, revision)
        return found.spec.services.get(key.service) if found else None

    def replicas_on(self, node: str) -> list[Replica]:
        """Replicas with an assignment on this node, in order of their ids."""
        return self._replicas(self._on_node.get(node, self.base.on_node.get(node, ())))

    def replicas_of(self, project: str) -> list[Replica]:
        """The project's replicas, in order of their ids."""
        return self._replicas(self._of_project.get(project, self.base.of_project.get(project, ())))

    def rests_on(self, node: str) -> list[PortRest]:
        """The node's resting ports, in order."""
        over = self._over.get(PortRest, {})
        keys = {*self.base.rests_on.get(node, ()), *(key for key in over if key[0] == node)}
        found = (self.get(PortRest, key) for key in sorted(keys))
        return [rest for rest in found if rest is not None]

    def unplaced(self) -> list[Replica]:
        """Replicas that shall have an assignment and have none that can run, in order of their ids."""
        ids = set(self.base.unplaced) | self.touched
        return [r for r in self._replicas(ids) if wants_place(r)]

    def open_tasks(self) -> list[Task]:
        """Tasks that have not ended."""
        over = self._over.get(Task, _NOTHING)
        if not over and not self.base.open_tasks:
            return []
        ids = self.base.open_tasks | over.keys()
        found = (self.get(Task, i) for i in sorted(ids))
        return [t for t in found if t is not None and not t.ended]

    def changed_tasks(self) -> list[Task]:
        """Tasks that this decision made or moved."""
        return [t for t in self._over.get(Task, {}).values() if isinstance(t, Task)]

    def open_deployments(self) -> list[Deployment]:
        """Deployments that have not ended, oldest first."""
        over = self._over.get(Deployment, _NOTHING)
        if not over and not self.base.open_deployments:
            return []
        ids = self.base.open_deployments | over.keys()
        found = (self.get(Deployment, i) for i in sorted(ids))
        return [d for d in found if d is not None and d.state not in ENDED]

    def placed(self, rooms: int) -> None:
        """Note that a placement looked at so many rooms."""
        self.looks += rooms + PLACEMENT_LOOKS

    def tired(self) -> bool:
        """True when this decision has placed enough and shall leave the rest to the next one, which it asks for."""
        if self.looks >= LOOKS_MAX:
            self.unfinished = True
        return self.unfinished

    # -- writing ----------------------------------------------------------------------------------------------------

    def put(self, record: Record) -> None:
        """Lay a record over the cluster."""
        kind = type(record)
        key = KEYS[kind][1](record)
        if isinstance(record, Replica):
            self._move(self.replica(key), record)
        else:
            self._reload(record)
        self._over.setdefault(kind, {})[key] = record

    def drop(self, record: Record) -> None:
        """Forget a record."""
        kind = type(record)
        if isinstance(record, Replica):
            self._move(self.replica(record.id), None)
            if record.epoch > self.meta.epoch_floor:
                self.meta = msgspec.structs.replace(self.meta, epoch_floor=record.epoch)
        else:
            self._reload(record)
        self._over.setdefault(kind, {})[KEYS[kind][1](record)] = None

    def event(
        self, kind: str, text: str, *, of: Deployment | Replica | None = None, cause: int = 0, **about: Any
    ) -> int:
        """Write a line of the journal; gives its sequence number, which is its cause when none is given. `of`: whose
        line it is, which says project and cause.
        """
        match of:
            case Deployment():
                about = {"project": of.project, "deployment": of.id, **about}
            case Replica():
                about = {"project": of.id.project, "replica": str(of.id), **about}
        cause = cause or (of.cause if of is not None else 0)
        seq = self.meta.event_seq + 1
        self.meta = msgspec.structs.replace(self.meta, event_seq=seq)
        actor, self.actor = self.actor, ""
        at, cause = self.now.wall, cause or seq
        self.events.append(Event(seq=seq, at=at, kind=kind, text=text, cause=cause, actor=actor, **about))
        return seq

    def act(self, action: Action) -> None:
        """Ask for something to be done after the commit."""
        self.actions.append(action)

    def next_id(self, counter: str) -> int:
        """Count one of `Meta`'s counters up and give it."""
        value: int = getattr(self.meta, counter) + 1
        self.meta = msgspec.structs.replace(self.meta, **{counter: value})
        return value

    def changes(self) -> Changes:
        """Everything laid over, as one transaction. Records equal to what was there are left out."""
        puts: list[Record] = []
        drops: list[Record] = []
        for kind, over in self._over.items():
            base = self.base.table(kind)
            for key, record in over.items():
                before = base.get(key)
                if record is None:
                    if before is not None:
                        drops.append(before)
                elif record != before:
                    puts.append(record)
        if self.meta != self.base.meta:
            puts.append(self.meta)
        volatile = self.volatile if self.volatile is not self.base.volatile else None
        return Changes(puts=puts, drops=drops, events=self.events, volatile=volatile)

    def _reload(self, record: Record) -> None:
        match record:
            case Node():
                self.view = None
            case PortRest():
                self._forget_load(record.node)
            case Preparation():
                self._forget_load(record.target)
            case Revision():
                self.owns.clear()
                self.distrusts = True
                self.view = None

    def _forget_load(self, node: str) -> None:
        self.changed_loads.add(node)
        self.stale.add(node)

    # -- indexes ----------------------------------------------------------------------------------------------------

    def _replicas(self, ids: Iterable[ReplicaId]) -> list[Replica]:
        over, table = self._over.get(Replica, {}), self.base.replicas
        found = (over[i] if i in over else table.get(i) for i in sorted(ids))
        return [r for r in found if r is not None]  # type: ignore[misc]  # tables hold one type each

    def _move(self, old: Replica | None, new: Replica | None) -> None:
        key = (new or old).id  # type: ignore[union-attr]  # one of them is there
        self.touched.add(key)
        was = _nodes(old)
        will = _nodes(new)
        for name in was | will:
            self._forget_load(name)
            self.touched_on.setdefault(name, set()).add(key)
            ids = self._on_node.get(name)
            if ids is None:
                ids = self._on_node[name] = set(self.base.on_node.get(name, ()))
            (ids.add if name in will else ids.discard)(key)
        if old is None or new is None:
            ids = self._of_project.get(key.project)
            if ids is None:
                ids = self._of_project[key.project] = set(self.base.of_project.get(key.project, ()))
            (ids.add if new is not None else ids.discard)(key)


def _nodes(replica: Replica | None) -> set[str]:
    return {a.node for a in replica.assignments} if replica is not None else set()


def where(assignment: Assignment, node: Node | None) -> str:
    """`on node-2 at 10.0.0.12:20431` for sentences."""
    if node is None or not assignment.ports:
        return f"on {assignment.node}"
    return f"on {assignment.node} at " + ", ".join(reached_at(node, p) for p in assignment.ports)
