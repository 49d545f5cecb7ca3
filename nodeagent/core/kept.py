"""What the agent has on disk beside its tasks, and when it is written anew: at once, or with the next that comes by.

Pure: answers the memory to save, `node` makes an action of it. At once: the Center's word, what is left as it ended,
what is given up. Counters of restarts and verdicts of probes may be two seconds late: a crash then forgives a little.
"""

from collections.abc import Mapping

import msgspec

from nodeagent.core import outcomes
from nodeagent.core.desired import DesiredState
from nodeagent.core.events import Memory, Now
from nodeagent.core.replica import FOREVER, Assignment
from nodeagent.core.reports import Reports
from protocol.messages import ContainerRef

SEQ_MARGIN = 1_000_000
"""Reports that may have been numbered after the last save, at most."""
LATE_S = 2.0


class Kept:
    """`memory`: what was found on disk. `items`, `reports`: the node's own, read here."""

    def __init__(
        self, memory: Memory, boot_id: str, items: Mapping[ContainerRef, Assignment], reports: Reports
    ) -> None:
        self.boot_known = boot_id != "" and memory.boot_id == boot_id
        """This boot of the machine is on disk: the Center has spoken since."""
        self.due_at = FOREVER
        """When what may be late is to be written (monotonic)."""
        self._saved = memory
        self._boot_id = boot_id
        self._items = items
        self._reports = reports
        self._marks: list[object] = []
        """What `memory` was made of at the last look."""
        self.numbered = False
        """The number that reports begin with in this life is on disk, so the next life begins above it."""

    def memory(self, desired: DesiredState | None, *, removed: bool) -> Memory:
        """What must survive a restart, as of now."""
        return Memory(
            desired=None if removed else desired,
            boot_id=self._boot_id if self.boot_known else "",
            state_seq=self._reports.seq,
            removed=removed,
            past=outcomes.past(self._items.values()),
        )

    def to_save(self, desired: DesiredState | None, now: Now, *, removed: bool) -> Memory | None:
        """What is to be put on disk now; None when that can wait, or nothing differs but the number of the reports."""
        marks: list[object] = [desired, removed, self.boot_known]
        for item in self._items.values():
            marks += (item.ref, item.want is None, item.trials, item.verdict)
        if self.numbered and now.mono < self.due_at and marks == self._marks:
            return None  # the very same objects, mostly: cheaper than to write down what they say
        self._marks = marks
        memory = self.memory(desired, removed=removed)
        if self.numbered and _lasting(memory) == _lasting(self._saved):
            if memory.past == self._saved.past:
                self.due_at = FOREVER
                return None
            self.due_at = min(self.due_at, now.mono + LATE_S)
            if now.mono < self.due_at:
                return None
        self.numbered, self._saved, self.due_at = True, memory, FOREVER
        return msgspec.structs.replace(memory, past=outcomes.dated(memory.past, self._items, now))


def _lasting(memory: Memory) -> tuple[object, ...]:
    """What must be on disk before anything follows from it."""
    ends = frozenset((one.ref, one.ending, one.gave_up) for one in memory.past if one.ending or one.gave_up)
    return memory.desired, memory.boot_id, memory.removed, ends
