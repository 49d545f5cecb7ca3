"""A simulated Docker Engine: containers, images, ports; it is slow, hangs, fails, loses things.

Truth about what runs: the invariants ask here, never the agents. Each step is a generator that yields the seconds it
takes and returns how it ended. Knows no agent and no Center.
"""

import random
from collections.abc import Callable, Generator

import msgspec

from nodeagent.core.container import Container, ContainerStatus, DockerFault
from nodeagent.core.steps import Create, Pull, Remove, ReplicaStep, Resolve, Restart, Start, Step, Stop
from protocol.messages import ContainerRef, Health
from protocol.spec import DesiredReplica, Protocol, container_fingerprint
from tests.simulation.clock import Clock, Process

HUNG_S = 45.0
"""A call that got no answer for so long has failed for the agent; the engine may do it all the same."""

Work = Generator[float, None, str]


class Box:
    """One container."""

    def __init__(self, number: str, ref: ContainerRef, want: DesiredReplica, now: float) -> None:
        self.id = number
        self.ref = ref
        self.want = want
        self.spec = container_fingerprint(want)
        self.status: ContainerStatus = "created"
        self.health: Health = "none"
        self.exit_code: int | None = None
        self.started_at = 0.0
        self.finished_at = 0.0
        self.starts = 0
        self.was_unhealthy = False
        """In its present run."""
        self.well = False
        """What a probe finds."""
        self.made_at = now

    @property
    def runs(self) -> bool:
        """True while its process is alive."""
        return self.status == "running"


class Watchers(msgspec.Struct, kw_only=True):
    """Who is told of what truly happens: started, stopped (or about to be, by a step), and changed in any way."""

    started: Callable[["Engine", Box], None]
    stopping: Callable[["Engine", Box, ReplicaStep], None]
    ended: Callable[["Engine", Box], None]


