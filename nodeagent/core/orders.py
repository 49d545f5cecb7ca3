"""What the Center's tasks do on this node: pin, pull, start, restart, replace the agent itself (DESIGN §1 Task, §3).

Pure. Keeps their records and says which steps and images they need; containers are changed by the same steps as for
healing, so a task never fights the desired state. Called by `node` only.
"""

from collections.abc import Callable, Mapping

import msgspec

from nodeagent.core.events import Now, StepDone, StepFailed
from nodeagent.core.replica import Assignment
from nodeagent.core.restart import Trials
from nodeagent.core.steps import Replace, Resolve
from nodeagent.core.tasks import TaskRecord, Tasks
from protocol.messages import ContainerRef, TaskOrder, TaskState, TaskUpdate

RESOLVES_MAX = 8
"""References asked for at their registries at once."""

UNSEEN = ("?", 0.0)
"""The run of a target that was ordered before the containers were known: the one that is seen first is meant."""

Items = Mapping[ContainerRef, Assignment]


class Orders:
    """The tasks in hand. `save` puts a record on disk, `tell` sends an update to the Center, in the order called."""

    def __init__(self, tasks: Tasks, *, save: Callable[[TaskRecord], None], tell: Callable[[TaskUpdate], None]) -> None:
        self._tasks = tasks
        self._save = save
        self._tell = tell
        self._resolving: set[str] = set()
        self._replacing: set[str] = set()

    def receive(self, order: TaskOrder, items: Items, now: Now, *, looked: bool) -> None:
        """Take an order, or answer again to one that is known. `looked`: the containers have been seen."""
        known = self._tasks.find(order.task)
        if known is not None:
            self._tell(known.update)
            return
        item = items.get(order.target) if order.target else None
        record = self._tasks.receive(order, run_of(item) if looked else UNSEEN, mono=now.mono, wall=now.wall)
        if not record.finished and (why := refusal(order)):
            record = self._tasks.set(order.task, "failed", now.wall, reason=why) or record
        self._save(record)
        self._tell(record.update)
        if not record.finished and item is not None and order.kind in ("start", "restart"):
            item.trials = Trials(restarts=item.trials.restarts, failed_run=run_of(item), not_before=now.mono)

    def tell_all(self) -> None:
        """A new session has begun."""
        for record in self._tasks.to_tell():
            self._tell(record.update)

    def settle(self, items: Items, now: Now, *, ready: bool) -> tuple[Resolve | Replace, ...]:
        """End what is done or overdue; answer what to pin, and our own replacement, to begin now. `ready`: the engine
        answers and the containers are known.
        """
        wall = now.wall
        for record in self._tasks.overdue(now.mono):
            self._finish(record, items, "failed", wall, reason="not done within its deadline")
        begin: list[Resolve | Replace] = []
        for record in self._tasks.unfinished() if ready else ():
            match record.kind:
                case "resolve" if record.task not in self._resolving and len(self._resolving) < RESOLVES_MAX:
                    self._resolving.add(record.task)
                    self._running(record, wall)
                    begin.append(Resolve(task=record.task, image=record.image))
                case "upgrade" if not self._replacing:
                    self._replacing.add(record.task)
                    self._running(record, wall)
                    begin.append(Replace(task=record.task, image=record.image))
                case "start" | "restart":
                    self._bring_on(record, items, now)
                case _:
                    pass
        return tuple(begin)

    def images(self) -> tuple[str, ...]:
        """What unfinished tasks want pulled, oldest first."""
        return tuple(record.image for record in self._tasks.unfinished() if record.kind == "pull")

    def deadline(self) -> float | None:
        """Monotonic seconds at which the next task is overdue."""
        return self._tasks.deadline()

    def answered(self, step: Resolve | Replace, event: StepDone | StepFailed, wall: float) -> None:
        """A reference is pinned, or we were replaced, or not: the agent that is there afterwards tells. An engine that
        is down is asked again until the deadline.
        """
        (self._resolving if isinstance(step, Resolve) else self._replacing).discard(step.task)
        if isinstance(event, StepDone):
            self._end(step.task, "done", wall, result=event.result)
        elif event.kind != "engine_down":
            self._end(step.task, "failed", wall, reason=event.text)

    def pulling(self, image: str, done: int, total: int, wall: float) -> None:
        """Bytes of an image so far."""
        for record in self._tasks.unfinished():
            if record.kind == "pull" and record.image == image:
                self._tasks.set(record.task, "running", wall)
                self._tell(TaskUpdate(task=record.task, state="running", bytes_done=done, bytes_total=total))

    def pulled(self, image: str, failure: str, wall: float) -> None:
        """A pull ended; `failure` "" = the image is there."""
        for record in self._tasks.unfinished():
            if record.kind == "pull" and record.image == image:
                self._end(record.task, "failed" if failure else "done", wall, reason=failure)

    def _bring_on(self, record: TaskRecord, items: Items, now: Now) -> None:
        wall = now.wall
        item = items.get(record.target) if record.target else None
        if item is None or item.want is None:
            self._finish(record, items, "failed", wall, reason="that replica is not wanted on this node")
            return
        if record.run == UNSEEN:
            record = self._tasks.aim(record, run_of(item))
            self._save(record)
        have, trials = item.have, item.trials
        again = record.kind == "start" or run_of(item) != record.run
        if have is not None and have.status == "running" and again and item.busy is None:
            self._finish(record, items, "done", wall)
        elif trials.gave_up and item.busy is None:
            self._finish(record, items, "failed", wall, reason=trials.reason)
        elif trials.ended and item.busy is None:
            state: TaskState = "done" if trials.ended == "stopped" else "failed"
            self._finish(record, items, state, wall, reason=trials.reason)
        else:
            due = record.kind == "restart" and item.alive and not again
            if due and not item.restart_due:
                item.restart_at = now.mono + (item.want.spec.drain_wait_s if item.serves else 0.0)
            item.restart_due = due
            self._running(record, wall)

    def _finish(self, record: TaskRecord, items: Items, state: TaskState, wall: float, *, reason: str = "") -> None:
        item = items.get(record.target) if record.target else None
        if item is not None:
            item.restart_due = False
        self._resolving.discard(record.task)
        self._end(record.task, state, wall, reason=reason)

    def _running(self, record: TaskRecord, wall: float) -> None:
        if self._tasks.set(record.task, "running", wall) is not None:
            self._tell(TaskUpdate(task=record.task, state="running"))

    def _end(self, task: str, state: TaskState, wall: float, *, reason: str = "", result: str = "") -> None:
        ended = self._tasks.set(task, state, wall, reason=reason, result=result)
        if ended is not None:
            self._save(ended)
            self._tell(ended.update)


def run_of(item: Assignment | None) -> tuple[str, float]:
    """Which run of which container this is: (container id, started at)."""
    return item.run if item is not None else ("", 0.0)


def refusal(order: TaskOrder) -> str:
    """Why an order cannot be done; "" = it can."""
    match order.kind:
        case "resolve" | "pull" | "upgrade":
            return "" if order.image and not order.image.startswith("-") else "no image given"
        case "start" | "restart":
            return "" if order.target is not None else "no replica given"
        case "stop" | "remove":
            return f"{order.kind} is not a task of an agent: what is not desired is stopped and removed"


def reopened(records: tuple[TaskRecord, ...], now: Now) -> Tasks:
    """The tasks found on disk. What was under way is begun again; a clock that jumped cannot hold one for ever."""
    latest: dict[str, TaskRecord] = {}
    for record in records:
        latest.pop(record.task, None)
        state: TaskState = record.state if record.finished else "accepted"
        latest[record.task] = msgspec.structs.replace(record, state=state)
    return Tasks(latest.values(), mono=now.mono, wall=now.wall)
