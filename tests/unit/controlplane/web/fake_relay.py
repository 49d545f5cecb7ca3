"""Agents' streams for tests of the web ring: what was opened is noted, what comes is put in by hand."""

from collections.abc import Sequence

from controlplane.core.record import Refused
from controlplane.store.tails import Copy
from controlplane.web.door import Reader
from protocol.messages import ContainerRef
from protocol.names import ReplicaId


class FakeStream:
    """One stream, with whoever reads it."""

    def __init__(self, node: str, target: ContainerRef, reader: Reader, **how: object) -> None:
        self.node = node
        self.target = target
        self.reader = reader
        self.how = how
        self.input_room = 0
        self.granted = 0
        self.sent: list[tuple[bytes, bool]] = []
        self.sizes: list[tuple[int, int]] = []
        self.closed = False

    def grant(self, credit: int) -> None:
        """Count it."""
        self.granted += credit

    def send(self, data: bytes, *, eof: bool = False) -> None:
        """Keep it."""
        self.input_room -= len(data)
        self.sent.append((data, eof))

    def resize(self, cols: int, rows: int) -> None:
        """Keep it."""
        self.sizes.append((cols, rows))

    def close(self) -> None:
        """Note it."""
        self.closed = True


class FakeRelay:
    """Opens streams to every node but those in `away`."""

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []
        self.away: set[str] = set()

    def open_streams(self) -> int:
        """All that were opened."""
        return len(self.streams)

    def logs(self, node: str, target: ContainerRef, reader: Reader, **how: object) -> FakeStream:
        """See `Relay.logs`."""
        return self._open(FakeStream(node, target, reader, **how))

    def exec(
        self, node: str, target: ContainerRef, reader: Reader, command: tuple[str, ...], **how: object
    ) -> FakeStream:
        """See `Relay.exec`."""
        return self._open(FakeStream(node, target, reader, command=command, **how))

    def _open(self, stream: FakeStream) -> FakeStream:
        if stream.node in self.away:
            raise Refused("unavailable", f"{stream.node} is away")
        self.streams.append(stream)
        return stream


class FakeTails:
    """Kept lines, by hand."""

    def __init__(self) -> None:
        self.kept: dict[tuple[ReplicaId, int], tuple[Copy, bytes]] = {}

    def put(self, copy: Copy, lines: bytes) -> None:
        """Keep these."""
        self.kept[copy.replica, copy.epoch] = (copy, lines)

    async def copies(self, project: str, service: str = "", replica: int = 0) -> Sequence[Copy]:
        """See `TailTable.copies`."""
        return [
            copy
            for copy, _ in self.kept.values()
            if copy.replica.project == project
            and service in ("", copy.replica.service)
            and replica in (0, copy.replica.index)
        ]

    async def lines(self, replica: ReplicaId, epoch: int) -> bytes:
        """See `TailTable.lines`."""
        return self.kept[replica, epoch][1] if (replica, epoch) in self.kept else b""
