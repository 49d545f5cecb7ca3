"""One life of an agent process: the real core in the real loop; executor, watcher and journal around it are simulated.

Mirrors `nodeagent.app`, `executor`, `watcher`: what they do with asyncio is done here with virtual time. The rope is in
`rope`.
"""

import random
from collections.abc import Callable
from typing import Any, cast

from nodeagent.core.container import Container, DockerFault, EngineInfo
from nodeagent.core.events import (
    EngineSeen,
    EngineSilent,
    Event,
    Inspected,
    Listed,
    Memory,
    Now,
    Probe,
    Send,
    StepDone,
    StepFailed,
    TailRead,
    Woke,
)
from nodeagent.core.node import NodeState
from nodeagent.core.probes import Check, ProbeTable, Result
from nodeagent.core.steps import Pull, ReadTail, Remove, Resolve, Restart, Start, Step, Stop
from nodeagent.core.tasks import TaskRecord
from nodeagent.journal import Journal
from nodeagent.loop import Loop
from tests.simulation.clock import Clock, Delay, Driven, Idle, Process
from tests.simulation.engine import Engine

LIST_EVERY_S = 60.0
ASK_EVERY_S = 5.0
ASK_S = 3.0
FIRST_LOOK_S = 5.0
GATHER_S = 0.02
WAKES_MAX = 200
"""Wakes in a row without time passing: the core spins."""


class Disk:
    """What an agent has on disk: it survives the process and the machine. `broken`: writes fail."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.tasks: dict[str, TaskRecord] = {}
        self.broken = False
        self.slow_s = 0.0
        self.lost = False
        """What it held was taken away, as the journal does when it cannot be replaced."""

    async def save_memory(self, memory: Memory) -> None:
        """As `nodeagent.journal.Journal`: a failed write takes the old word away."""
        if self.slow_s:
            await Delay(self.slow_s)
        if self.broken:
            self.memory, self.lost = Memory(), True
            raise OSError("no space left on device")
        self.memory = memory

    async def save_task(self, record: TaskRecord) -> None:
        """Add a line."""
        if self.broken:
            raise OSError("no space left on device")
        self.tasks.pop(record.task, None)
        self.tasks[record.task] = record


class Core(Loop):
    """The real loop, waiting for pokes instead of asyncio."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._woken_at = -1.0
        self._wakes = 0

    def put(self, event: Event) -> None:
        """Hand an event over."""
        self._inbox.put_nowait(event)

    def due_at(self) -> float:
        """When it is to be poked (its own monotonic time)."""
        return self.state.wake_at if self._unsaved is None else min(self.state.wake_at, self._save_at)

    async def _next(self) -> Event:
        while True:
            if not self._inbox.empty():
                return self._inbox.get_nowait()
            now = self._now().mono
            if self.due_at() <= now:
                self._wakes = self._wakes + 1 if now == self._woken_at else 1
                self._woken_at = now
                assert self._wakes < WAKES_MAX, f"the agent spins: wake_at {self.due_at()} is not after {now}"
                return Woke()
            await Idle()