class Engine:
    """One engine. `power`: the process that dies with the machine. `hint`: told the id of a container that changed."""

    def __init__(self, node: str, clock: Clock, chance: random.Random, watchers: Watchers) -> None:
        self.node = node
        self.clock = clock
        self.chance = chance
        self.watchers = watchers
        self.boxes: dict[str, Box] = {}
        self.images: set[str] = set()
        self.power = Process(clock)
        self.hung = False
        self.slow = 1.0
        self.pulls_fail = 0
        self.creates_fail = 0
        self.foreign_ports: set[int] = set()
        self.cursed: set[tuple[str, str]] = set()
        """(project, service) whose containers end soon after they start, everywhere: what they need is not there."""
        self.wall: Callable[[], float] = lambda: 0.0
        self.hint: Callable[[str], None] = lambda _: None
        self._parked: list[Callable[[], None]] = []
        self._count = 0

    # -- what the world does to it ----------------------------------------------------------------------------------

    def hang(self) -> None:
        """Calls get no answer until `recover`. Containers run on."""
        self.hung = True

    def recover(self) -> None:
        """It answers again; calls that still wait are carried out."""
        self.hung = False
        parked, self._parked = self._parked, []
        for call in parked:
            call()

    def restart(self) -> None:
        """dockerd was restarted: calls are lost and containers ended (no live-restore)."""
        self._lose_power()
        self.power = Process(self.clock)
        for box in self.boxes.values():
            if box.runs:
                self._end(box, 137)

    def power_off(self) -> None:
        """The machine is dead: nothing runs, nothing is carried out."""
        self._lose_power()
        for box in self.boxes.values():
            if box.runs:
                self._end(box, 137)

    def power_on(self) -> None:
        """The machine boots; no container starts by itself."""
        self.power = Process(self.clock)

    def _lose_power(self) -> None:
        self.power.up = False
        self.hung = False
        self._parked.clear()

    def exit(self, box: Box, code: int) -> None:
        """A container's process ends by itself."""
        if box.runs:
            self._end(box, code)
            self.hint(box.id)

    def lose(self, box: Box) -> None:
        """Somebody removed the container by hand."""
        if self.boxes.get(box.id) is box:
            if box.runs:
                self._end(box, 137)
            del self.boxes[box.id]
            self.hint(box.id)

    def set_health(self, box: Box, health: Health) -> None:
        """Its health check says so, and its probe finds the same."""
        if box.runs and box.want.spec.probe is not None:
            box.well = health == "healthy"
            box.was_unhealthy = box.was_unhealthy or not box.well
        if box.runs and box.health != "none" and box.health != health:
            box.health = health
            box.was_unhealthy = box.was_unhealthy or health == "unhealthy"
            self.hint(box.id)

    # -- what the agent asks ----------------------------------------------------------------------------------------

    def well(self, number: str) -> bool:
        """What a probe of this container finds now."""
        box = self.boxes.get(number)
        return box is not None and box.runs and box.well

    def running(self) -> list[Box]:
        """Containers whose process is alive."""
        return [box for box in self.boxes.values() if box.runs]

    def look(self, number: str) -> Container | None:
        """`inspect`."""
        box = self.boxes.get(number)
        return self._shown(box) if box is not None else None

    def list(self) -> tuple[Container, ...]:
        """All containers."""
        return tuple(self._shown(box) for box in self.boxes.values())

    def carry_out(self, step: Step, done: Callable[[str], None], failed: Callable[[DockerFault, bool], None]) -> None:
        """Do a step. `done` with its result, or `failed` with the fault and whether a look makes sense afterwards."""
        _Call(self, self._work(step), done, failed).go_on()

    def park(self, call: Callable[[], None]) -> None:
        """Wait for the engine to answer again."""
        self._parked.append(call)

    def _work(self, step: Step) -> Work:
        match step:
            case Resolve(image=image):
                return self._resolve(image)
            case Pull(image=image):
                return self._pull(image)
            case Create():
                return self._create(step)
            case Start(container_id=number):
                return self._start(number)
            case Stop(container_id=number, grace_s=grace_s):
                return self._stop(step, number, grace_s)
            case Restart(container_id=number, grace_s=grace_s):
                return self._restart(step, number, grace_s)
            case Remove(container_id=number):
                return self._remove(step, number)
            case _:
                raise AssertionError(f"{type(step).__name__} is not for the engine")

    def _resolve(self, image: str) -> Work:
        yield self._some(0.02, 0.3)
        if self.pulls_fail:
            self.pulls_fail -= 1
            raise DockerFault("pull_failed", "the registry does not answer")
        if "ghost" in image:
            raise DockerFault("image_missing", f"no such image: {image}")
        return pinned(image)

    def _pull(self, image: str) -> Work:
        yield self._some(0.05, 0.2)
        if image in self.images:
            return ""
        yield self._some(0.3, 3.0)
        if self.pulls_fail:
            self.pulls_fail -= 1
            raise DockerFault("pull_failed", "the registry does not answer")
        self.images.add(image)
        return ""

    def _create(self, step: Create) -> Work:
        self._test_ports(step.want)
        yield self._some(0.02, 0.2)
        if self.creates_fail:
            self.creates_fail -= 1
            raise DockerFault("error", "the storage driver failed")
        for box in self.boxes.values():
            if box.ref == step.ref:
                if box.spec != container_fingerprint(step.want):
                    raise DockerFault("name_taken", f"{box.id} has the name")
                return box.id
        if step.want.image not in self.images:
            raise DockerFault("image_missing", f"no such image: {step.want.image}")
        self._count += 1
        box = Box(f"{self.node}:{self._count}", step.ref, step.want, self.clock.now)
        self.boxes[box.id] = box
        return box.id

    def _start(self, number: str) -> Work:
        box = self._found(number)
        self._test_ports(box.want)
        yield self._some(0.1, 0.6)
        box = self._found(number)
        if not box.runs:
            self._test_ports(box.want)
            self._begin(box)
        yield 0.01
        return number

    def _stop(self, step: Stop, number: str, grace_s: float) -> Work:
        box = self.boxes.get(number)
        if box is not None and box.runs:
            self.watchers.stopping(self, box, step)
            yield min(grace_s, self._some(0.05, 2.0)) + 0.05
            if box.runs and self.boxes.get(number) is box:
                self._end(box, 0)
        else:
            yield 0.01
        return number

    def _restart(self, step: Restart, number: str, grace_s: float) -> Work:
        box = self._found(number)
        if box.runs:
            self.watchers.stopping(self, box, step)
            yield min(grace_s, self._some(0.05, 1.0)) + 0.05
            if box.runs:
                self._end(box, 0)
        yield self._some(0.1, 0.5)
        box = self._found(number)
        if not box.runs:
            self._test_ports(box.want)
            self._begin(box)
        return number

    def _remove(self, step: Remove, number: str) -> Work:
        yield self._some(0.02, 0.2)
        box = self.boxes.get(number)
        if box is not None:
            if box.runs:
                self.watchers.stopping(self, box, step)
                self._end(box, 137)
            del self.boxes[number]
        return number

    # -- inside -----------------------------------------------------------------------------------------------------

    def _begin(self, box: Box) -> None:
        box.status, box.exit_code, box.started_at = "running", None, self.wall()
        box.starts += 1
        box.was_unhealthy = False
        box.health = "starting" if box.want.spec.health is not None else "none"
        self.watchers.started(self, box)
        self.hint(box.id)
        image, start = box.want.spec.image, box.starts
        if box.want.spec.probe is not None:
            box.well, box.was_unhealthy = False, "sick" in image
            if "sick" not in image:
                self.power.after(self.chance.uniform(0.3, 4.0), self._healthy, box, start)
        if "bad" in image or (box.ref.project, box.ref.service) in self.cursed:
            self.power.after(self.chance.uniform(0.1, 1.5), self._exit_of, box, start, 1)
        elif box.health != "none" and "sick" not in image:
            self.power.after(self.chance.uniform(0.5, 4.0), self._healthy, box, start)
        elif box.health != "none":
            self.power.after(8.0, self._unhealthy, box, start)

    def _exit_of(self, box: Box, start: int, code: int) -> None:
        if box.starts == start:
            self.exit(box, code)

    def _healthy(self, box: Box, start: int) -> None:
        if box.starts == start:
            self.set_health(box, "healthy")

    def _unhealthy(self, box: Box, start: int) -> None:
        if box.starts == start:
            self.set_health(box, "unhealthy")

    def _end(self, box: Box, code: int) -> None:
        box.status, box.exit_code, box.health, box.finished_at = "exited", code, "none", self.wall()
        self.watchers.ended(self, box)

    def _found(self, number: str) -> Box:
        box = self.boxes.get(number)
        if box is None:
            raise DockerFault("not_found", f"no such container: {number}")
        return box

    def _test_ports(self, want: DesiredReplica) -> None:
        taken = self.taken()
        for lease in want.ports:
            if (lease.protocol, lease.host) in taken or lease.host in self.foreign_ports:
                raise DockerFault("port_taken", f"port {lease.host}/{lease.protocol} is already allocated")

    def taken(self) -> set[tuple[Protocol, int]]:
        """Host ports that containers hold."""
        return {(p.protocol, p.host) for box in self.boxes.values() if box.runs for p in box.want.ports}

    def listening(self) -> tuple[int, ...]:
        """Ports something listens on, for heartbeats."""
        return tuple(sorted({port for _, port in self.taken()} | self.foreign_ports))

    def _some(self, low: float, high: float) -> float:
        return self.slow * self.chance.uniform(low, high)

    def _shown(self, box: Box) -> Container:
        return Container(
            id=box.id,
            name=box.id,
            ref=box.ref,
            spec=box.spec,
            status=box.status,
            health=box.health if box.runs else "none",
            exit_code=box.exit_code,
            started_at=box.started_at,
            finished_at=box.finished_at,
            ports=box.want.ports,
        )


