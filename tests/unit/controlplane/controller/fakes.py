"""A store and ropes for tests of the loop: they note what they are asked, and fail when told to."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from controlplane.core import detector
from controlplane.core.action import CloseSession, SendDelta, SendFull, SendOrder, SendRelist, SendStopConfirmed
from controlplane.core.cluster import Changes, Cluster, Meta, Volatile
from controlplane.core.detector import Sighting
from controlplane.core.fact import NodeUsage
from controlplane.core.journal import Event
from controlplane.core.record import Now, Record


def cluster(*records: Record) -> Cluster:
    return Cluster(Meta(cluster="c1"), Volatile(watch=detector.first(0.0, {})), records)


class FakeStore:
    """Keeps what is committed. `error`: raised by the next commits. `gate`: a commit waits for it."""

    def __init__(self, log: list[object]) -> None:
        self.log = log
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def load(self) -> tuple[Meta | None, list[Record]]:
        return None, []

    async def commit(self, *changes: Changes) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.log.append(("commit", *changes))

    async def events(
        self, after: int, limit: int, project: str = "", node: str = "", cause: int = 0, *, by_people: bool = False
    ) -> tuple[Event, ...]:
        return ()

    async def admin_token_hash(self) -> str:
        return ""

    async def set_admin_token_hash(self, value: str) -> None:
        return None


class FakeRopes:
    """A `Dispatcher` that notes what it is asked to do. `look`: called when something is sent."""

    def __init__(self, log: list[object], look: Callable[[], object] = lambda: None) -> None:
        self.log = log
        self.look = look
        self.error: Exception | None = None

    def send_full(self, action: SendFull) -> None:
        self._note(action)

    def send_delta(self, action: SendDelta) -> None:
        self._note(action)

    def send_order(self, action: SendOrder) -> None:
        self._note(action)

    def send_stop_confirmed(self, action: SendStopConfirmed) -> None:
        self._note(action)

    def send_relist(self, action: SendRelist) -> None:
        self._note(action)

    def close_session(self, action: CloseSession) -> None:
        self._note(action)

    def sightings(self, now: float) -> Mapping[str, Sighting]:
        return {"node-1": Sighting(silent_s=1.0, connected=True)}

    def restless(self, now: float) -> Collection[str]:
        return ["node-1"]

    def usage(self) -> Mapping[str, NodeUsage]:
        return {"node-1": NodeUsage(cpu_usage=5.0)}

    def _note(self, action: object) -> None:
        if self.error is not None:
            raise self.error
        self.log.append((action, self.look()))


class FakeClock:
    """Time that a test sets. `asleep_s`: how long the machine was suspended."""

    def __init__(self) -> None:
        self.mono = 100.0
        self.asleep_s = 0.0

    def now(self) -> Now:
        return Now(self.mono, 1_800_000_000.0 + self.mono)

    def uptime_s(self) -> float:
        return self.mono + self.asleep_s
