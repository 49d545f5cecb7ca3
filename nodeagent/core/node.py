"""The agent's rules composed: `NodeState.handle(event, now)` answers actions, `wake_at` when to be asked again.

Pure: no clock, disk, Docker or socket. Holds what is desired, what Docker showed, what is under way, what the Center
was told. Driven by `nodeagent.loop`, and by the simulation with virtual time.
"""

from collections.abc import Iterable
from typing import assert_never

import msgspec

from nodeagent.core import brake, outcomes
from nodeagent.core.aim import Aim
from nodeagent.core.container import Container, EngineInfo
from nodeagent.core.desired import Accepted, Authority, Incomplete, OutOfStep, Refused, Ruling, ref_of
from nodeagent.core.events import (
    Action,
    EngineSeen,
    EngineSilent,
    Event,
    Inspected,
    Listed,
    Memory,
    Note,
    Now,
    Probe,
    Probed,
    PullMoved,
    Received,
    Relook,
    Run,
    SaveMemory,
    SaveTask,
    SessionClosed,
    SessionOpened,
    StepDone,
    StepFailed,
    TailRead,
    Woke,
)
from nodeagent.core.kept import SEQ_MARGIN, Kept
from nodeagent.core.orders import Orders, reopened
from nodeagent.core.plan import Plan, plan
from nodeagent.core.replica import FOREVER, Assignment, observe, probed
from nodeagent.core.reports import Reports, trimmed_tail
from nodeagent.core.steps import Pull, Replace, Resolve, Stop
from nodeagent.core.tasks import TaskRecord
from nodeagent.core.voice import Voice
from protocol.messages import (
    Beat,
    Challenge,
    ComeBack,
    ConfirmStop,
    ContainerRef,
    Desired,
    DesiredDelta,
    FromAgent,
    Relist,
    Removed,
    Resync,
    StopConfirmed,
    TaskOrder,
    Unsupported,
    Welcome,
    Word,
)

BOOT_HOLD_S = 30.0
"""How long a machine that was restarted waits for the Center's word before it starts what its journal says."""
START_HOLD_S = 3.0
"""The same for an agent that was merely restarted: the Center usually answers within a moment."""
SILENCES_MAX = 3
"""Unanswered questions in a row after which the engine counts as down."""


