"""The composition root: opens the store, joins the rings, runs them in one TaskGroup, ends them on a signal.

No rules here. `serve()` of the web server is a sibling of the controller: when one dies, so does the other (DESIGN §2).
"""

import asyncio
import contextlib
import logging
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from importlib import metadata

import uvicorn
from starlette.routing import Route
from starlette.types import ASGIApp

from controlplane import garbage, joinfile
from controlplane.controller.clock import SystemClock
from controlplane.controller.feed import COMMITS_MAX
from controlplane.controller.loop import INBOX_MAX, Controller
from controlplane.copies import Copies
from controlplane.core import adoption, clamp, detector
from controlplane.core import center as rules
from controlplane.core.cluster import Changes, Cluster, Meta, Volatile
from controlplane.core.node import Node
from controlplane.link.endpoint import Endpoint
from controlplane.link.hub import Hub
from controlplane.link.outbox import CONTROL_MAX
from controlplane.link.registration import Registration
from controlplane.link.relay import Relay
from controlplane.link.sampling import sample
from controlplane.link.upgrade import agents_first
from controlplane.listener import BACKLOG
from controlplane.measures import Measures, QueueFigures
from controlplane.settings import Settings, netloc
from controlplane.store.database import open_database
from controlplane.store.folder import locked_folder
from controlplane.store.identity import Identity, open_identity
from controlplane.store.rings import Rings
from controlplane.store.store import Store
from controlplane.store.tails import PENDING_MAX, Tails
from controlplane.web import door
from controlplane.web.dashboard import Dashboard
from controlplane.web.health import Pulse
from controlplane.web.metrics_durations import Durations
from controlplane.web.routes import application, page_routes, routes
from protocol.codec import FRAME_MAX
from protocol.handshake import secret_hash
from protocol.streams import Tail

REGISTER_PATH = "/api/agent/register"

FAREWELL_S = 1.0
"""For telling agents when to come back, before the sockets are closed."""

SHUTDOWN_S = 3
"""For requests that run when the Center is told to stop."""

TOKEN_BYTES = 32
CLUSTER_BYTES = 8

_log = logging.getLogger(__name__)


class Center:
    """The parts, joined: what `serve` runs. Tests look into it."""

    def __init__(self, settings: Settings, store: Store, identity: Identity, cluster: Cluster, token: str) -> None:
        self.settings = settings
        self.store = store
        self.identity = identity
        self.clock = SystemClock()
        self.hub = Hub(self.clock.now)
        self.measures = Measures()
        self.controller = Controller(
            cluster,
            store,
            self.hub,
            self.clock,
            handle=self.measures.timed(rules.handle),
            took=self.measures.commit.observe,
        )
        self.durations = Durations(self.measures, cluster)
        self.tails = Tails(settings.data)
        self.rings = Rings(settings.data)
        self.relay = Relay(self.clock.now, self._keep_tail)
        self.pulse = Pulse()
        version = metadata.version("ropeteam")
        self.copies = Copies(settings.data, settings.copies, version, self.clock.now, self.controller.ask)
        self.token = token
        """The admin token, when it was made just now; else ""."""

    def queues(self) -> tuple[QueueFigures, ...]:
        """Every queue that has a limit; of those there are many of, the longest."""
        feed = self.controller.feed
        return (
            QueueFigures(name="inbox", length=self.controller.status.waiting, limit=INBOX_MAX),
            QueueFigures(name="feed", length=feed.longest, limit=COMMITS_MAX, dropped=feed.dropped),
            QueueFigures(name="agent", length=self.hub.longest(), limit=CONTROL_MAX, dropped=self.hub.choked),
            QueueFigures(name="tails", length=self.tails.waiting, limit=PENDING_MAX, dropped=self.tails.dropped),
        )

    def _keep_tail(self, node: str, tail: Tail) -> None:
        """Keep last lines of a copy that the node has; of one that is forgotten already only if it had it."""
        replica = self.controller.cluster.replicas.get(tail.target.id)
        assigned = replica.assignments if replica is not None else ()
        self.tails.keep(node, tail, new=any((a.node, a.epoch) == (node, tail.target.epoch) for a in assigned))


async def run(settings: Settings, listener: socket.socket) -> None:
    """Run the Center until SIGTERM or SIGINT. Raises StoreRefused before anything is changed; StoreBroken later."""
    with _stop_signals() as stop, garbage.never_all():
        async with opened(settings) as center, asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(garbage.run(), name="garbage")
            await serve(center, listener, stop)
            collecting.cancel()


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Center]:
    """Lock and read the data folder, or make it. Raises StoreRefused."""
    with locked_folder(settings.data) as folder:
        async with open_database(folder) as store:
            meta, records = await store.load()
            identity = open_identity(folder, new_cluster=meta is None)
            meta = await _meta(store, meta, restored=settings.restored)
            token = await _admin_token(store, settings)
            nodes = {r.name: (r.state, r.held) for r in records if isinstance(r, Node)}
            now = SystemClock().now()
            watch = detector.first(now.mono, nodes)
            cluster = Cluster(meta, Volatile(watch=watch), clamp.clamped(records, now.wall))
            yield Center(settings, store, identity, cluster, token)


