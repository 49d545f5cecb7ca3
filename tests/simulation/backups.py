"""Old backups: somebody starts the Center on one by mistake; then the true data are put back as a restore does it.

From then on the Center adopts, until somebody confirms (`core.adoption`); the checker looks on all the while.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

from controlplane.core.cluster import Meta
from controlplane.core.command import EndAdoption
from controlplane.core.record import Record

if TYPE_CHECKING:
    from tests.simulation.world import World

BACKUP_AGE = 30
"""Revisions that a backup must be behind every agent: the Center on it goes on counting before it is stopped."""
CONFIRM_S = 8.0
"""So long after its start somebody confirms what a restored Center adopts."""

Rows = dict[Any, Record]


class Backups:
    """The last few of one world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._kept: deque[Rows] = deque(maxlen=8)

    def keep(self) -> None:
        """Take one now."""
        self._kept.append(dict(self._world.store.rows))

    def bring_old(self, seconds: float) -> None:
        """Somebody starts the Center on yesterday's data, and notices after a while."""
        world, backup = self._world, self._that_all_refuse()
        if world.center is None or world.center.process.stopped or backup is None or world.safety.forgiving:
            return
        world.kill_center()
        true = dict(world.store.rows)
        world.store.rows = dict(backup)
        world.safety.forgiving = True
        world.tell("center", "starts on an old backup")
        world.clock.after(1.0, self._start_old)
        world.clock.after(1.0 + seconds, self._bring_back, true)

    def _that_all_refuse(self) -> Rows | None:
        """The newest backup that every agent knows to be old; others are no fault the product can tell."""
        known = [m.disk.memory.desired for m in self._world.machines.values() if not m.removed]
        lowest = min((d.revision if d is not None else 0 for d in known), default=0)
        for backup in reversed(self._kept):
            if any(isinstance(row, Meta) and row.revision + BACKUP_AGE < lowest for row in backup.values()):
                return backup
        return None

    def _start_old(self) -> None:
        self._world.operators.asleep = True
        self._world.start_center()

    def _bring_back(self, rows: Rows) -> None:
        world = self._world
        world.kill_center()
        world.store.rows = rows
        world.store.raise_incarnation()
        world.safety.forgiving = False
        world.start_center()
        world.clock.after(CONFIRM_S, self._confirm)

    def _confirm(self) -> None:
        """Somebody looks at what the Center adopts, and says that it may go on."""
        world, center = self._world, self._world.center
        if world.safety.forgiving:
            return  # the next old backup is on already; who notices it confirms then
        if center is not None and not center.process.stopped:
            if not center.cluster.meta.adopting:
                world.operators.asleep = False
                world.disturbed_at = world.clock.now
                return
            center.ask(EndAdoption(), lambda _: None)
        world.clock.after(1.0, self._confirm)
