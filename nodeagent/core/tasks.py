"""The orders of the Center that have a result: what came, how far it is, how it ended (DESIGN §3, §1 Task).

Pure. A task is remembered by its id, so that doing it twice has one effect; it ends as done or failed with a reason,
always. `node` decides what a task does; this module keeps the record.
"""

from collections.abc import Iterable

import msgspec

from protocol.messages import ContainerRef, TaskKind, TaskOrder, TaskState, TaskUpdate

FINISHED_MAX = 1000
UNFINISHED_MAX = 256
TOLD_AGAIN_MAX = 200
"""Newest finished tasks told again on a reconnect; older ones are answered when they are ordered again."""
DEADLINE_MAX_S = 86_400.0


class TaskRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task as the agent knows it and as it is on disk. `deadline_at`, `ended_at`: wall seconds, the former only for a
    restart of the agent. `run`: (container id, started at) of the target when the order came, so that a restart is not
    done again after a crash.
    """

    task: str
    kind: TaskKind
    state: TaskState
    deadline_at: float
    image: str = ""
    target: ContainerRef | None = None
    run: tuple[str, float] = ("", 0.0)
    reason: str = ""
    result: str = ""
    ended_at: float = 0.0

    @property
    def finished(self) -> bool:
        """True once it is done or failed."""
        return self.state in ("done", "failed")

    @property
    def update(self) -> TaskUpdate:
        """What the Center is told about it."""
        return TaskUpdate(task=self.task, state=self.state, reason=self.reason, result=self.result)


class Tasks:
    """All tasks by id, oldest first. While the agent lives their deadlines are monotonic: a wall clock that is set, as
    after the boot of a machine without one, must not end them all. `mono`, `wall`: when `records` were read.
    """

    def __init__(self, records: Iterable[TaskRecord] = (), *, mono: float = 0.0, wall: float = 0.0) -> None:
        self._records: dict[str, TaskRecord] = {record.task: record for record in records}
        self._due_at: dict[str, float] = {
            record.task: mono + min(record.deadline_at - wall, DEADLINE_MAX_S) for record in self.unfinished()
        }

    def find(self, task: str) -> TaskRecord | None:
        """The record of a task, if it is remembered."""
        return self._records.get(task)

    def receive(self, order: TaskOrder, run: tuple[str, float], *, mono: float, wall: float) -> TaskRecord:
        """Remember a new order. Beyond `UNFINISHED_MAX` it fails at once."""
        patience_s = min(max(order.deadline_s, 1.0), DEADLINE_MAX_S)
        full = len(self.unfinished()) >= UNFINISHED_MAX
        record = TaskRecord(
            task=order.task,
            kind=order.kind,
            state="failed" if full else "accepted",
            reason=f"the agent has {UNFINISHED_MAX} unfinished tasks" if full else "",
            deadline_at=wall + patience_s,
            image=order.image,
            target=order.target,
            run=run,
        )
        self._records[record.task] = record
        if not full:
            self._due_at[record.task] = mono + patience_s
        self._forget_oldest()
        return record

    def set(self, task: str, state: TaskState, wall: float, *, reason: str = "", result: str = "") -> TaskRecord | None:
        """Move an unfinished task on; None when it is unknown, finished, or already so."""
        record = self._records.get(task)
        if record is None or record.finished or record.state == state:
            return None
        ended_at = wall if state in ("done", "failed") else 0.0
        moved = msgspec.structs.replace(record, state=state, reason=reason[:500], result=result, ended_at=ended_at)
        self._records[task] = moved
        if moved.finished:
            self._due_at.pop(task, None)
        return moved

    def aim(self, record: TaskRecord, run: tuple[str, float]) -> TaskRecord:
        """The record with the run of its target, now that it is known."""
        self._records[record.task] = aimed = msgspec.structs.replace(record, run=run)
        return aimed

    def unfinished(self) -> tuple[TaskRecord, ...]:
        """What is still to be done, oldest first."""
        return tuple(record for record in self._records.values() if not record.finished)

    def overdue(self, mono: float) -> tuple[TaskRecord, ...]:
        """Unfinished tasks past their deadline at `mono` (monotonic seconds)."""
        return tuple(self._records[task] for task, due_at in self._due_at.items() if due_at <= mono)

    def deadline(self) -> float | None:
        """Monotonic seconds at which the next task is overdue."""
        return min(self._due_at.values(), default=None)

    def to_tell(self) -> tuple[TaskRecord, ...]:
        """What a new session is told: the newest finished ones and all unfinished."""
        finished = [record for record in self._records.values() if record.finished]
        return (*finished[-TOLD_AGAIN_MAX:], *self.unfinished())

    def _forget_oldest(self) -> None:
        finished = [record.task for record in self._records.values() if record.finished]
        for task in finished[: max(0, len(finished) - FINISHED_MAX)]:
            del self._records[task]