class _Call:
    """One step under way."""

    def __init__(
        self, engine: Engine, work: Work, done: Callable[[str], None], failed: Callable[[DockerFault, bool], None]
    ) -> None:
        self._engine = engine
        self._power = engine.power
        self._work = work
        self._done = done
        self._failed = failed
        self._answered = False

    def go_on(self) -> None:
        """The time the last part took is over."""
        if not self._power.up:
            self._answer(lambda: self._failed(DockerFault("engine_down", "the connection broke"), False))
            return
        if self._engine.hung:
            self._engine.park(self.go_on)
            self._engine.clock.after(HUNG_S, self._give_up)
            return
        try:
            seconds = next(self._work)
        except StopIteration as stop:
            result: str = stop.value
            self._answer(lambda: self._done(result))
        except DockerFault as fault:
            caught = fault
            self._answer(lambda: self._failed(caught, True))
        else:
            self._engine.clock.after(seconds, self.go_on)

    def _give_up(self) -> None:
        self._answer(lambda: self._failed(DockerFault("timeout", "no answer in time"), False))

    def _answer(self, tell: Callable[[], None]) -> None:
        if not self._answered:
            self._answered = True
            tell()


def pinned(image: str) -> str:
    """What an image reference resolves to, everywhere and always the same."""
    return f"{image.split(':')[0]}@sha256:{image.encode().hex():0>64.64}"