async def serve(center: Center, listener: socket.socket, stop: asyncio.Event) -> None:
    """Run until `stop`, then end in order: agents are told, requests get `SHUTDOWN_S`. Raises StoreBroken."""
    host, port = listener.getsockname()[:2]
    url = f"http://{netloc(host, port)}"
    web = await _door(center, url)
    dashboard = Dashboard(web)
    registration = Registration(center.controller, center.identity, center.clock.now)
    register = Route(REGISTER_PATH, registration.register, methods=["POST"])
    app = application([*routes(web), *page_routes(dashboard), register], plain=dashboard.plain)
    endpoint = Endpoint(center.controller, center.hub, center.relay, center.identity, center.clock.now)
    server = _Server(app, endpoint, listener, _greeting(url, center.token))
    await center.controller.tick()  # nobody shall read what the nodes were before this start as what they are
    async with asyncio.TaskGroup() as tasks:
        inner = [
            tasks.create_task(center.controller.run(), name="controller"),
            tasks.create_task(center.pulse.run(), name="pulse"),
            tasks.create_task(center.durations.run(center.controller.feed), name="durations"),
            tasks.create_task(center.tails.run(), name="tails"),
            tasks.create_task(center.rings.run(), name="rings"),
            tasks.create_task(
                sample(center.controller.cluster, center.hub.figures, center.rings, center.clock.now), name="sampling"
            ),
            tasks.create_task(dashboard.run(), name="dashboard"),
            tasks.create_task(center.copies.run(), name="copies"),
            tasks.create_task(endpoint.run(), name="agents"),
        ]
        if center.settings.join_file is not None:
            inner.append(tasks.create_task(joinfile.offer(web, center.settings.join_file), name="join file"))
        http = tasks.create_task(server.run_until_told(), name="http")
        await stop.wait()
        _log.info("stopping")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await center.hub.dismiss()
        server.should_exit = True
        await http
        for task in inner:
            task.cancel()


async def _door(center: Center, url: str) -> door.Door:
    """What the web ring may use."""
    return door.Door(
        controller=center.controller,
        figures=center.hub,
        relay=center.relay,
        tails=center.tails,
        rings=center.rings,
        journal=center.store,
        feed=center.controller.feed,
        settings=door.Settings(
            public_url=center.settings.public_url or url,
            admin_token_hash=await center.store.admin_token_hash(),
            fingerprint=center.identity.fingerprint,
            version=metadata.version("ropeteam"),
            image=center.settings.image,
            metrics_replicas=center.settings.metrics_replicas,
        ),
        now=center.clock.now,
        copies=center.copies,
        faults=center.controller.faults,
        lag_s=center.pulse.lag_s,
        status=lambda: center.controller.status,
        queues=center.queues,
        measures=center.measures,
    )


async def _meta(store: Store, meta: Meta | None, *, restored: bool) -> Meta:
    """The cluster's own row: made at the first start; with a new incarnation after a restore."""
    if meta is not None and not restored:
        return meta
    if meta is None:
        meta = Meta(cluster=secrets.token_hex(CLUSTER_BYTES))
    else:
        meta = adoption.begun(meta)
        _log.warning("restored from a backup: incarnation %d", meta.incarnation)
    await store.commit(Changes(puts=[meta]))
    return meta


async def _admin_token(store: Store, settings: Settings) -> str:
    """Keep the hash of the operator's token, or make one and return it to be shown this once; else ""."""
    known = await store.admin_token_hash()
    if settings.admin_token:
        wanted = secret_hash(settings.admin_token)
        if wanted != known:
            await store.set_admin_token_hash(wanted)
        return ""
    if known:
        return ""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    await store.set_admin_token_hash(secret_hash(token))
    return token


def _greeting(url: str, token: str) -> str:
    lines = [f"Ropeteam Center listening on {url}"]
    if token:
        lines.append(f"Admin token: {token}")
    return "".join(line + "\n" for line in lines)


class _Server(uvicorn.Server):
    """uvicorn on our socket, without its own signal handlers: it would raise SIGTERM again before our cleanup."""

    def __init__(self, app: ASGIApp, agents: Endpoint, listener: socket.socket, greeting: str) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=agents_first(agents),  # type: ignore[arg-type]  # typed as a class, called as a factory
                ws="websockets-sansio",
                loop="none",
                lifespan="off",
                ws_max_size=FRAME_MAX,
                ws_ping_interval=None,
                ws_ping_timeout=None,
                ws_per_message_deflate=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=SHUTDOWN_S,
                log_config=None,
                access_log=False,
                server_header=False,
            )
        )
        self._listener = listener
        self._greeting = greeting

    async def run_until_told(self) -> None:
        """Serve until `should_exit`."""
        await self.serve(sockets=[self._listener])
        if not self.should_exit:
            raise RuntimeError("the web server ended by itself")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; then tell where we are."""
        await super().startup(sockets)
        sys.stdout.write(self._greeting)
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `_stop_signals`."""
        yield


@contextlib.contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