class Agent:
    """`mono_offset`: its monotonic clock begins with its machine. `wall_skew`: its wall clock's error, in seconds."""

    def __init__(
        self,
        clock: Clock,
        chance: random.Random,
        engine: Engine,
        disk: Disk,
        *,
        boot_id: str,
        now: Callable[[], Now],
        begun: Callable[["Agent", Step], None],
        ready: Callable[[], None],
        send: Callable[[Send], None],
    ) -> None:
        self.process = Process(clock)
        self.engine = engine
        self.disk = disk
        self.boot_id = boot_id
        self.now = now
        self.lag_s = 0.0
        """How long every event waits before the process looks at it: a slow machine."""
        self._lags_until = 0.0
        self._chance = chance
        self._begun = begun
        self._ready: Callable[[], None] | None = ready
        self.state = NodeState(boot_id=boot_id, memory=disk.memory, tasks=disk.tasks.values(), now=now())
        self.core = Core(
            self.state,
            cast(Journal, disk),
            begin=self._begin,
            send=send,
            relook=self._relook,
            probe=self._probe,
            now=self.now,
        )
        self._offset = clock.now - now().mono
        self._table = ProbeTable()
        self._rounds = 0
        self._driven = Driven(self.process, self.core.run(), lambda: self.core.due_at() + self._offset)
        self._power = engine.power
        self._broke = True
        self._silent = False
        self._listing = False
        self._list_again = False
        self._list_number = 0
        engine.hint = self._hint
        self._list()
        self.process.after(chance.uniform(0.0, 0.1), self._ask)
        self.process.after(FIRST_LOOK_S, self._looked)
        self._driven.poke()

    def post(self, event: Event) -> None:
        """Hand an event to the core."""
        if not self.process.up:
            return
        clock = self.process.clock
        if self.lag_s or clock.now < self._lags_until:
            self._lags_until = max(self._lags_until, clock.now + self.lag_s)
            clock.at(self._lags_until, self.process.do, self._put, event)
        else:
            self.process.do(self._put, event)

    def kill(self) -> None:
        """SIGKILL, or its machine lost power."""
        self.process.up = False
        self._driven.close()

    def go_on(self) -> None:
        """SIGCONT."""
        self.process.go_on()
        self._driven.poke()

    def _put(self, event: Event) -> None:
        self.core.put(event)
        self._driven.poke()

    # -- executor ---------------------------------------------------------------------------------------------------

    def _begin(self, step: Step) -> None:
        self._begun(self, step)
        if isinstance(step, ReadTail):
            self.process.after(0.05, self._put, TailRead(ref=step.ref, lines=("the last line",)))
            return
        self.engine.carry_out(
            step,
            lambda result: self.process.do(self._step_done, step, result),
            lambda fault, look: self.process.do(self._step_failed, step, fault, look),
        )

    def _step_done(self, step: Step, result: str) -> None:
        asked_at = self.now().mono
        if isinstance(step, Resolve | Pull):
            self._put(StepDone(step=step, asked_at=asked_at, result=result if isinstance(step, Resolve) else ""))
        elif self.engine.hung:
            self._put(StepDone(step=step, asked_at=asked_at))
        else:
            self._put(StepDone(step=step, asked_at=asked_at, container=self.engine.look(result), looked=True))

    def _step_failed(self, step: Step, fault: DockerFault, look: bool) -> None:
        container: Container | None = None
        looked = look and isinstance(step, Start | Stop | Restart | Remove) and not self.engine.hung
        if looked and isinstance(step, Start | Stop | Restart | Remove):
            container = self.engine.look(step.container_id)
        self._put(
            StepFailed(
                step=step,
                kind=fault.kind,
                text=str(fault),
                asked_at=self.now().mono,
                container=container,
                looked=looked,
            )
        )

    # -- prober -----------------------------------------------------------------------------------------------------

    def _probe(self, word: Probe) -> None:
        self._table.follow(word.targets, self.now())
        self._probe_again()

    def _probe_again(self) -> None:
        wake_at = self._table.wake_at()
        if wake_at < float("inf"):
            self._rounds += 1
            pause_s = max(0.0, wake_at - self.now().mono) + 1e-6  # not a hair too early, again and again
            self.process.after(pause_s, self._check, self._rounds)

    def _check(self, number: int) -> None:
        if number != self._rounds:
            return
        for check in self._table.due(self.now().mono):
            self.process.after(self._chance.uniform(0.001, 0.02), self._checked, check)
        self._probe_again()

    def _checked(self, check: Check) -> None:
        result = Result(ok=self.engine.well(check.target.container_id), output="connection refused")
        event = self._table.done(check, result, self.now().mono)
        if event is not None:
            self.post(event)
        self._probe_again()

    # -- watcher ----------------------------------------------------------------------------------------------------

    def _hint(self, number: str) -> None:
        if not self.process.up or self.engine.hung:
            return
        if self._chance.random() > 0.02:
            self.process.after(GATHER_S + self._chance.uniform(0.0, 0.02), self._inspect, number)
        else:  # the stream of events broke: what was missed shows in a list
            self._broke = True
            self.process.after(self._chance.uniform(0.1, 2.0), self._relook)

    def _inspect(self, number: str) -> None:
        if self.engine.hung:
            self._relook()
        else:
            self.post(Inspected(container_id=number, container=self.engine.look(number), asked_at=self.now().mono))

    def _relook(self) -> None:
        if self._listing:
            self._list_again = True
        else:
            self._list_number += 1
            self.process.after(GATHER_S, self._list)

    def _list(self) -> None:
        if self._listing:
            self._list_again = True
            return
        self._listing, self._list_again = True, False
        asked_at, broke, self._broke = self.now().mono, self._broke, False
        self.process.after(self._chance.uniform(0.01, 0.1) * self.engine.slow, self._listed, asked_at, broke)

    def _listed(self, asked_at: float, broke: bool) -> None:
        self._listing = False
        if self.engine.hung or not self.engine.power.up:
            self._broke, self._silent = True, True
            self.post(EngineSilent(reason="no answer in time"))
        else:
            self._silent = False
            self.post(Listed(containers=self.engine.list(), asked_at=asked_at, after_break=broke))
        self._looked()
        self._list_number += 1
        if self._list_again:
            self._relook()
        else:
            pause_s = ASK_EVERY_S if self._silent else LIST_EVERY_S
            self.process.after(pause_s, self._list_in_turn, self._list_number)

    def _list_in_turn(self, number: int) -> None:
        if number == self._list_number:
            self._list()

    def _looked(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            ready()

    def _ask(self) -> None:
        """The question whether the engine is there. Answers that tell nothing new change nothing and are not posted."""
        if self.engine.power is not self._power and self.engine.power.up:  # dockerd was restarted: the stream broke
            self._power, self._broke = self.engine.power, True
            self._relook()
        if self.engine.hung or not self.engine.power.up:
            self.process.after(ASK_S, self._no_answer)
            return
        if self.state.engine is None or self._silent:
            self.post(EngineSeen(info=_info(self.engine)))
            if self._silent:
                self._broke = True
                self._relook()
        self.process.after(ASK_EVERY_S, self._ask)

    def _no_answer(self) -> None:
        if self.engine.hung or not self.engine.power.up:
            self._silent = True
            self.post(EngineSilent(reason="no answer in time"))
        self.process.after(ASK_EVERY_S, self._ask)


def _info(engine: Engine) -> EngineInfo:
    return EngineInfo(
        id=f"engine-{engine.node}",
        version="20.10",
        api="1.41",
        os="linux",
        arch="amd64",
        kernel="6.1",
        name=engine.node,
        cpus=8,
        memory=16 * 1024**3,
        disk_root="/var/lib/docker",
    )