class NodeState:
    """Everything the agent knows. `boot_id` differs after the machine was restarted."""

    def __init__(self, *, boot_id: str, memory: Memory, tasks: Iterable[TaskRecord], now: Now) -> None:
        self.engine: EngineInfo | None = None
        self.removed = memory.removed
        self.wake_at = now.mono
        """Monotonic seconds at which `Woke` is due."""
        self._authority = Authority(memory.desired)
        self._items: dict[ContainerRef, Assignment] = {}
        self._reports = Reports(max(int(now.wall * 1e6), memory.state_seq + SEQ_MARGIN))
        self._out: list[Action] = []
        self.voice = Voice(self._items, self._reports)
        """What is told to the Center; the heartbeat reads its containers from it."""
        self._orders = Orders(reopened(tuple(tasks), now), save=self._save_task, tell=self._tell)
        self._pulling: set[str] = set()
        self._asked: brake.Question | None = None
        self._heard = False
        self._listed = False
        self._silences = 0
        self._kept = Kept(memory, boot_id, self._items, self._reports)
        self._hold_until = now.mono + (START_HOLD_S if self._kept.boot_known else BOOT_HOLD_S)
        self._aim = Aim(self._items)
        if memory.desired is not None and not memory.removed:
            self._want(Accepted(state=memory.desired, full=True), now)
            outcomes.recall(self._items, memory.past, now)

    @property
    def engine_ok(self) -> bool:
        """Whether the engine answered lately and its containers are known."""
        return self._listed and self._silences < SILENCES_MAX

    @property
    def engine_answers(self) -> bool:
        """Whether the engine answered the last question: what a heartbeat says, for the Center counts them itself."""
        return self._listed and self._silences == 0

    @property
    def authority(self) -> tuple[int, int]:
        """The highest (incarnation, revision) ever obeyed."""
        return self._authority.highest

    def assignments(self) -> tuple[Assignment, ...]:
        """All that is known, for tests and the simulation. Not to be changed."""
        return tuple(self._items.values())

    def containers(self) -> tuple[Container, ...]:
        """The containers as they were seen last."""
        return tuple(item.have for item in self._items.values() if item.have is not None)

    def memory(self) -> Memory:
        """What must survive a restart."""
        return self._kept.memory(self._authority.state, removed=self.removed)

    def handle(self, event: Event, now: Now) -> list[Action]:
        """Take in one event. The actions are to be carried out in their order; times as in `Now`."""
        if not self._kept.numbered:
            self._save(now)
        match event:
            case Listed() | Inspected() | EngineSeen() | EngineSilent():
                self._engine(event, now)
            case StepDone() | StepFailed():
                self._step_ended(event, now)
            case TailRead() | Probed():
                self._learn(event, now)
            case PullMoved(image=image, done=done, total=total):
                self._orders.pulling(image, done, total, now.wall)
            case SessionOpened() | SessionClosed() | Received():
                self._session(event, now)
            case Woke():
                pass
            case _:
                assert_never(event)
        self._settle(now)
        out, self._out[:] = list(self._out), []
        return out

    # -- the engine -------------------------------------------------------------------------------------------------

    def _engine(self, event: Listed | Inspected | EngineSeen | EngineSilent, now: Now) -> None:
        match event:
            case Listed():
                if self._silences >= SILENCES_MAX:
                    self._out.append(Note(text="the Docker Engine answers again"))
                self._silences = 0
                self._apply_list(event, now)
                self._listed = True
            case Inspected(container=container, container_id=container_id):
                item = self._item_with(container_id) if container is None else self._item(container.ref)
                if item is not None:
                    self._look(item, container, event.asked_at, now)
            case EngineSeen(info=info):
                self.engine = info
                if self._silences < SILENCES_MAX:
                    self._silences = 0
            case EngineSilent(reason=reason):
                self._silences += 1
                if self._silences == SILENCES_MAX:
                    self._out.append(Note(text=f"the Docker Engine does not answer: {reason}", warning=True))

    def _apply_list(self, event: Listed, now: Now) -> None:
        seen: dict[ContainerRef, Container] = {}
        for container in event.containers:
            known = seen.get(container.ref)
            if known is None or (known.status != "running" and container.status == "running"):
                seen[container.ref] = container
        after_break = event.after_break or not self._listed
        for ref in (*seen, *(ref for ref in self._items if ref not in seen)):
            self._look(self._item(ref), seen.get(ref), event.asked_at, now, after_break=after_break)

    def _look(
        self, item: Assignment, have: Container | None, asked_at: float, now: Now, *, after_break: bool = False
    ) -> None:
        """Take in a look at a container, unless something newer is known. While a step runs its own look counts."""
        if item.busy is not None:
            item.missed_at = max(item.missed_at, asked_at)
        elif asked_at >= item.fresh_at:
            item.fresh_at = asked_at
            observe(item, have, now.mono, now.wall, after_break=after_break)

    def _step_ended(self, event: StepDone | StepFailed, now: Now) -> None:
        match event.step:
            case Resolve() | Replace() as step:
                self._orders.answered(step, event, now.wall)
            case Pull(image=image):
                self._pulling.discard(image)
                self._orders.pulled(image, "" if isinstance(event, StepDone) else event.text, now.wall)
                for item in self._items.values():
                    if item.want is not None and item.want.image == image and item.image_missing:
                        outcomes.pull_ended(item, event, now.mono)
            case step:
                item = self._item(step.ref)
                item.busy = None
                if isinstance(event, StepDone):
                    outcomes.step_done(item, step)
                else:
                    outcomes.step_failed(item, step, event.kind, event.text, event.container, now.mono)
                    self._out.append(Note(text=f"{type(step).__name__} {item.salt}: {event.text}", warning=True))
                if event.looked:
                    self._look(item, event.container, event.asked_at, now, after_break=isinstance(step, Stop))
                elif isinstance(event, StepDone):
                    item.fresh_at = max(item.fresh_at, event.asked_at)  # an older look is of before the step
                if not event.looked or item.missed_at > event.asked_at:
                    self._out.append(Relook())
                item.missed_at = -FOREVER

    def _learn(self, event: TailRead | Probed, now: Now) -> None:
        item = self._items.get(event.ref)
        if item is None:
            return
        if isinstance(event, TailRead):
            item.busy = None
            item.trials = outcomes.with_tail(item.trials, trimmed_tail(event.lines))
        else:
            probed(item, event.verdict, now.mono, now.wall, engine_answers=self.engine_answers)

    # -- the Center -------------------------------------------------------------------------------------------------

    def _session(self, event: SessionOpened | SessionClosed | Received, now: Now) -> None:
        match event:
            case SessionOpened(session=session, recall=recall):
                self._authority.new_session()
                self._asked = None
                state = self._authority.state
                held = state.replicas if recall and state is not None and not self.removed else ()
                self.voice.greet(session, self._out, now.wall, engine_ok=self.engine_ok, held=held)
            case SessionClosed(session=session):
                if self.voice.hang_up(session):
                    self._asked = None
            case Received(session=session, message=message):
                if session == self.voice.session:
                    self._receive(message, now)

    def _receive(self, message: Word, now: Now) -> None:
        match message:
            case Welcome():
                self.voice.welcomed()
                self._orders.tell_all()
            case Desired():
                self._judge(self._authority.page(message), now)
            case DesiredDelta():
                self._judge(self._authority.delta(message), now)
            case TaskOrder():
                self._orders.receive(message, self._items, now, looked=self._listed)
            case StopConfirmed(incarnation=incarnation, revision=revision):
                if self._asked is not None and self._asked.authority == (incarnation, revision):
                    self._clear(self._asked.stop)
                    self._asked = None
            case Relist():
                self.voice.inventory(self._out, now.wall, engine_ok=self.engine_ok)
            case Removed(stop=stop):
                self._leave(stop, now)
            case Unsupported(tag=tag):
                self._out.append(Note(text=f"the Center does not know message {tag!r}", warning=True))
            case Beat() | ComeBack() | Challenge():
                pass
            case _:
                assert_never(message)

    def _judge(self, ruling: Ruling, now: Now) -> None:
        match ruling:
            case Accepted():
                self._heard, self._kept.boot_known, self.removed = True, True, False
                self._want(ruling, now)
                self._save(now)
            case Refused(reason=reason):
                self._out.append(Note(text=f"refused: {reason}", warning=True))
            case OutOfStep(reason=reason):
                self._tell(Resync(reason=reason))
            case Incomplete():
                pass
            case _:
                assert_never(ruling)

    def _want(self, word: Accepted, now: Now) -> None:
        wanted = {ref_of(want): want for want in word.state.replicas}
        leaving = {one.ref: one for one in word.leaving}
        for ref, item in self._items.items():
            if ref not in wanted:
                item.dropped(now.mono, stale=word.full, leaving=leaving.get(ref))
        for ref, want in wanted.items():
            self._item(ref).wanted(want)

    def _leave(self, stop: tuple[ContainerRef, ...], now: Now) -> None:
        """This node was removed: stop what lives elsewhere now, leave the rest alone, heal nothing."""
        for item in self._items.values():
            item.dropped(now.mono, stale=True)
        self._clear(stop)
        if not self.removed:
            self.removed = True
            self._save(now)
            self._out.append(
                Note(text="this node was removed from its cluster; nothing is healed any more", warning=True)
            )

    def _clear(self, refs: Iterable[ContainerRef]) -> None:
        for ref in refs:
            item = self._items.get(ref)
            if item is not None and item.want is None:
                item.cleared = True

    # -- what follows -----------------------------------------------------------------------------------------------

    def _settle(self, now: Now) -> None:
        held = self._held(now)
        steps = Plan(wake_at=self._hold_until if now.mono < self._hold_until else FOREVER)
        for resolve in self._orders.settle(self._items, now, ready=self.engine_ok):
            self._out.append(Run(step=resolve))
        self._save(now)
        if self.engine_ok:
            self._brake()
            steps = self._begin(now, held=held, wake_at=steps.wake_at)
        if (targets := self._aim.changed()) is not None:
            self._out.append(Probe(targets=targets))
        for ref in [ref for ref, item in self._items.items() if item.over]:
            del self._items[ref]
        deadline = self._orders.deadline()
        self.wake_at = min(
            steps.wake_at,
            self._kept.due_at,
            FOREVER if deadline is None else deadline,
            self.voice.speak(self._out, self._pulling, steps.waits, now, engine_ok=self.engine_ok),
        )

    def _held(self, now: Now) -> bool:
        """Whether nothing may be started: no word of the Center yet after a restart of the machine, or removed."""
        if self.removed or (not self._heard and now.mono < self._hold_until):
            return True
        if not self._kept.boot_known and self._authority.state is not None:
            self._kept.boot_known = True
            self._save(now)
        return False

    def _brake(self) -> None:
        """Only a word of the Center in this life of the agent stops what nobody wants, and many only when confirmed."""
        if not self._heard or self.removed:
            return
        outcome = brake.review(self._items.values(), self.authority, self._asked)
        self._clear(outcome.clear)
        if outcome.ask is not None and self.voice.open:
            self._asked = outcome.ask
            incarnation, revision = outcome.ask.authority
            self._tell(ConfirmStop(incarnation=incarnation, revision=revision, stop=outcome.ask.stop))

    def _begin(self, now: Now, *, held: bool, wake_at: float) -> Plan:
        steps = plan(self._items, self._pulling, now.mono, held=held, wanted_images=self._orders.images())
        for ref, why in steps.conflicts.items():
            item = self._items[ref]
            if item.busy is None and now.mono >= item.trials.not_before and not item.at_rest:
                outcomes.port_conflict(item, why, now.mono)
        for image in steps.pulls:
            self._pulling.add(image)
            self._out.append(Run(step=Pull(image=image)))
        for step in steps.steps:
            self._items[step.ref].busy = step
            self._out.append(Run(step=step))
        return msgspec.structs.replace(steps, wake_at=min(steps.wake_at, wake_at))

    def _item(self, ref: ContainerRef) -> Assignment:
        item = self._items.get(ref)
        if item is None:
            item = self._items[ref] = Assignment(ref=ref)
        return item

    def _item_with(self, container_id: str) -> Assignment | None:
        return next((item for item in self._items.values() if item.have and item.have.id == container_id), None)

    def _tell(self, message: FromAgent) -> None:
        self.voice.tell(self._out, message)

    def _save(self, now: Now) -> None:
        """Put what must survive on disk, if that is due."""
        memory = self._kept.to_save(self._authority.state, now, removed=self.removed)
        if memory is not None:
            self._out.append(SaveMemory(memory=memory))

    def _save_task(self, record: TaskRecord) -> None:
        self._out.append(SaveTask(record=record))
