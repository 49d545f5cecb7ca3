"""What the contract suite needs of an engine besides the port itself: images, commands, and a hand from outside.

Implemented for the fake in tests/unit/nodeagent and for a real engine in tests/docker.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, TypeVar

from nodeagent.core.container import Container, Docker, DockerEvent
from protocol.spec import DesiredReplica, HealthCheck, Mount, PortLease, ServiceSpec

T = TypeVar("T")

RUNS = ("sleep", "600")
EXITS_3 = ("sh", "-c", "exit 3")
PRINTS = ("sh", "-c", "echo one; echo two; printf 'th\\033[31mree\\n' >&2; sleep 600")
PRINTED = ("one", "two", "three")
HEALTHY = ("sh", "-c", "touch /tmp/fine; sleep 600")
UNHEALTHY = ("sh", "-c", "sleep 600; : unhealthy")
CHECK = HealthCheck(
    test=("CMD", "sh", "-c", "test -e /tmp/fine || { echo nothing fine here; exit 1; }"),
    interval_s=0.2,
    timeout_s=5.0,
    retries=1,
)
NOT_THERE = ("no-such-command",)


class Bench(Protocol):
    """An engine under test, empty but for one image."""

    docker: Docker
    """Cluster `cluster-1`, node `node-1`, bind root `bind_root`, networks dropped as soon as they are unused."""
    image: str
    """Id of a local image with BusyBox."""
    tag: str
    """The same as a reference that no registry knows."""
    published: str
    """A reference with tag in a registry; the engine does not have the image."""
    pinned: str
    """What `published` resolves to."""
    bind_root: str

    def other(self, *, cluster: str = "cluster-1", node: str = "node-1") -> Docker:
        """Another agent on the same engine."""

    async def tag_image(self, reference: str, name: str) -> str:
        """A person gives an image a further name, `repository:tag`; gives its id."""

    async def foreign_container(self, name: str) -> None:
        """Somebody else's container takes a name."""

    async def hold_port(self, port: int) -> None:
        """Something that is no container listens on a TCP port of the host."""

    async def free_port(self) -> None:
        """It stops."""

    async def kill(self, container_id: str) -> None:
        """The process is killed behind the agent's back."""

    async def restart_engine(self) -> None:
        """The engine ends and comes back; containers may or may not survive."""


class Timeline:
    """Events gathered beside a test."""

    def __init__(self) -> None:
        self.seen: list[DockerEvent] = []

    def actions(self, container_id: str) -> list[str]:
        """What happened to one container, in order."""
        return [e.action for e in self.seen if e.container_id == container_id]

    @property
    def lost(self) -> int:
        """How often the stream opened or broke."""
        return sum(e.action == "lost" for e in self.seen)

    async def gather(self, docker: Docker) -> None:
        """Read events until cancelled."""
        async with aclosing(docker.events()) as stream:
            async for event in stream:
                self.seen.append(event)


async def eventually(look: Callable[[], Awaitable[T]], good: Callable[[T], bool], within_s: float = 15.0) -> T:
    """Look again and again until it is good; the last look when time is up fails the test."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not good(seen := await look()):
        assert loop.time() < deadline, f"not within {within_s} s: {seen}"
        await asyncio.sleep(0.02)
    return seen


async def until(docker: Docker, container_id: str, good: Callable[[Container], bool]) -> Container:
    """The container once it is as wanted."""
    seen = await eventually(lambda: docker.inspect(container_id), lambda c: c is not None and good(c))
    assert seen is not None
    return seen


def want(
    image: str,
    command: tuple[str, ...] = RUNS,
    *,
    project: str = "shop",
    service: str = "web",
    replica: int = 1,
    epoch: int = 1,
    ports: tuple[PortLease, ...] = (),
    mounts: tuple[Mount, ...] = (),
    networks: dict[str, tuple[str, ...]] | None = None,
    health: HealthCheck | None = None,
    environment: dict[str, str] | None = None,
    init: bool = True,
) -> DesiredReplica:
    """A replica; with `init` it ends at once on its stop signal."""
    spec = ServiceSpec(
        name=service,
        image="busybox",
        command=command,
        mounts=mounts,
        networks=networks or {},
        health=health,
        environment=environment or {},
        init=init,
    )
    return DesiredReplica(
        project=project,
        service=service,
        replica=replica,
        epoch=epoch,
        revision=1,
        image=image,
        spec=spec,
        ports=ports,
    )


async def drain(stream: AsyncIterator[T]) -> list[T]:
    """Everything of a stream that ends."""
    return [item async for item in stream]
