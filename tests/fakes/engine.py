"""A Docker Engine in memory: what several `FakeDocker`s (agents) share, and what tests turn.

Not a simulator of processes: a container does what its `Program` says. Used by tests only.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec

from nodeagent.core.container import Container, DockerEvent, DockerFault, FaultKind, Usage
from protocol.messages import ContainerRef, Health
from protocol.spec import PortLease
from tests.fakes.execs import FakeExec

EVENTS_MAX = 1000


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What a command does once started. `exit_code` None: runs until stopped. `error`: Docker cannot start it."""

    exit_code: int | None = None
    output: tuple[str, ...] = ()
    health: Health = "none"
    health_output: str = ""
    error: str = ""
    ignores_stop: bool = False
    """Does not end on the stop signal: it is killed after the grace, exit code 137."""


@dataclass
class Held:
    """One container of the engine: how Docker shows it, whose it is, and what it does."""

    container: Container
    cluster: str
    node: str
    networks: tuple[str, ...]
    program: Program
    log: list[str] = field(default_factory=list)
    stamped: list[tuple[float, int, str]] = field(default_factory=list)
    """The same lines with wall seconds and channel (1 stdout, 2 stderr)."""
    wrote: asyncio.Event = field(default_factory=asyncio.Event)
    """Set and replaced at each line, and when the container ends."""
    image: str = ""
    """Id of its image."""
    usage: Usage = field(default_factory=lambda: Usage(cpu_percent=0.0, memory=1024 * 1024))


@dataclass
class Network:
    """A Docker network and the owner in its labels."""

    cluster: str
    node: str
    project: str
    network: str
    subnet: str


class Subscriber:
    """A reader of events: a bounded queue; what does not fit becomes one `lost`."""

    def __init__(self, cluster: str, node: str) -> None:
        self.owner = (cluster, node)
        self.queue: asyncio.Queue[DockerEvent] = asyncio.Queue(EVENTS_MAX)

    def put(self, event: DockerEvent) -> None:
        """Hand over, dropping everything for a `lost` when the reader is too slow."""
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            event = DockerEvent(action="lost")
        self.queue.put_nowait(event)


