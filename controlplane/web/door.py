"""What the web ring needs of the rest of the Center, as ports; the app fills them in. No logic.

`link` is a neighbour that `web` must not import, so its figures come in through `FigureTable`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, Protocol

import msgspec

from controlplane.controller.loop import Status
from controlplane.core.cluster import Changes, Cluster
from controlplane.core.command import Command
from controlplane.core.journal import Event
from controlplane.core.record import Now
from controlplane.core.views import Figures
from controlplane.measures import Measures, QueueFigures
from controlplane.store.backup import Manifest
from controlplane.store.ring_file import Subject
from controlplane.store.rings import Series
from controlplane.store.tails import Copy
from protocol.messages import ContainerRef
from protocol.names import ReplicaId


class Asked(Protocol):
    """The one writer."""

    @property
    def cluster(self) -> Cluster:
        """The tables, to read."""

    async def ask(self, command: Command) -> Any:
        """Obey and answer. Raises Refused."""


class FigureTable(Protocol):
    """The latest figures of nodes, kept by the link."""

    def figures(self, node: str) -> Figures:
        """Of this node; empty when it was never heard."""

    def sessions(self) -> int:
        """Open agent sessions."""


class Reader(Protocol):
    """Whoever opened a stream to an agent. Called at once, in order; must not wait."""

    def data(self, data: bytes, channel: int) -> None:
        """Bytes came, within the credit that was given."""

    def room(self) -> None:
        """The agent takes more input."""

    def ended(self, reason: str, code: int | None) -> None:
        """It is over; nothing comes after."""


class Stream(Protocol):
    """One stream to one agent."""

    @property
    def input_room(self) -> int:
        """Bytes of input that the agent takes now."""

    def grant(self, credit: int) -> None:
        """The reader took so many bytes."""

    def send(self, data: bytes, *, eof: bool = False) -> None:
        """Input for an exec, at most `input_room` bytes."""

    def resize(self, cols: int, rows: int) -> None:
        """The person's terminal has another size."""

    def close(self) -> None:
        """The person is gone. `Reader.ended` is not called."""


class Relay(Protocol):
    """Streams of logs and exec to agents; both raise Refused when there is no way to one."""

    def logs(
        self, node: str, target: ContainerRef, reader: Reader, *, follow: bool, lines: int, since_ns: int, credit: int
    ) -> Stream:
        """See `protocol.streams.OpenLogs`."""

    def exec(
        self,
        node: str,
        target: ContainerRef,
        reader: Reader,
        command: tuple[str, ...],
        *,
        tty: bool,
        stdin: bool,
        size: tuple[int, int],
        credit: int,
    ) -> Stream:
        """See `protocol.streams.OpenExec`. `size`: columns and rows."""

    def open_streams(self) -> int:
        """Streams that are open now."""


class TailTable(Protocol):
    """Last lines of containers that the Center keeps."""

    async def copies(self, project: str, service: str = "", replica: int = 0) -> Sequence[Copy]:
        """Copies of which lines are kept; "" and 0 = all."""

    async def lines(self, replica: ReplicaId, epoch: int) -> bytes:
        """The lines kept of one copy."""


class RingTable(Protocol):
    """CPU and memory of nodes and projects over time."""

    newest: int
    """Number of the step of 10 s that was filled last."""

    def hour(self, subject: Subject, wall: float) -> Series:
        """The last hour until `wall`, at 10 s."""

    async def week(self, subject: Subject, wall: float) -> Series:
        """The last seven days until `wall`, at 5 min."""

    async def outline(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[float | None, ...]]:
        """CPU of each in the last hour, in 20 means."""


class Journal(Protocol):
    """The stored events."""

    async def events(
        self, after: int, limit: int, project: str = "", node: str = "", cause: int = 0, *, by_people: bool = False
    ) -> Sequence[Event]:
        """Up to `limit` events with `seq > after`, oldest first. Empty filters match all."""


class Subscription(Protocol):
    """One subscriber's view of what is committed."""

    async def next(self) -> Changes | None:
        """The next commit, after it was applied; None when some were skipped because the subscriber was slow."""


class Feed(Protocol):
    """What is committed, live."""

    def subscribe(self) -> AbstractContextManager[Subscription]:
        """Every commit from now on, in a bounded queue."""


class Copies(Protocol):
    """Backups."""

    async def download(self) -> tuple[IO[bytes], Manifest]:
        """One as of now, to be read and closed. Raises StoreError; TimeoutError while others are made."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator chose. `public_url`: how browsers and agents reach the Center, without a slash at the end."""

    public_url: str
    admin_token_hash: str
    """`protocol.handshake.secret_hash` of the admin token."""
    fingerprint: str
    """Of the Center's identity key, for join tokens."""
    version: str = ""
    image: str = ""
    """The image that agents of this release run from; "" = the Center runs from none."""
    metrics_replicas: int = 2000
    """Replicas that get series of their own in `/metrics`; 0 = none."""


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a handler may use."""

    controller: Asked
    figures: FigureTable
    relay: Relay
    tails: TailTable
    rings: RingTable
    journal: Journal
    feed: Feed
    settings: Settings
    now: Callable[[], Now]
    copies: Copies
    faults: Callable[[], Sequence[str]]
    """Why the Center cannot do its work now, in sentences; empty = it can."""
    lag_s: Callable[[], float]
    """How late the event loop was at worst lately, seconds."""
    status: Callable[[], Status]
    """How the one writer is."""
    queues: Callable[[], Sequence[QueueFigures]]
    """Every queue that has a limit, for `/metrics`."""
    measures: Measures
    """How long things took."""
