"""What must hold at every instant (notes/reliability.md §4.2, "Safety"), checked where it can change: at each decision,
each commit, each start and stop of a container, and each second for what only time can break.

Judges the Center's records against the truth of the engines. Raises AssertionError with the invariant's name.
"""

from typing import TYPE_CHECKING, Any

from controlplane.controller.loop import INBOX_MAX
from controlplane.core import guard, rollout
from controlplane.core.action import CloseSession
from controlplane.core.center import Outcome
from controlplane.core.cluster import KEYS, UNSTORED, Changes, Cluster, Meta
from controlplane.core.command import Command, EndAdoption, OpenSession
from controlplane.core.deployment import ENDED, Deployment
from controlplane.core.fact import Fact, Listed, Reported, StopAsked, Synced, TaskReported
from controlplane.core.node import Node
from controlplane.core.port_rest import PortRest
from controlplane.core.record import Record
from controlplane.core.replica import Assignment, Replica
from controlplane.core.task import KEPT, Task
from nodeagent.core.steps import Create, Start, Step
from protocol.names import ReplicaId
from tests.simulation.liveness import asked_for
from tests.simulation.obedience import Obedience
from tests.simulation.running import Running

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

AT_ONCE = 200
"""Tasks that may end in one decision, beyond those kept."""
OFFLINE_S = 15.0
OFFLINE_LATEST_S = 15.5

_SESSION_FACTS = (Reported, Listed, TaskReported, StopAsked, Synced)


