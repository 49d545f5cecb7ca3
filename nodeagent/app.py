"""Puts the agent together and runs it until a signal: identity, journal, Docker, core, link (DESIGN §2, process rules).

The one place that knows every part. Containers outlive it: a stop of the agent is a restart, not a leave.
"""

import asyncio
import logging
import platform
import signal
from collections.abc import Callable
from importlib import metadata

from nodeagent.addresses import checked_center
from nodeagent.copies import Copies
from nodeagent.core.container import Container, Docker, DockerFault, EngineInfo
from nodeagent.core.events import Memory
from nodeagent.core.node import NodeState
from nodeagent.core.steps import ReadTail, Step
from nodeagent.docker import LocalDocker
from nodeagent.execs import Execs
from nodeagent.executor import Executor
from nodeagent.heartbeat import make_heartbeat
from nodeagent.host import boot_id, claim_folder
from nodeagent.hostports import taken_port
from nodeagent.housing import Housing, check, find_housing
from nodeagent.identity import Identity, load_identity, save_identity
from nodeagent.images import Images
from nodeagent.journal import Journal, Remembered
from nodeagent.keys import new_seed
from nodeagent.link import Link
from nodeagent.logs import Logs, Tails
from nodeagent.loop import Loop, clock
from nodeagent.meters import Meters
from nodeagent.prober import Prober
from nodeagent.register import join
from nodeagent.ring import Ring
from nodeagent.selfcheck import answer_checks
from nodeagent.session import StreamsMaker
from nodeagent.settings import Settings, SettingsError
from nodeagent.shipping import Shipper
from nodeagent.streams import Streams
from nodeagent.upgrading import Upgrading
from nodeagent.watcher import Watcher
from protocol import handshake
from protocol.api import RegisterRequest
from protocol.messages import PROTOCOL, Capacity, Heartbeat, Hello, Versions
from protocol.spec import PortLease

ENGINE_ASK_S = 5.0
DISK_ROOT = "/var/lib/docker"
"""Where an engine that does not answer probably keeps its data."""
FIRST_LOOK_S = 5.0
"""How long the first session waits to know the containers; then it says that the engine does not answer."""

log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises SettingsError, HousingError, FolderBusy, IdentityError, JoinRefused, OSError
    before the agent is up; afterwards nothing ends it but a signal or a bug.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with claim_folder(settings.data):
        async with asyncio.TaskGroup() as group:
            agent = Agent(settings)
            lives = (
                group.create_task(agent.live(), name="agent"),
                group.create_task(answer_checks(settings.data), name="checks"),
            )
            await stop.wait()
            log.info("stopping; containers go on")
            await agent.leave()
            for life in lives:
                life.cancel()