class FakeEngine:
    """The engine's state and the tests' knobs. `clock` gives wall seconds, `sleep` waits that many."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.id = "FAKE:ENGINE"
        self.clock = clock
        self.sleep = sleep
        self.held: dict[str, Held] = {}
        self.networks: dict[str, Network] = {}
        self.volumes: dict[str, str] = {}
        """Docker volume name -> cluster."""
        self.images: dict[str, str] = {}
        """Reference (tag, `name@sha256:…`) -> image id."""
        self.registry: dict[str, str] = {}
        """Reference with tag -> digest. What can be resolved and pulled."""
        self.registry_down = False
        self.layers: tuple[int, ...] = (1000, 3000)
        """Bytes of the layers of every pull."""
        self.programs: dict[tuple[str, ...] | None, Program] = {}
        self.foreign_ports: set[int] = set()
        """Host ports that something other than Docker listens on."""
        self.address = "127.0.0.1"
        """Address of every container that runs on a network."""
        self.start_delay_s = 0.0
        self.pull_delay_s = 0.0
        """Between two reports of a pull."""
        self.execs: list[FakeExec] = []
        """Commands started in containers, in order."""
        self.calls: list[str] = []
        """Names of the port's calls so far, in order."""
        self._faults: list[tuple[str, DockerFault]] = []
        self._down = False
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._subscribers: list[Subscriber] = []
        self._made = 0

    # -- knobs --------------------------------------------------------------------------------------------------------

    @property
    def down(self) -> bool:
        """True: every call fails as `engine_down`, event streams break. Containers go on."""
        return self._down

    @down.setter
    def down(self, down: bool) -> None:
        if down != self._down:
            self._down = down
            self.break_events()

    @property
    def hung(self) -> bool:
        """True: no call is answered until it is cancelled or this is False again."""
        return not self._thawed.is_set()

    @hung.setter
    def hung(self, hung: bool) -> None:
        if hung:
            self._thawed.clear()
        else:
            self._thawed.set()

    def fail_next(self, call: str, kind: FaultKind, text: str = "told to fail") -> None:
        """The next `call` (a method of the port, `create`) raises this fault; several queue up."""
        self._faults.append((call, DockerFault(kind, text)))

    def add_image(self, tag: str) -> str:
        """A local image that no registry knows; gives its id `sha256:…`."""
        image_id = f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}"
        self.images[tag] = self.images[image_id] = image_id
        return image_id

    def publish(self, tag: str) -> str:
        """An image in its registry, not here; gives `name@sha256:…`."""
        digest = f"sha256:{hashlib.sha256(b'registry' + tag.encode()).hexdigest()}"
        self.registry[tag] = digest
        return f"{tag.rpartition(':')[0]}@{digest}"

    def remove_image(self, reference: str) -> bool:
        """Without force: not the last name of an image that a container has."""
        image_id = self.images.get(reference, "")
        names = [name for name, held in self.images.items() if held == image_id and name != image_id]
        if names == [reference] and any(held.image == image_id for held in self.held.values()):
            return False
        self.images.pop(reference, None)
        if names == [reference]:
            self.images.pop(image_id, None)
        return True

    def exit(self, container_id: str, code: int, *, oom_killed: bool = False) -> None:
        """The container's process ends by itself."""
        held = self.held[container_id]
        if held.container.status == "running":
            ended = {"status": "exited", "exit_code": code, "finished_at": self.clock(), "oom_killed": oom_killed}
            self.show(container_id, addresses=(), **ended)
            self.tell(held, "die")
            self.wake(held)

    def write(self, container_id: str, *lines: str, channel: int = 1) -> None:
        """The container's process writes lines."""
        held = self.held[container_id]
        held.log.extend(lines)
        held.stamped.extend((self.clock(), channel, line) for line in lines)
        self.wake(held)

    def wake(self, held: Held) -> None:
        """Whoever follows the log of this container looks again."""
        wrote, held.wrote = held.wrote, asyncio.Event()
        wrote.set()

    def set_health(self, container_id: str, health: Health, output: str = "") -> None:
        """The health check's verdict changes."""
        self.show(container_id, health=health, health_output=output)
        self.tell(self.held[container_id], "health_status")

    def reboot(self) -> None:
        """The machine restarts: nothing runs any more, nobody was told."""
        for container_id, held in self.held.items():
            if held.container.status == "running":
                self.show(container_id, status="exited", exit_code=255, finished_at=self.clock(), addresses=())
        self.break_events()

    def break_events(self) -> None:
        """Every event stream breaks; its readers get `lost`."""
        for subscriber in self._subscribers:
            subscriber.put(DockerEvent(action="lost"))

    def inject(self, event: DockerEvent) -> None:
        """Hand this event to every reader."""
        for subscriber in self._subscribers:
            subscriber.put(event)

    # -- for FakeDocker -----------------------------------------------------------------------------------------------

    async def enter(self, call: str) -> None:
        """Begin a call of the port: it may be failed, refused or never answered."""
        self.calls.append(call)
        await self._thawed.wait()
        if self._down:
            raise DockerFault("engine_down", "the fake engine is down")
        for index, (name, fault) in enumerate(self._faults):
            if name == call:
                del self._faults[index]
                raise fault

    def new_id(self) -> str:
        """A container id that was never given before."""
        self._made += 1
        return hashlib.sha256(f"{self.id}{self._made}".encode()).hexdigest()

    def show(self, container_id: str, **changes: object) -> None:
        """Change how Docker shows a container."""
        held = self.held[container_id]
        held.container = msgspec.structs.replace(held.container, **changes)

    def tell(self, held: Held, action: str) -> None:
        """An event about this container to those whose it is."""
        for subscriber in self._subscribers:
            if subscriber.owner == (held.cluster, held.node):
                subscriber.put(DockerEvent(action=action, container_id=held.container.id))

    def taken(self, lease: PortLease) -> bool:
        """True when the host port of `lease` cannot be bound."""
        running = [h.container for h in self.held.values() if h.container.status == "running"]
        return lease.host in self.foreign_ports or any(
            p.host == lease.host and p.protocol == lease.protocol for c in running for p in c.ports
        )

    def subscribe(self, cluster: str, node: str) -> Subscriber:
        """A new reader of events; end it with `unsubscribe`."""
        subscriber = Subscriber(cluster, node)
        self._subscribers.append(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a reader."""
        self._subscribers.remove(subscriber)

    def add_foreign(self, name: str, *, cluster: str = "", node: str = "") -> str:
        """A container by this name that somebody else made; gives its id."""
        container_id = self.new_id()
        nobody = ContainerRef(project="foreign", service="foreign", replica=1, epoch=1)
        container = Container(id=container_id, name=name, ref=nobody, spec="", status="created")
        self.held[container_id] = Held(container, cluster, node, (), Program())
        return container_id
