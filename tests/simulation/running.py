"""What runs, and whether it may: S5, S7, S8 and L5 by the truth of the engines (notes/reliability.md §4.2).

Told of every start and end of a container; asked each second for what only time can break. Part of `invariants`.
"""

from typing import TYPE_CHECKING

from controlplane.core.replica import Assignment
from nodeagent.core.steps import ReplicaStep, Restart
from protocol.names import ReplicaId
from tests.simulation.engine import Box, Engine

if TYPE_CHECKING:
    from tests.simulation.world import World

STALE_S = 10.0
"""A container nobody wants is gone so long after its node came back (S5, L5)."""
SLACK_S = 1.5
"""Frames on their way, a step under way, and the second in which we look."""
FAREWELL_S = 66.0 + 10.0
"""A removed agent asks once a minute."""


class Running:
    """All containers whose process is alive, anywhere."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._alive: dict[ReplicaId, dict[str, tuple[Engine, Box]]] = {}
        self._stale: dict[str, tuple[Engine, Box, float, float]] = {}
        """Container -> engine, container, since when nobody wants it, seconds it may take to stop."""

    def started(self, engine: Engine, box: Box) -> None:
        """A container's process began."""
        key = box.ref.id
        alive = self._alive.setdefault(key, {})
        for other_engine, other in alive.values():
            assert other.ref.epoch != box.ref.epoch, (
                f"S7: {key} epoch {box.ref.epoch} runs twice: {other.id} on {other_engine.node}, {box.id}"
            )
        alive[box.id] = (engine, box)
        self._judge(engine, box)

    def ended(self, engine: Engine, box: Box) -> None:
        """It ended."""
        self._alive.get(box.ref.id, {}).pop(box.id, None)
        self._stale.pop(box.id, None)

    def stopping(self, engine: Engine, box: Box, step: "ReplicaStep") -> None:
        """Its agent stops it."""
        if self._world.safety.forgiving or self._world.center is None:
            return
        found = self._wanted(engine, box)
        if found is None or found.ending:
            return
        if isinstance(step, Restart):
            ordered = any(t.kind == "restart" and t.target == box.ref for t in self._world.cluster.tasks.values())
            assert ordered or box.health == "unhealthy" or box.was_unhealthy, (
                f"S8: {box.ref} is restarted for no reason"
            )
            return
        raise AssertionError(
            f"S8: {box.ref} is stopped on {engine.node} by {type(step).__name__} although it is wanted"
        )

    def _wanted(self, engine: Engine, box: Box) -> Assignment | None:
        replica = self._world.cluster.replicas.get(box.ref.id)
        if replica is None:
            return None
        for assignment in replica.assignments:
            if (assignment.epoch, assignment.node) == (box.ref.epoch, engine.node):
                return assignment
        return None

    def look_at_all(self) -> None:
        """Judge everything anew: by what is on disk, when the Center has started."""
        for key in list(self._alive):
            self.look_again(key)

    def look_again(self, key: ReplicaId) -> None:
        """What is wanted of this replica may have changed."""
        for engine, box in self._alive.get(key, {}).values():
            self._judge(engine, box)

    def _judge(self, engine: Engine, box: Box) -> None:
        found = self._wanted(engine, box)
        if found is not None and not found.ending:
            self._stale.pop(box.id, None)
        elif box.id not in self._stale:
            grace_s = box.want.spec.stop_grace_s
            self._stale[box.id] = (engine, box, self._world.clock.now, max(STALE_S, grace_s + 5.0))

    def second(self) -> None:
        """What nobody wants any more is gone in time."""
        world, now = self._world, self._world.clock.now
        if world.store.full:  # an agent that asks before it stops most of what it has gets no answer
            return
        for engine, box, since, limit_s in list(self._stale.values()):
            machine = world.machines[engine.node]
            opened = world.opened.get(engine.node)
            if machine.removed:
                opened, limit_s = max(since, machine.well_since), FAREWELL_S
            if opened is None:
                continue
            late_s = now - max(since, machine.well_since, opened, world.disturbed_at) - limit_s - SLACK_S
            if late_s > 0 and world.opened_session(engine.node) is not None:
                raise AssertionError(
                    f"S5/L5: {box.ref.id} epoch {box.ref.epoch} still runs on {engine.node}, unwanted for"
                    f" {now - since:.1f} s, its node is back for {now - opened:.1f} s"
                )
