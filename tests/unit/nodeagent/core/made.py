"""Builders with good defaults for the agent's core tests, and a node of virtual time around the real core."""

import heapq
import itertools

import msgspec

from nodeagent.core.container import Container, ContainerStatus, FaultKind
from nodeagent.core.events import (
    Action,
    Event,
    Inspected,
    Listed,
    Memory,
    Now,
    Probed,
    Received,
    Relook,
    Run,
    SaveMemory,
    SaveTask,
    Send,
    SessionClosed,
    SessionOpened,
    StepDone,
    StepFailed,
    TailRead,
    Woke,
)
from nodeagent.core.events import Probe as ProbeThese
from nodeagent.core.node import NodeState
from nodeagent.core.replica import Assignment
from nodeagent.core.restart import Trials
from nodeagent.core.steps import Create, Pull, ReadTail, Remove, Replace, Resolve, Restart, Start, Step, Stop
from nodeagent.core.tasks import TaskRecord
from nodeagent.core.verdict import Target, Verdict
from protocol.messages import (
    ContainerRef,
    ContainerReport,
    Desired,
    FromAgent,
    Health,
    Inventory,
    Observed,
    Welcome,
    Word,
)
from protocol.spec import DesiredReplica, HealthCheck, PortLease, Probe, RestartRule, ServiceSpec, container_fingerprint

IMAGE = "registry.example/web@sha256:" + "a" * 64
WALL = 1_790_000_000.0


def a_want(
    replica: int = 1,
    *,
    epoch: int = 1,
    service: str = "web",
    port: int | None = None,
    restart: RestartRule = "unless-stopped",
    restart_max: int = 0,
    health: bool = False,
    grace_s: float = 10.0,
    image: str = IMAGE,
    env: str = "",
    probe: Probe | None = None,
    drain_s: float = 0.0,
) -> DesiredReplica:
    """A desired replica of project `shop`. It is not waited for its clients, unless `drain_s` is given."""
    spec = ServiceSpec(
        name=service,
        image="web:1",
        restart=restart,
        restart_max=restart_max,
        health=HealthCheck(test=("CMD", "true")) if health else None,
        stop_grace_s=grace_s,
        environment={"X": env} if env else {},
        networks={"default": ()},
        probe=probe,
        drain_wait_s=drain_s,
    )
    ports = (PortLease(container=80, host=port),) if port else ()
    return DesiredReplica(
        project="shop", service=service, replica=replica, epoch=epoch, revision=1, image=image, spec=spec, ports=ports
    )


def a_ref(replica: int = 1, *, epoch: int = 1, service: str = "web") -> ContainerRef:
    """The name of a copy of project `shop`."""
    return ContainerRef(project="shop", service=service, replica=replica, epoch=epoch)


def a_container(
    want: DesiredReplica | None = None,
    *,
    status: ContainerStatus = "running",
    health: Health = "none",
    exit_code: int | None = None,
    container_id: str = "c1",
    started_at: float = WALL - 100,
    finished_at: float = 0.0,
    spec: str = "",
) -> Container:
    """The container made from `want`."""
    want = want or a_want()
    return Container(
        id=container_id,
        name=f"rope-{want.replica}-{want.epoch}",
        ref=ContainerRef(project=want.project, service=want.service, replica=want.replica, epoch=want.epoch),
        spec=spec or container_fingerprint(want),
        status=status,
        health=health,
        exit_code=exit_code,
        started_at=0.0 if status == "created" else started_at,
        finished_at=finished_at,
        ports=want.ports,
    )


def an_item(
    want: DesiredReplica | None = None,
    have: Container | None = None,
    *,
    ref: ContainerRef | None = None,
    trials: Trials | None = None,
    cleared: bool = False,
) -> Assignment:
    """What the agent knows of a copy; without `want` it is one that nobody wants."""
    name = ref or (have.ref if have else None)
    if name is None:
        assert want is not None
        name = ContainerRef(project=want.project, service=want.service, replica=want.replica, epoch=want.epoch)
    item = Assignment(ref=name)
    if want is not None:
        item.wanted(want)
    item.have, item.cleared = have, cleared
    item.trials = trials or Trials()
    return item