class Safety:
    """The checker. `forgiving`: the Center runs on an old backup, so what it believes is not the truth."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.forgiving = False
        self._event: Fact | Command | None = None
        self._events: dict[int, tuple[Outcome | None, Fact | Command | None, float, frozenset[str]]] = {}
        self._decided_at = 0.0
        self._away_then = frozenset[str]()
        """Nodes that the hub did not hear when it was decided that one is offline."""
        self._changes = Changes()
        self._before: dict[ReplicaId, Replica] = {}
        self._written: set[tuple[type[Record], Any]] = set()
        self._epochs: dict[ReplicaId, int] = {}
        self._over: set[tuple[ReplicaId, int]] = set()
        self.running = Running(world)
        self.obedience = Obedience()
        self._left_online: dict[str, float] = {}
        self._born: dict[str, float] = {}

    # -- decisions --------------------------------------------------------------------------------------------------

    def decided(self, cluster: Cluster, event: Fact | Command, outcome: Outcome) -> None:
        """Before the commit. `cluster`: what it was decided on."""
        lost = any(isinstance(record, Node) and record.state == "offline" for record in outcome.changes.puts)
        away = self._away() if lost else frozenset[str]()
        self._events[id(outcome.changes)] = (outcome, event, self._world.clock.now, away)
        if cluster.meta.adopting and not isinstance(event, EndAdoption):
            said = [a for a in outcome.actions if not isinstance(a, CloseSession)]
            assert not said, f"S17: a Center that adopts says {said}"
        if isinstance(event, _SESSION_FACTS):
            node = cluster.nodes.get(event.node)
            current = node is not None and node.session_epoch == event.session_epoch
            quiet = not (outcome.changes.puts or outcome.changes.drops or outcome.actions)
            assert current or quiet, f"S15: {type(event).__name__} of an old session of {event.node} had an effect"

    def committed(self, changes: Changes, before: list[Record | None]) -> None:
        """After it was applied. `before`: what the puts and drops took the place of."""
        now = self._world.clock.now
        known = self._events.pop(id(changes), (None, None, now, frozenset[str]()))
        outcome, self._event, self._decided_at, self._away_then = known
        if outcome is not None:
            self.obedience.sent(outcome.actions)
        self._written.update((type(r), KEYS[type(r)][1](r)) for r in (*changes.puts, *changes.drops))
        if self.forgiving:
            return
        self._changes = changes
        self._before = {r.id: r for r in before if isinstance(r, Replica)}
        olds = dict(zip((id(r) for r in (*changes.puts, *changes.drops)), before, strict=True))
        for record in changes.puts:
            self._check_record(record, olds[id(record)])
        for record in changes.drops:
            if isinstance(record, Replica):
                self._assignments_over(record, None)
                self.running.look_again(record.id)

    def _check_record(self, record: Record, old: Record | None) -> None:
        match record, old:
            case Replica(), _:
                self._check_replica(record, old if isinstance(old, Replica) else None)
            case Node(), _:
                self._check_node(record, old if isinstance(old, Node) else None)
            case Task(), Task():
                assert not old.ended or old == record, f"S16: task {old.id} ended as {old.state}, now {record}"
                self._check_task_identity(record)
            case Deployment(), Deployment() if old.state in ENDED:
                assert record.state == old.state, f"S16: deployment {old.id} {old.state} -> {record.state}"
            case PortRest(), _:
                self._check_rest(record, waited=isinstance(old, PortRest) and old.until is None)
            case _:
                pass

    def center_started(self) -> None:
        """A new process: judge everything anew by what is on disk."""
        self._events.clear()
        self._written.clear()
        if not self.forgiving:
            self.running.look_at_all()

    # -- records ----------------------------------------------------------------------------------------------------

    def _check_store(self) -> None:
        """S2: on disk is what was decided, no more and no less."""
        written, self._written = self._written, set()
        rows = self._world.store.rows
        for kind, key in written:
            if kind not in UNSTORED:
                has = self._cluster.meta if kind is Meta else self._cluster.table(kind).get(key)
                assert rows.get((kind, key)) is has, f"S2: on disk is {rows.get((kind, key))}, in memory {has}"

    def _check_replica(self, new: Replica, old: Replica | None) -> None:
        key = new.id
        highest = self._epochs.get(key, 0)
        assert new.epoch >= highest, f"S3: {key} goes back from epoch {highest} to {new.epoch}"
        self._epochs[key] = new.epoch
        known = {a.epoch: a for a in old.assignments} if old is not None else {}
        if new.wanted is not None and new.wanted.epoch not in known:
            assert new.wanted.epoch == new.epoch, f"S3: {key} gets epoch {new.wanted.epoch} of {new.epoch}"
        if new.outgoing is not None and new.wanted is not None and new.outgoing.epoch > new.wanted.epoch:
            assert new.outgoing.ending, f"S3: {key} was put back to {new.wanted}, but {new.outgoing} stays"
        for assignment in new.assignments:
            was = known.get(assignment.epoch)
            assert (key, assignment.epoch) not in self._over, f"S16: {key} epoch {assignment.epoch} had ended"
            if was is None:
                self._check_ports(new, assignment)
                self._check_guard(new, old)
                self._check_former(new, old)
            else:
                assert was.node == assignment.node, f"S3: {key} epoch {was.epoch} moved to {assignment.node}"
                assert assignment.state_seq >= was.state_seq, f"S17: {key} epoch {was.epoch} goes back in time"
                self._check_identity(key, was, assignment)
        if old is not None:
            self._assignments_over(old, new)
        self.running.look_again(key)

    def _check_former(self, new: Replica, old: Replica | None) -> None:
        """A successor of an assignment on a lost node takes its place; nothing of the old one is wanted any more, but
        where its service may go back to it (`x-rope.on_return`).
        """
        former = old.wanted if old is not None else None
        if former is None or former.state != "interrupted" or new.wanted is None or new.wanted.epoch == former.epoch:
            return
        both = any(a.epoch == former.epoch and a.state == "interrupted" and not a.ending for a in new.assignments)
        told = f"S3: {new.id} shall run as epoch {former.epoch} on {former.node} and as {new.wanted.epoch}"
        assert not both or new.home == former.node, told

    def _assignments_over(self, old: Replica, new: Replica | None) -> None:
        left = {a.epoch for a in new.assignments} if new is not None else set()
        for assignment in old.assignments:
            if assignment.epoch not in left:
                self._over.add((old.id, assignment.epoch))

    def _check_identity(self, key: ReplicaId, was: Assignment, now: Assignment) -> None:
        event = self._event
        if isinstance(event, Reported | Listed | TaskReported) and event.node != now.node:
            same = (was.state_seq, was.health, was.container_id) == (now.state_seq, now.health, now.container_id)
            assert same, f"S14: {event.node} changed {key} on {now.node}"

    def _check_task_identity(self, task: Task) -> None:
        event = self._event
        if isinstance(event, TaskReported) and event.update.task == task.id:
            assert event.node == task.node, f"S14: {event.node} changed {task.id} of {task.node}"

    def _check_rest(self, rest: PortRest, *, waited: bool) -> None:
        """Only its own node's word frees a port; what no agent was ever told of needs no word."""
        event = self._event
        if rest.until is None or not isinstance(event, Reported | Listed | TaskReported) or event.node == rest.node:
            return
        holder = self._before.get(rest.holder.id)
        told = holder is not None and any(a.epoch == rest.holder.epoch and not a.hold for a in holder.assignments)
        assert not (waited or told), f"S14: {event.node} confirmed a port of {rest.node}"

    def _check_ports(self, replica: Replica, made: Assignment) -> None:
        """S11, when an epoch is made: against the records, and against what truly holds the port."""
        cluster = self._cluster
        node = cluster.nodes.get(made.node)
        machine = self._world.machines[made.node]
        assert node is not None, f"S11: {replica.id} is put on {made.node}, which is no node"
        service = (replica.id.project, replica.id.service)
        for lease in made.ports:
            port = (lease.protocol, lease.host)
            rest = cluster.rests.get((made.node, *port))
            if rest is not None and rest.until is None and (rest.holder.project, rest.holder.service) != service:
                raise AssertionError(f"S11: {replica.id} gets {port} on {made.node}: {rest.holder} may still hold it")
            for key in cluster.on_node.get(made.node, ()):
                for other in cluster.replicas[key].assignments:
                    if other.node != made.node or (key, other.epoch) == (replica.id, made.epoch):
                        continue
                    if port in {(p.protocol, p.host) for p in other.ports}:
                        waits = other.ending and (key.project, key.service) == service
                        assert waits, f"S11: {replica.id} and {key} both lease {port} on {made.node}"
            for box in machine.engine.running():
                if port in {(p.protocol, p.host) for p in box.want.ports}:
                    owner = (box.ref.project, box.ref.service)
                    told = machine.name in self._world.opened and not machine.engine.hung
                    assert owner == service or not told or machine.rolled_back, (
                        f"S11: {replica.id} gets {port} on {made.node}, which {box.ref.id} epoch {box.ref.epoch} holds"
                    )
            fixed = {p for s in (lease.container,) for p in self._asked(replica, made, s)}
            assert lease.host in fixed or node.port_from <= lease.host <= node.port_to, f"S11: {lease} is out of range"

    def _asked(self, replica: Replica, made: Assignment, container: int) -> set[int]:
        revision = self._cluster.revisions[replica.id.project, made.revision]
        spec = revision.spec.services[replica.id.service]
        return {
            port
            for p in spec.ports
            if p.container == container and p.host_from is not None
            for port in range(p.host_from, (p.host_to or p.host_from) + 1)
        }

    # -- nodes ------------------------------------------------------------------------------------------------------

    def _check_node(self, new: Node, old: Node | None) -> None:
        now = self._world.clock.now
        if old is None:
            self._born[new.name] = now
            return
        if old.state == "online" and new.state != "online":
            self._left_online[new.name] = now
        if new.state == "offline" and old.state != "offline":
            self._check_offline(new, old)

    def _check_offline(self, new: Node, old: Node) -> None:
        world, now = self._world, self._decided_at
        center = world.center
        assert center is not None
        heard = world.heard.get(new.name, -1.0)
        since = center.started_at  # or the end of a long pause, unless it was decided before that and committed after
        if world.long_pause_at <= now:
            since = max(since, world.long_pause_at)
        if now - OFFLINE_S < heard <= now:
            raise AssertionError(f"S9: {new.name} is offline although it was heard {now - heard:.2f} s ago")
        read = world.clock.now - (center.hub.figures(new.name).last_seen_s or world.clock.now)
        unseen = read < (center.started_at if since == center.started_at else world.long_pause_from)
        grace_s = 30.0 if unseen else OFFLINE_S - 0.01
        assert now - since >= grace_s, f"S10: {new.name} is offline {now - since:.1f} s after the Center came to life"
        if not new.held:
            self._check_guard_holds(new.name)

    def _away(self) -> frozenset[str]:
        center = self._world.center
        assert center is not None
        seen = ((name, center.hub.figures(name)) for name in center.cluster.nodes)
        return frozenset(name for name, f in seen if not f.connected or (f.last_seen_s or 0.0) > 7.75)

    def _check_guard_holds(self, name: str) -> None:
        """Counted anew, from the records and the hub: should the guard hold this node?"""
        world, center = self._world, self._world.center
        assert center is not None
        watch = center.cluster.volatile.watch
        if world.clock.now - world.disturbed_at < 60.0 or name in watch.confirmed or watch.hold is not None:
            return
        away = counted = 0
        for node in center.cluster.nodes.values():
            left = self._left_online.get(node.name)
            there = node.state in ("online", "suspect") or node.name == name
            if not there and (left is None or world.clock.now - left > 29.0):
                continue
            counted += 1
            away += node.name in self._away_then
        assert not guard.trips(away, counted), (
            f"S21: {name} is let go although {away} of {counted} nodes are away: the guard does not hold"
        )

    def _check_guard(self, new: Replica, old: Replica | None) -> None:
        if old is None or old.wanted is None or new.wanted is None or old.wanted.node == new.wanted.node:
            return
        node, event = self._cluster.nodes.get(old.wanted.node), self._event
        if isinstance(event, OpenSession | Reported | Listed):
            return  # its agent is there and asks for it
        if node is not None and node.held:
            assert asked_for(self._changes, new.wanted), (
                f"S21: {new.id} is moved away from {node.name} while the guard holds"
            )

    # -- agents -------------------------------------------------------------------------------------------------------

    def begun(self, machine: "Machine", step: Step) -> None:
        """An agent begins a step."""
        agent = machine.agent
        if agent is None:
            return
        self.obedience.check(machine)
        if isinstance(step, Create | Start):
            desired = agent.state.memory().desired
            known = {(w.id, w.epoch) for w in desired.replicas} if desired is not None else set()
            assert (step.ref.id, step.ref.epoch) in known, (
                f"S6: {machine.name} starts {step.ref}, which it was not told"
            )

    # -- time -------------------------------------------------------------------------------------------------------

    def second(self) -> None:
        """What only time can break."""
        world = self._world
        if world.center is None or world.center.process.stopped or self.forgiving:
            return
        self._check_store()
        assert not world.center.writer.status.faults, "an action of the Center failed"
        now = world.clock.now
        self.running.second()
        self._check_silences(now)
        for machine in world.machines.values():
            self.obedience.check(machine)

    def _check_silences(self, now: float) -> None:
        world, center = self._world, self._world.center
        assert center is not None
        if now - world.disturbed_at < 50.0 or world.store.full or world.store.slow_s:
            return
        for node in center.cluster.nodes.values():
            if node.state in ("online", "suspect"):
                heard = max(world.heard.get(node.name, 0.0), self._born.get(node.name, 0.0))
                assert now - heard <= OFFLINE_LATEST_S + 0.3, (
                    f"S10: {node.name} is {node.state} although silent for {now - heard:.1f} s"
                )

    def check_all(self) -> None:
        """At the end: disk and memory are the same (S2), tables are bounded (S20)."""
        center = self._world.center
        if center is None:
            return
        tables = {
            (kind, key): record
            for kind in KEYS
            if kind not in UNSTORED and KEYS[kind][0] != "meta"
            for key, record in center.cluster.table(kind).items()
        }
        rows = {key: row for key, row in self._world.store.rows.items() if KEYS[key[0]][0] != "meta"}
        if not center.process.stopped:
            assert tables.keys() == rows.keys(), f"S2: on disk and in memory differ: {tables.keys() ^ rows.keys()}"
        ended = len(center.cluster.tasks) - len(center.cluster.open_tasks)
        assert ended <= KEPT + AT_ONCE, f"S20: {ended} tasks that ended are kept"
        ended = len(center.cluster.deployments) - len(center.cluster.open_deployments)
        assert ended <= rollout.KEPT + AT_ONCE, f"S20: {ended} deployments that ended are kept"
        waiting = center.writer.status.waiting
        assert waiting <= INBOX_MAX, f"S20: {waiting} facts and commands wait"

    @property
    def _cluster(self) -> Cluster:
        return self._world.cluster