class Agent:
    """One agent with its parts. `docker`: connects to the engine as one cluster and node."""

    def __init__(self, settings: Settings, docker: Callable[[str, str], Docker] | None = None) -> None:
        self._settings = settings
        self._find_housing = docker is None
        self._housing = Housing()
        self._docker = docker or self._local_docker
        self._link: Link | None = None
        self._upgrading = Upgrading(settings.docker, "", settings.data)
        self._image = ""

    async def live(self) -> None:
        """Join if need be, then hold the rope and keep the containers, until cancelled."""
        settings = self._settings
        if self._find_housing:
            self._housing = await find_housing(settings.docker)
            check(self._housing, address=settings.address, bind_roots=settings.bind_roots)
            self._upgrading = Upgrading(settings.docker, self._housing.container, settings.data)
            self._image = await self._upgrading.own_image()
        journal = Journal(settings.data)
        remembered = await asyncio.to_thread(journal.load)
        for trouble in remembered.troubles:
            log.error("%s", trouble)
        identity = await asyncio.to_thread(load_identity, settings.data)
        if identity is None or not identity.registered or (remembered.memory.removed and settings.join is not None):
            remembered = Remembered(memory=Memory(), tasks=())
            await asyncio.to_thread(journal.clear)
            identity = await self._join(identity)
        center = settings.center or checked_center(identity.center_url, insecure=True)
        log.info("node %s of cluster %s, Center %s", identity.node, identity.cluster, center)
        docker = self._docker(identity.cluster, identity.node)
        try:
            await self._work(center, identity, journal, remembered, docker)
        finally:
            await docker.close()

    async def leave(self) -> None:
        """Say goodbye to the Center, if there is a session."""
        if self._link is not None:
            await self._link.leave()

    async def _work(
        self, center: str, identity: Identity, journal: Journal, remembered: Remembered, docker: Docker
    ) -> None:
        boot = await asyncio.to_thread(boot_id, own_init=self._housing.host_pids)
        state = NodeState(boot_id=boot, memory=remembered.memory, tasks=remembered.tasks, now=clock())
        meters = self._meters(docker, await _engine(docker), state.containers)
        async with asyncio.TaskGroup() as group:

            def begin(step: Step) -> None:
                if isinstance(step, ReadTail):
                    tails.begin(step)
                else:
                    executor.begin(step)

            def hello(nonce: str) -> Hello:
                return self._hello(nonce, identity, state, boot, meters.capacity())

            def heartbeat(seq: int) -> Heartbeat:
                kept = core.kept.desired
                beat = make_heartbeat(
                    seq,
                    identity.agent_id,
                    meters.latest,
                    state,
                    revision=kept.revision if kept else 0,
                    wall=clock().wall,
                )
                return images.carried_by(beat)

            core = Loop(
                state,
                journal,
                begin=begin,
                send=lambda send: link.send(send),
                relook=lambda: watcher.relist(),
                probe=lambda word: prober.aim(word),
            )
            shipper, streams = self._streams(docker, state)
            images = self._images(docker, journal, remembered, meters, state)
            executor = self._executor(docker, group, core, images, shipper)
            tails = Tails(docker, group, core.post)
            watcher = Watcher(docker, core.post)
            prober = Prober(docker, core.post, now=clock)
            post = self._upgrading.overhearing(images.overhearing(core.post))
            link = Link(center, identity, hello=hello, heartbeat=heartbeat, post=post, streams=streams)
            self._link = link
            group.create_task(core.run(), name="core")
            group.create_task(watcher.run(), name="watcher")
            group.create_task(prober.run(), name="prober")
            group.create_task(executor.sweep(), name="sweep")
            group.create_task(meters.run(), name="meters")
            group.create_task(images.run(), name="images")
            try:
                async with asyncio.timeout(FIRST_LOOK_S):
                    await watcher.looked.wait()
            except TimeoutError:
                log.warning("the Docker Engine at %s does not answer", self._settings.docker)
            group.create_task(link.run(), name="link")

    def _streams(self, docker: Docker, state: NodeState) -> tuple[Shipper, StreamsMaker]:
        """What people look into containers with."""
        ring, copies = Ring(self._settings.data / "logs"), Copies(state.assignments)
        shipper = Shipper(docker, ring, state.containers)
        logs = Logs(docker, ring, copies)
        execs = Execs(docker, copies, allowed=not self._settings.no_exec)
        return shipper, lambda bulk, send: Streams(bulk, send, logs=logs, execs=execs, shipper=shipper)

    def _executor(
        self, docker: Docker, group: asyncio.TaskGroup, core: Loop, images: Images, shipper: Shipper
    ) -> Executor:
        return Executor(
            docker,
            group,
            core.post,
            images=images,
            before_remove=shipper.removing,
            port_test=self._port_test,
            replace=self._upgrading.replace,
        )

    def _images(
        self, docker: Docker, journal: Journal, remembered: Remembered, meters: Meters, state: NodeState
    ) -> Images:
        """Only the disk of an engine on this machine is known to be short."""
        here = self._settings.docker.startswith("unix:")
        return Images(
            docker,
            journal,
            remembered.images,
            share=lambda: meters.free_share if here else 1.0,
            measure=meters.measure_free_share,
            wanted=lambda: {item.want.image for item in state.assignments() if item.want is not None},
            now=clock,
        )

    async def _join(self, known: Identity | None) -> Identity:
        """Register and keep the identity. The key is on disk first: a lost answer is asked for again with the same."""
        settings = self._settings
        if settings.join is None or not settings.center:
            raise SettingsError(
                f"{settings.data} has no identity yet: --center URL and --join TOKEN are needed the first time "
                "(make a token with: rope token create)"
            )
        pending = known if known is not None and not known.registered else Identity(seed=new_seed())
        await asyncio.to_thread(save_identity, settings.data, pending)
        docker = self._docker("", "")
        try:
            engine = await _engine(docker)
            capacity = self._meters(docker, engine, tuple).capacity()
            request = self._request(settings.join, pending, engine, capacity)
        finally:
            await docker.close()
        identity = await join(settings.center, settings.join, request, pending.seed)
        await asyncio.to_thread(save_identity, settings.data, identity)
        return identity

    def _request(
        self, token: handshake.JoinToken, identity: Identity, engine: EngineInfo | None, capacity: Capacity
    ) -> RegisterRequest:
        settings = self._settings
        public_key = identity.key.public
        claim = handshake.register_claim(str(token), public_key, settings.name)
        return RegisterRequest(
            token=str(token),
            name=settings.name,
            public_key=public_key,
            signature=identity.key.sign(claim),
            address=settings.address,
            labels=settings.labels,
            weight=settings.weight,
            capacity=capacity,
            versions=versions(engine, self._image),
            engine_id=engine.id if engine else "",
            protocol=PROTOCOL,
        )

    def _hello(self, nonce: str, identity: Identity, state: NodeState, boot: str, capacity: Capacity) -> Hello:
        settings, engine = self._settings, state.engine
        incarnation, revision = state.authority
        return Hello(
            agent_id=identity.agent_id,
            nonce=nonce,
            protocol=PROTOCOL,
            boot_id=boot,
            versions=versions(engine, self._image),
            capacity=capacity,
            engine_id=engine.id if engine else "",
            incarnation=incarnation,
            revision=revision,
            port_from=settings.port_from,
            port_to=settings.port_to,
            bind_roots=settings.bind_roots,
        )

    def _local_docker(self, cluster: str, node: str) -> Docker:
        settings = self._settings
        return LocalDocker(
            settings.docker,
            cluster=cluster,
            node=node,
            bind_roots=settings.bind_roots,
            subnet_pool=settings.subnet_pool,
            own=self._housing.container,
        )

    def _meters(
        self, docker: Docker, engine: EngineInfo | None, containers: Callable[[], tuple[Container, ...]]
    ) -> Meters:
        return Meters(
            docker,
            self._housing.visible(engine.disk_root if engine else DISK_ROOT),
            containers,
            port_from=self._settings.port_from,
            port_to=self._settings.port_to,
            sees_ports=self._housing.host_network,
        )

    def _port_test(self, leases: tuple[PortLease, ...]) -> PortLease | None:
        """Only an engine on this machine publishes ports that can be tried here, in the machine's own network."""
        here = self._settings.docker.startswith("unix:") and self._housing.host_network
        return taken_port(leases) if here else None


async def _engine(docker: Docker) -> EngineInfo | None:
    try:
        async with asyncio.timeout(ENGINE_ASK_S):
            return await docker.info()
    except (DockerFault, TimeoutError) as error:
        log.warning("the Docker Engine does not answer yet: %s", error or "no answer in time")
        return None


def versions(engine: EngineInfo | None, image: str = "") -> Versions:
    """What runs here; without an engine that answers, what the machine itself knows. `image`: the agent's own."""
    agent = _own_version()
    if engine is None:
        return Versions(agent=agent, os=platform.system().lower(), kernel=platform.release(), image=image)
    return Versions(
        agent=agent,
        engine=engine.version,
        engine_api=engine.api,
        os=engine.os,
        arch=engine.arch,
        kernel=engine.kernel,
        image=image,
    )


def _own_version() -> str:
    try:
        return metadata.version("ropeteam")
    except metadata.PackageNotFoundError:
        return "source"