class VirtualNode:
    """The real core, a Docker Engine of a dictionary, a Center that only listens; time moves when told."""

    def __init__(
        self, *, memory: Memory | None = None, tasks: tuple[TaskRecord, ...] = (), boot: str = "boot-1"
    ) -> None:
        self.mono = 1000.0
        self.wall = WALL
        """Changed, the wall clock jumps."""
        self.containers: dict[str, Container] = {}
        self.images: set[str] = {IMAGE}
        self.memory = memory or Memory(boot_id=boot)
        self.saved_tasks: list[TaskRecord] = []
        self.sent: list[FromAgent] = []
        self.steps: list[Step] = []
        self.faults: list[tuple[type, FaultKind]] = []
        """The next step of this type fails so."""
        self.targets: tuple[Target, ...] = ()
        """What is to be probed, as it was said last."""
        self.crashing: set[ContainerRef] = set()
        """These exit with code 1 as soon as they are started."""
        self.step_s = 0.2
        self.ids = itertools.count(1)
        self.state = NodeState(boot_id=boot, memory=self.memory, tasks=tasks, now=self.now)
        self.session = 0
        self.seq = 0
        self._timers: list[tuple[float, int, Step]] = []
        self._order = itertools.count()

    @property
    def now(self) -> Now:
        """The virtual time; wall and monotonic move together."""
        return Now(self.mono, self.wall + self.mono)

    # -- events -----------------------------------------------------------------------------------------------------

    def tell(self, event: Event) -> list[Action]:
        """Give the core an event and carry out what it answers."""
        actions = self.state.handle(event, self.now)
        for action in actions:
            match action:
                case Run(step=step):
                    self.steps.append(step)
                    heapq.heappush(self._timers, (self.mono + self.step_s, next(self._order), step))
                case Send(message=message):
                    self.sent.append(message)
                case ProbeThese(targets=targets):
                    self.targets = targets
                case SaveMemory(memory=memory):
                    self.memory = memory
                case SaveTask(record=record):
                    self.saved_tasks.append(record)
                case Relook():
                    self.look()
                case _:
                    pass
        return actions

    def look(self, *, after_break: bool = False) -> None:
        """List all containers."""
        self.tell(Listed(containers=tuple(self.containers.values()), asked_at=self.mono, after_break=after_break))

    def connect(self) -> None:
        """A session opens and is welcomed."""
        self.session += 1
        self.tell(SessionOpened(session=self.session))
        self.hear(Welcome(node="node-1", session_epoch=self.session, incarnation=1))

    def disconnect(self) -> None:
        """The session breaks."""
        self.tell(SessionClosed(session=self.session))

    def hear(self, message: Word) -> list[Action]:
        """The Center says something."""
        return self.tell(Received(session=self.session, message=message))

    def desire(self, *wants: DesiredReplica, revision: int = 1, incarnation: int = 1) -> list[Action]:
        """The Center sends the full desired state."""
        return self.hear(Desired(seq=self.seq, incarnation=incarnation, revision=revision, replicas=wants))

    def start(self, *wants: DesiredReplica, revision: int = 1) -> None:
        """The usual beginning: containers known, session open, desired state there."""
        self.look()
        self.connect()
        self.desire(*wants, revision=revision)

    # -- time -------------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let time pass: steps end, timers fire."""
        end = self.mono + seconds
        while True:
            due = min(self._timers[0][0] if self._timers else float("inf"), max(self.state.wake_at, self.mono))
            if due > end:
                break
            self.mono = due
            if self._timers and self._timers[0][0] <= due:
                self._finish(heapq.heappop(self._timers)[2])
            else:
                self.mono += 1e-6
                self.tell(Woke())
        self.mono = end

    def exit(self, ref: ContainerRef, code: int = 1) -> None:
        """A container ends by itself, and the watcher sees it."""
        container = self.of(ref)
        assert container is not None
        self._show(container.id, status="exited", exit_code=code, finished_at=self.now.wall)
        self.see(container.id)

    def see(self, container_id: str) -> None:
        """The watcher looks at one container."""
        self.tell(Inspected(container_id=container_id, container=self.containers.get(container_id), asked_at=self.mono))

    def set_health(self, ref: ContainerRef, health: Health) -> None:
        """A health check's verdict."""
        container = self.of(ref)
        assert container is not None
        self._show(container.id, health=health)
        self.see(container.id)

    def probed(self, ref: ContainerRef, health: Health, output: str = "") -> None:
        """A probe's verdict on the run of now."""
        container = self.of(ref)
        assert container is not None
        verdict = Verdict(run=(container.id, container.started_at), health=health, output=output)
        self.tell(Probed(ref=ref, verdict=verdict))

    # -- what came of it --------------------------------------------------------------------------------------------

    def of(self, ref: ContainerRef) -> Container | None:
        """The container of a copy."""
        return next((c for c in self.containers.values() if c.ref == ref), None)

    def running(self) -> set[ContainerRef]:
        """Copies whose container runs."""
        return {c.ref for c in self.containers.values() if c.status == "running"}

    def report(self, ref: ContainerRef) -> ContainerReport | None:
        """What the Center was told last about a copy."""
        told: dict[ContainerRef, ContainerReport] = {}
        for message in self.sent:
            if isinstance(message, Inventory | Observed):
                for report in message.containers:
                    told[
                        ContainerRef(
                            project=report.project, service=report.service, replica=report.replica, epoch=report.epoch
                        )
                    ] = report
            if isinstance(message, Observed):
                for gone in message.gone:
                    told.pop(gone, None)
        return told.get(ref)

    def done(self, kind: type) -> int:
        """How many steps of a kind were begun."""
        return sum(isinstance(step, kind) for step in self.steps)

    # -- the engine -------------------------------------------------------------------------------------------------

    def _show(self, container_id: str, **changes: object) -> None:
        self.containers[container_id] = msgspec.structs.replace(self.containers[container_id], **changes)

    def _finish(self, step: Step) -> None:
        for index, (kind, fault) in enumerate(self.faults):
            if isinstance(step, kind):
                del self.faults[index]
                container = self.containers.get(getattr(step, "container_id", ""))
                looked = not isinstance(step, Create | Pull | Resolve | Replace)
                self.tell(
                    StepFailed(
                        step=step, kind=fault, text="told so", asked_at=self.mono, container=container, looked=looked
                    )
                )
                return
        self.tell(self._effect(step))

    def _effect(self, step: Step) -> Event:
        match step:
            case Resolve():
                return StepDone(step=step, asked_at=self.mono, result=IMAGE)
            case Replace():
                return StepDone(step=step, asked_at=self.mono, result="replaced")
            case Pull(image=image):
                self.images.add(image)
                return StepDone(step=step, asked_at=self.mono)
            case ReadTail(ref=ref):
                return TailRead(ref=ref, lines=("last words",))
            case _:
                return self._on_container(step)

    def _on_container(self, step: Create | Start | Stop | Restart | Remove) -> Event:
        container_id = getattr(step, "container_id", "")
        match step:
            case Create(want=want) if want.image not in self.images:
                return StepFailed(step=step, kind="image_missing", text="no such image", asked_at=self.mono)
            case Create(want=want, ref=ref):
                assert all(c.ref != ref for c in self.containers.values()), "made twice"
                container_id = f"c{next(self.ids)}"
                self.containers[container_id] = a_container(want, status="created", container_id=container_id)
            case Start() if self._port_holder(container_id):
                return StepFailed(
                    step=step, kind="port_taken", text="port is taken", asked_at=self.mono,
                    container=self.containers[container_id], looked=True,
                )  # fmt: skip
            case Start() | Restart():
                if container_id in self.containers:
                    self._show(container_id, status="running", started_at=self.now.wall, exit_code=None, health="none")
                    if step.ref in self.crashing:
                        self._show(container_id, status="exited", exit_code=1, finished_at=self.now.wall)
            case Stop():
                if container_id in self.containers:
                    self._show(container_id, status="exited", exit_code=0, finished_at=self.now.wall)
            case Remove():
                self.containers.pop(container_id, None)
        return StepDone(step=step, asked_at=self.mono, container=self.containers.get(container_id), looked=True)

    def _port_holder(self, container_id: str) -> bool:
        mine = {lease.host for lease in self.containers[container_id].ports}
        others = (c for c in self.containers.values() if c.id != container_id and c.status == "running")
        return any(lease.host in mine for other in others for lease in other.ports)
