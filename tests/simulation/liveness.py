"""What must come to pass once faults have stopped (notes/reliability.md §4.2, "Liveness"), and what must not go on.

`check_calm` is called when a storm has been over for long enough; `second` watches deadlines; drills call the rest.
"""

from typing import TYPE_CHECKING

from controlplane.core.cluster import Changes, Cluster
from controlplane.core.record import Record
from controlplane.core.replica import Assignment, Replica, is_ready
from controlplane.core.task import Task
from nodeagent.core.steps import Step
from protocol.names import ReplicaId

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

HOLD_S = 120.0
RELEASE_EVERY_S = 10.0
PREPARED_S = 30.0
TASK_LATE_S = 30.0
MOVES_MAX = 3
MOVES_WITHIN_S = 600.0


def asked_for(changes: Changes, made: Assignment) -> bool:
    """Whether a deployment or a drain, so a person, wants this new assignment."""
    return any(isinstance(r, Task) and r.id == made.task and r.deployment for r in changes.puts)


class Liveness:
    """The other checker."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.moves = 0
        """Replicas that got a successor on another node, ever."""
        self.steps = 0
        """Steps that agents began, ever."""
        self.last_step: tuple[str, Step] | None = None
        self._moved: dict[tuple[ReplicaId, str], list[float]] = {}
        """When each replica was moved without the loss of its node, lately."""
        self._counted: dict[ReplicaId, int] = {}
        """What each replica's record counts itself."""
        self._left: dict[ReplicaId, tuple[str, float]] = {}
        """The loss, a node and since when it is offline, by which each replica was moved last."""

    def committed(self, changes: Changes, before: list[Record | None]) -> None:
        """Count migrations: a replica gets an epoch on another node although nobody asked for it."""
        for record, old in zip(changes.puts, before, strict=False):
            if not isinstance(record, Replica) or not isinstance(old, Replica):
                continue
            if min(record.moves, old.moves) < self._counted.get(record.id, 0):  # also in what a crash left on the disk
                self._moved.pop((record.id, "gave up"), None)  # a person asked again, or it was stable for long
            self._counted[record.id] = record.moves
            was, now = old.wanted, record.wanted
            if was is None or now is None or was.epoch == now.epoch or was.node == now.node:
                continue
            if not asked_for(changes, now) and now.node != old.home:
                self._count(record.id, was.node, "gave up" if record.moves > old.moves else "engine or port")
        for gone in changes.drops:
            if isinstance(gone, Replica):
                self._moved.pop((gone.id, "gave up"), None)

    def _count(self, key: ReplicaId, name: str, cause: str) -> None:
        """A loss that S9 and S10 found true moves a replica once; the number of losses is the faults' matter. What
        moves it away from a node that is there counts, cause by cause: its agent gave it up; an engine that comes and
        goes, a port that is taken.
        """
        node = self._world.cluster.nodes.get(name)
        if node is not None and node.state != "offline":
            self._count_move(key, cause)
            return
        self.moves += 1
        loss = (name, node.state_since if node is not None else -1.0)
        assert self._left.get(key) != loss, f"L7: {key} is moved a second time by one loss of {name}"
        self._left[key] = loss

    def _count_move(self, key: ReplicaId, cause: str) -> None:
        now = self._world.clock.now
        self.moves += 1
        moved = self._moved[key, cause] = [t for t in self._moved.get((key, cause), ()) if now - t < MOVES_WITHIN_S]
        moved.append(now)
        assert len(moved) <= MOVES_MAX, f"L7: {key} is moved for the {len(moved)}th time within 10 minutes: {cause}"

    def begun(self, machine: "Machine", step: Step) -> None:
        """An agent begins a step."""
        self.steps += 1
        self.last_step = (machine.name, step)

    def second(self) -> None:
        """Deadlines."""
        world = self._world
        center = world.center
        if center is None or center.process.stopped or world.safety.forgiving:
            return
        if center.cluster.meta.adopting:
            world.disturbed_at = world.clock.now
            return
        cluster, now = center.cluster, world.clock.now
        hold = cluster.volatile.watch.hold
        if hold is not None and any(n.state == "online" for n in cluster.nodes.values()):
            self._check_hold(cluster)
        else:
            self._held_since = now
        undisturbed_s = now - world.disturbed_at
        for prepared in cluster.preparations.values():
            node = cluster.nodes.get(prepared.source)
            if node is not None and node.state == "online" and undisturbed_s > PREPARED_S + 5.0:
                back_s = world.wall - node.state_since
                assert back_s <= PREPARED_S + 1.0, f"L8: {prepared} is not released {back_s:.0f} s after the return"
        if int(now) % 20 == 0 and not world.store.full:
            for task in (cluster.tasks[i] for i in cluster.open_tasks):
                late_s = world.wall - task.deadline_at
                assert late_s <= TASK_LATE_S or undisturbed_s < TASK_LATE_S, f"L4: {task} is {late_s:.0f} s late"

    _held_since = 0.0

    def _check_hold(self, cluster: Cluster) -> None:
        world = self._world
        since = max(self._held_since, world.disturbed_at)
        limit_s = HOLD_S + RELEASE_EVERY_S * len(cluster.nodes) + 35.0
        held_s = world.clock.now - since
        assert held_s <= limit_s, f"L6: the guard holds for {held_s:.0f} s"

    # -- after a storm ----------------------------------------------------------------------------------------------

    def check_calm(self, why: str) -> None:
        """Everything is as wanted, and nothing moves (L1, L4, L7, L8)."""
        center = self._world.center
        assert center is not None and not center.process.stopped, "the Center is up in the calm"
        cluster = center.cluster
        for node in cluster.nodes.values():
            assert node.state == "online" and not node.unschedulable, f"L1 {why}: {node.name} is {node.state} {node}"
        for code, spec in self._world.operators.good.items():
            assert code in cluster.projects, f"L1 {why}: project {code} is not there"
            for service in spec.services.values():
                mine = [key for key in sorted(cluster.of_project.get(code, ())) if key.service == service.name]
                assert len(mine) == service.replicas, f"L1 {why}: {mine}, {service.replicas} are wanted"
                for key in mine:  # numbers stay with their replicas, so there may be holes
                    self._check_replica(cluster, key, why)
        for replica in cluster.replicas.values():
            assert replica.outgoing is None and not replica.ending, f"L1 {why}: {replica} is not settled"
        self._world.counts.replicas = len(cluster.replicas)
        self._check_truth(cluster, why)
        assert not cluster.open_deployments, f"L4 {why}: {self._open(cluster)}"
        assert not cluster.open_tasks, f"L4 {why}: {[cluster.tasks[t] for t in sorted(cluster.open_tasks)]}"
        assert not cluster.preparations, f"L8 {why}: {list(cluster.preparations.values())}"

    def _open(self, cluster: Cluster) -> str:
        return "; ".join(
            f"deployment {d.id} {d.kind} {d.state}: {[s for s in d.steps if s.state in ('running', 'waiting')][:2]}"
            for d in (cluster.deployments[i] for i in sorted(cluster.open_deployments))
        )

    def _check_replica(self, cluster: Cluster, key: ReplicaId, why: str) -> None:
        replica = cluster.replicas.get(key)
        told = (
            f"L1 {why}: {key} is {replica and (replica.state, replica.reason, replica.wanted)}; {self._open(cluster)}"
        )
        assert replica is not None and replica.wanted is not None, told
        spec = cluster.revisions[key.project, replica.wanted.revision].spec.services[key.service]
        assert is_ready(replica.wanted, spec, self._world.wall), told
        good = self._world.operators.good[key.project].services[key.service]
        assert spec.image == good.image and spec.environment == good.environment, f"{told} is not what was asked for"

    def _check_truth(self, cluster: Cluster, why: str) -> None:
        running = {
            (machine.name, box.ref.id, box.ref.epoch)
            for machine in self._world.machines.values()
            if not machine.removed
            for box in machine.engine.running()
        }
        wanted = {(r.wanted.node, r.id, r.wanted.epoch) for r in cluster.replicas.values() if r.wanted is not None}
        assert running == wanted, f"L1 {why}: too many {running - wanted}, missing {wanted - running}"
