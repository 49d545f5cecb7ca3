"""A Center for tests of the web ring: real tables, a controller that notes commands, a journal and a feed by hand."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from controlplane.controller.loop import Status
from controlplane.core.cluster import Changes, Cluster
from controlplane.core.command import Command
from controlplane.core.journal import Event
from controlplane.core.record import Now
from controlplane.core.views import Figures
from controlplane.measures import Measures, QueueFigures
from controlplane.web.door import Door, Settings
from controlplane.web.routes import application, routes
from protocol.handshake import secret_hash
from tests.unit.controlplane.sample_cluster import NOW, shop
from tests.unit.controlplane.web.fake_copies import FakeCopies
from tests.unit.controlplane.web.fake_relay import FakeRelay, FakeTails
from tests.unit.controlplane.web.fake_rings import FakeRings

TOKEN = "correct-horse"
URL = "http://10.0.0.9:8080"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class FakeSubscription:
    """A queue of commits."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Changes | None] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        """The test client runs the app in a thread of its own."""

    async def next(self) -> Changes | None:
        """The next commit."""
        return await self.queue.get()


class FakeCenter:
    """Everything the web ring's `Door` asks for. `reply` answers commands or raises."""

    def __init__(self, cluster: Cluster | None = None) -> None:
        self.cluster = cluster or shop()
        self.asked: list[Command] = []
        self.reply: Callable[[Command], Any] = lambda command: None
        self.journal: list[Event] = []
        self.subscriptions: list[FakeSubscription] = []
        self.seen: dict[str, Figures] = {}
        self.faults: list[str] = []
        self.relay = FakeRelay()
        self.tails = FakeTails()
        self.rings = FakeRings()
        self.public_url = URL
        self.image = ""
        self.wall = NOW.wall
        self.measures = Measures()
        self.metrics_replicas = 2000
        self.copies = FakeCopies()

    async def ask(self, command: Command) -> Any:
        """Note the command, answer as told."""
        self.asked.append(command)
        return self.reply(command)

    def figures(self, node: str) -> Figures:
        """What was put into `seen`."""
        return self.seen.get(node, Figures())

    def sessions(self) -> int:
        """Nodes seen as connected."""
        return sum(f.connected for f in self.seen.values())

    async def events(
        self, after: int, limit: int, project: str = "", node: str = "", cause: int = 0, *, by_people: bool = False
    ) -> Sequence[Event]:
        """As the store does, from the list."""
        found = [
            e
            for e in self.journal
            if e.seq > after and project in ("", e.project) and node in ("", e.node) and cause in (0, e.cause)
            if e.actor or not by_people
        ]
        return found[:limit]

    @contextmanager
    def subscribe(self) -> Iterator[FakeSubscription]:
        """A queue that the test fills."""
        subscription = FakeSubscription()
        self.subscriptions.append(subscription)
        yield subscription

    def door(self) -> Door:
        """The ports of the web ring."""
        return Door(
            controller=self,
            figures=self,
            relay=self.relay,
            tails=self.tails,
            rings=self.rings,
            journal=self,
            feed=self,
            copies=self.copies,
            settings=Settings(
                public_url=self.public_url,
                admin_token_hash=secret_hash(TOKEN),
                fingerprint="f" * 64,
                version="0",
                image=self.image,
                metrics_replicas=self.metrics_replicas,
            ),
            now=lambda: Now(NOW.mono, self.wall),
            faults=lambda: self.faults,
            lag_s=lambda: 0.004,
            status=lambda: Status(
                running=True, store_full=False, decisions=7, commits=3, faults=1, waiting=2, gap_s=0.25
            ),
            queues=lambda: [QueueFigures(name="inbox", length=2, limit=4096, dropped=5)],
            measures=self.measures,
        )

    def client(self, **headers: str) -> TestClient:
        """A client that is signed in."""
        app = application(routes(self.door()))
        return TestClient(app, headers={**BEARER, **headers}, raise_server_exceptions=False)
