"""A container of ours as Docker shows it, and the port through which the agent drives Docker.

The port is declared here so that decisions and the executor know its shape; `nodeagent/docker.py` implements it with
aiodocker and `tests/fakes/docker.py` in memory. Both pass `tests/contract/docker_contract.py`.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Literal, Protocol

import msgspec

from protocol.messages import ContainerRef, Health
from protocol.names import ReplicaId
from protocol.spec import DesiredReplica, PortLease

ContainerStatus = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
FaultKind = Literal[
    "engine_down",
    "not_found",
    "name_taken",
    "port_taken",
    "image_missing",
    "pull_failed",
    "refused",
    "timeout",
    "error",
]


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """One container that carries this cluster's and node's labels, as `inspect` shows it."""

    id: str
    name: str
    ref: ContainerRef
    spec: str
    """Label `ropeteam.spec`: the `container_fingerprint` it was made from."""
    status: ContainerStatus
    health: Health = "none"
    health_output: str = ""
    """Output of the last failed check, at most 500 characters."""
    exit_code: int | None = None
    error: str = ""
    """Docker's own word on why it did not start, at most 500 characters."""
    oom_killed: bool = False
    started_at: float = 0.0
    """Wall seconds; 0 = never."""
    finished_at: float = 0.0
    ports: tuple[PortLease, ...] = ()
    networks: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """Its IP addresses on them, while it runs."""

    @property
    def replica(self) -> ReplicaId:
        """The replica this container is a copy of."""
        return self.ref.id


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says of itself. `disk_root`: folder of its data, for the free-space check."""

    id: str
    version: str
    api: str
    os: str
    arch: str
    kernel: str
    name: str
    cpus: int
    memory: int
    disk_root: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a running container uses. `cpu_percent` of one core; `memory` in bytes without the page cache."""

    cpu_percent: float
    memory: int
    net_in: float = 0.0
    """Bytes received a second, since the last reading; `net_out` sent."""
    net_out: float = 0.0


class PullProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes over all layers so far."""

    done: int
    total: int


class DockerFault(Exception):
    """Docker did not do what was asked; `kind` says what to make of it, the text is for people."""

    def __init__(self, kind: FaultKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class DockerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A hint that something changed. `action`: `start`, `die`, `destroy`, `health_status`, … or `lost` when the
    stream broke: then list everything again.
    """

    action: str
    container_id: str = ""


class Exec(Protocol):
    """A command that runs in a container beside its own. Every call raises only DockerFault."""

    async def read(self) -> tuple[int, bytes] | None:
        """What it wrote next: 1 stdout (and all of a terminal), 2 stderr; None at its end."""

    async def write(self, data: bytes) -> None:
        """Give it bytes to read; waits while it does not."""

    async def end_input(self) -> None:
        """It reads the end of its input."""

    async def resize(self, cols: int, rows: int) -> None:
        """Its terminal has another size."""

    async def exit_code(self) -> int | None:
        """How it ended; None while Docker does not know."""

    async def close(self) -> None:
        """Let go of it. A command that does not read its input runs on: Docker has no way to end it."""


class Docker(Protocol):
    """The local Docker Engine. Every call has a deadline of its own and raises only DockerFault."""

    async def info(self) -> EngineInfo: ...

    async def containers(self) -> tuple[Container, ...]:
        """All containers of this cluster and node, running or not, each inspected."""

    async def inspect(self, container_id: str) -> Container | None:
        """One container, or None when it is not there or not ours."""

    async def resolve(self, image: str) -> str:
        """Pin a reference: `name@sha256:…` from its registry (no pull), else the local image's `sha256:…` id."""

    async def has_image(self, pinned: str) -> bool: ...

    def pull(self, pinned: str) -> AsyncGenerator[PullProgress, None]:
        """Pull a pinned image; the iterator ends when it is there. `sha256:…` ids cannot be pulled: `image_missing`."""
        ...

    async def remove_image(self, pinned: str) -> bool:
        """Take a pinned image away; True also when it is not there, False when a container of anybody has it. Under
        another name that somebody gave it, it stays.
        """

    async def create(self, want: DesiredReplica, networks: Mapping[str, str]) -> str:
        """Make the container (its name from `names.container_name`) and give its id. `networks`: the project's network
        name -> Docker network name. A name conflict is adopted when the labels are ours and the spec is equal, else
        `name_taken`.
        """
        ...

    async def start(self, container_id: str) -> None: ...

    async def stop(self, container_id: str, grace_s: float) -> None:
        """Stop signal, then SIGKILL after `grace_s`. Done when it does not run. Not there = done."""

    async def restart(self, container_id: str, grace_s: float) -> None: ...

    async def remove(self, container_id: str) -> None:
        """Force-remove with its anonymous volumes. Not there = done. Named volumes stay."""

    async def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        """The last lines, stdout and stderr, each cut at 500 characters, control characters replaced."""

    def read_logs(
        self, container_id: str, *, lines: int = -1, since_ns: int = 0, follow: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """The last `lines` (-1 = all), of those none from before `since_ns` (wall nanoseconds), as `OpenLogs` of
        `protocol.streams` says: whole lines in pieces of any size. `follow`: goes on until the container ends. Read it
        inside `aclosing`.
        """
        ...

    async def exec(
        self, container_id: str, command: tuple[str, ...], *, tty: bool, stdin: bool, cols: int, rows: int
    ) -> Exec:
        """Start a command in a running container. One that cannot be run ends with 126 or 127."""

    async def usage(self, container_id: str) -> Usage: ...

    async def ensure_network(self, project: str, network: str, subnets_taken: tuple[str, ...]) -> str:
        """The project's bridge network with a free /26 of the agent's pool; gives its Docker name. Idempotent."""

    async def drop_unused_networks(self) -> None:
        """Remove our networks that no container is attached to."""

    async def ensure_volume(self, project: str, volume: str) -> str: ...

    def events(self) -> AsyncGenerator[DockerEvent, None]:
        """Hints, for ever: reconnects by itself. `lost` whenever the stream has opened (the first time too) and once
        when it breaks. Read it inside `contextlib.aclosing`.
        """
        ...

    async def close(self) -> None: ...
