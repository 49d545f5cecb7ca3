"""A cluster in memory for tests of the core: real decisions, agents that obey at once or when told to, virtual time.

Each agent keeps what desired state tells it, reports containers as running after `start_s`, and answers task orders.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from controlplane.core import center, detector
from controlplane.core.action import CloseSession, SendDelta, SendFull, SendOrder, SendRelist, SendStopConfirmed
from controlplane.core.cluster import KEYS, UNSTORED, Cluster, Meta, Volatile
from controlplane.core.command import Command, CreateTicket, Deploy, OpenSession, Register
from controlplane.core.deployment import ENDED
from controlplane.core.detector import Sighting
from controlplane.core.fact import Fact, Listed, NodeUsage, Reported, SessionClosed, Synced, TaskReported, Tick
from controlplane.core.record import Now
from controlplane.core.replica import Replica, ref
from protocol.messages import Capacity, ContainerRef, ContainerReport, Hello, TaskUpdate, Versions
from protocol.names import ReplicaId
from protocol.spec import HealthCheck, Placement, PortSpec, ProjectSpec, ServiceSpec
from tests.unit.controlplane.core.machine import Agent, Container

GIB = 1024**3
CHECK = HealthCheck(test=("CMD", "true"))


def a_service(name: str = "web", **fields: Any) -> ServiceSpec:
    """A service with one automatic port and no health check."""
    return ServiceSpec(**{"name": name, "image": "web:1", "ports": (PortSpec(container=80),), **fields})


def a_project(code: str = "shop", *services: ServiceSpec) -> ProjectSpec:
    """A project of these services, or of one."""
    made = services or (a_service(),)
    return ProjectSpec(code=code, services={s.name: s for s in made})


class World:
    """Cluster, agents and time."""

    def __init__(self, names: Iterable[str] = ("node-1", "node-2", "node-3"), *, start_s: float = 0.5) -> None:
        self.mono = 1000.0
        self.start_s = start_s
        self.job_s = 3.0
        self.seq = 0
        self.cluster = Cluster(Meta(cluster="c1"), Volatile(watch=detector.first(self.mono, {})))
        self.agents: dict[str, Agent] = {}
        self.last_seen: dict[str, float] = {}
        self.aborted: set[str] = set()
        self.events: list[Any] = []
        self.commits = 0
        self.crash_at = 0
        """The Center dies right after this commit, before it has sent anything; 0 = never."""
        self.mem_free = 4 * GIB
        for name in names:
            self.add(name)
        self.run(1.0)

    @property
    def now(self) -> Now:
        """Virtual time; wall is far from monotonic on purpose."""
        return Now(self.mono, self.mono + 1_700_000_000.0)

    # -- driving ----------------------------------------------------------------------------------------------------

    def send(self, event: Fact | Command) -> Any:
        """One decision, committed at once, its actions carried out."""
        outcome = center.handle(self.cluster, event, self.now)
        if outcome.changes.stored:
            self.commits += 1
        self.events += outcome.changes.events
        self.cluster.apply(outcome.changes)
        if outcome.changes.stored and self.commits == self.crash_at:
            self.restart_center()
            return outcome.reply
        for action in outcome.actions:
            self._act(action)
        return outcome.reply

    def run(self, seconds: float) -> None:
        """Let time pass in ticks."""
        for _ in range(round(seconds / center.TICK_S)):
            self.mono += center.TICK_S
            for agent in self.agents.values():
                if agent.on and agent.linked:
                    self.last_seen[agent.name] = self.mono
                    self._work(agent)
                elif agent.on:
                    self._obey(agent)
            self.send(Tick(sightings=self._sightings(), usage=self._usage()))

    def until(self, what: Any, limit_s: float = 60.0) -> float:
        """Run until `what()` is true; gives the seconds it took. Fails after the limit."""
        begin = self.mono
        while not what():
            assert self.mono - begin < limit_s, f"not within {limit_s} s:\n" + "\n".join(self.story()[-30:])
            self.run(center.TICK_S)
        return self.mono - begin

    def add(self, name: str, **fields: Any) -> Agent:
        """Register an agent and connect it."""
        self.send(CreateTicket(id=f"k-{name}", secret_hash="h", ttl_s=900))
        self.send(
            Register(
                ticket=f"k-{name}",
                secret_hash="h",
                agent_id=f"id-{name}",
                name=name,
                public_key=f"pk-{name}",
                address=f"10.0.0.{len(self.agents) + 11}",
                **fields,
            )
        )
        agent = self.agents[name] = Agent(name)
        self.connect(name)
        return agent

    def connect(self, name: str) -> None:
        """A new session of an agent."""
        agent = self.agents[name]
        agent.on = agent.linked = True
        opened = self.send(
            OpenSession(agent_id=f"id-{name}", hello=hello_of(agent), containers=tuple(self._reports(agent)))
        )
        agent.epoch = opened.session_epoch
        self.aborted.discard(name)
        self.last_seen[name] = self.mono
        self.send(Synced(node=name, session_epoch=agent.epoch))

    def same_engine(self, name: str) -> None:
        """The agent shares one Docker Engine with others of which this was said."""
        self.agents[name].engine = "one"
        self.connect(name)

    def restart_center(self) -> None:
        """The Center dies and comes back with what was committed; agents reconnect."""
        old = self.cluster
        records = [r for kind in KEYS if kind not in (Meta, *UNSTORED) for r in old.table(kind).values()]
        nodes = {n.name: (n.state, n.held) for n in old.nodes.values()}
        self.cluster = Cluster(old.meta, Volatile(watch=detector.first(self.mono, nodes)), records)
        self.last_seen.clear()
        self.send(Tick(sightings=self._sightings(), usage={}))
        for name, agent in self.agents.items():
            if agent.on and agent.linked:
                self.connect(name)

    def power_off(self, name: str) -> None:
        """Everything of the machine is gone at once, without a word."""
        self.agents[name].on = False
        self.agents[name].running.clear()

    def cut(self, name: str) -> None:
        """Its cable is pulled; it runs on."""
        self.agents[name].linked = False

    def abort(self, name: str) -> None:
        """The Center sees its socket die."""
        self.cut(name)
        self.aborted.add(name)
        self.send(SessionClosed(node=name, session_epoch=self.agents[name].epoch, clean=False, reason="reset"))

    # -- reading ----------------------------------------------------------------------------------------------------

    def replicas(self, project: str = "shop") -> list[Replica]:
        """The project's replicas by id."""
        return [self.cluster.replicas[k] for k in sorted(self.cluster.of_project.get(project, ()))]

    def states(self, project: str = "shop") -> list[tuple[str, str, str]]:
        """(replica, state, node) of each."""
        return [
            (f"{r.id.service}/{r.id.index}", r.state, r.wanted.node if r.wanted else "") for r in self.replicas(project)
        ]

    def all_running(self, project: str = "shop", count: int | None = None) -> bool:
        """Every replica runs under its wanted epoch, and there are `count`."""
        found = self.replicas(project)
        return (count is None or len(found) == count) and all(r.state == "running" for r in found)

    def alive(self, key: ReplicaId) -> list[tuple[str, int]]:
        """(node, epoch) of each container of a replica on machines that are on."""
        return [(a.name, c.epoch) for a in self.agents.values() if a.on for c in a.running if c.id == key]

    def deployment(self, number: int) -> Any:
        """The deployment's record."""
        return self.cluster.deployments[number]

    def story(self) -> list[str]:
        """The journal's sentences."""
        return [f"{e.seq}<{e.cause} {e.kind}: {e.text}" for e in self.events]

    def reports(self, name: str) -> list[ContainerReport]:
        """What an agent would say of its containers now."""
        return self._reports(self.agents[name])

    # -- agents -----------------------------------------------------------------------------------------------------

    def _act(self, action: Any) -> None:
        agent = self.agents.get(action.node)
        if agent is None or not agent.linked or not agent.on:
            return
        match action:
            case SendFull():
                agent.desired = {ref(r.id, r.epoch): r for r in action.replicas}
            case SendDelta():
                for want in action.replicas:
                    agent.desired[ref(want.id, want.epoch)] = want
                for gone in action.drop:
                    agent.desired.pop(gone, None)
            case SendOrder():
                agent.orders.append(action.order.task)
            case SendRelist():
                self.send(
                    Listed(
                        node=agent.name,
                        session_epoch=agent.epoch,
                        containers=tuple(self._reports(agent)),
                        engine_ok=True,
                    )
                )
            case CloseSession() | SendStopConfirmed():
                pass

    def _work(self, agent: Agent) -> None:
        gone = self._obey(agent)
        self.send(
            Reported(
                node=agent.name, session_epoch=agent.epoch, containers=tuple(self._reports(agent)), gone=tuple(gone)
            )
        )
        orders, agent.orders = agent.orders, []
        for number in orders:
            self._answer(agent, number)

    def _obey(self, agent: Agent) -> list[ContainerRef]:
        gone = [r for r in agent.running if r not in agent.desired]
        for stale in gone:
            del agent.running[stale]
        for key, want in agent.desired.items():
            have = agent.running.get(key)
            if have is None:
                agent.running[key] = Container(want=want, started_at=self.mono)
            elif (code := agent.ends.get(want.spec.image)) is not None and have.state == "running":
                if self.mono - have.started_at >= self.start_s + self.job_s:
                    have.state, have.exit_code = ("failed" if code else "stopped"), code
                    have.reason, have.tail = f"exited with code {code}", ("last words",) if code else ()
            elif (
                have.state in ("starting", "failed")
                and (have.exit_code is None or want.spec.restart != "no")
                and not have.gave_up
                and self.mono - have.started_at >= self.start_s
            ):
                self._started(agent, have)
        return gone

    def _started(self, agent: Agent, container: Container) -> None:
        if container.code == "port_taken":
            return
        if agent.busy_ports:
            agent.busy_ports -= 1
            container.state, container.code, container.reason = "failed", "port_taken", "port is taken"
            return
        reason = agent.fails.get(container.want.spec.image)
        if reason is not None:
            container.state, container.reason, container.exit_code = "failed", reason, 1
            container.restarts += 1
            container.gave_up = container.restarts >= 5
            container.started_at = self.mono
        else:
            container.state = "running"
            sick = container.want.spec.image in agent.sick
            container.health = ("unhealthy" if sick else "healthy") if container.want.spec.health else "none"

    def _answer(self, agent: Agent, number: str) -> None:
        task = self.cluster.tasks[number]
        result = agent.images.get(
            task.image, f"{task.image.split(':')[0]}@sha256:{sha256(task.image.encode()).hexdigest()}"
        )
        if task.kind == "restart" and task.target in agent.running:
            container = agent.running[task.target]
            container.started_at, container.state, container.restarts = self.mono, "starting", container.restarts + 1
        if task.kind == "upgrade":
            agent.replacing = number
            return
        update = TaskUpdate(task=number, state="done", result=result if task.kind == "resolve" else "")
        if task.kind == "pull" and agent.deaf:
            return
        if task.kind == "pull" and agent.unpullable:
            update = TaskUpdate(task=number, state="failed", reason="the registry does not answer")
        if task.image in agent.unknown:
            update = TaskUpdate(task=number, state="failed", reason=f"nobody knows {task.image}")
        self.send(TaskReported(node=agent.name, session_epoch=agent.epoch, update=update))

    def _reports(self, agent: Agent) -> list[ContainerReport]:
        found = []
        for key, c in agent.running.items():
            self.seq += 1
            found.append(
                ContainerReport(
                    project=key.project,
                    service=key.service,
                    replica=key.replica,
                    epoch=key.epoch,
                    state=c.state,  # type: ignore[arg-type]  # one of the words
                    state_seq=self.seq,
                    health=c.health,
                    restarts=c.restarts,
                    reason=c.reason,
                    code=c.code,  # type: ignore[arg-type]  # one of the words
                    gave_up=c.gave_up,
                    exit_code=c.exit_code,
                    log_tail=c.tail,
                    up_s=self.mono - c.started_at if c.state == "running" else 0.0,
                )
            )
        return found

    def _sightings(self) -> dict[str, Sighting]:
        return {
            name: Sighting(
                silent_s=self.mono - self.last_seen[name],
                connected=name not in self.aborted,
                aborted=name in self.aborted,
            )
            for name in self.last_seen
        }

    def _usage(self) -> dict[str, NodeUsage]:
        return {
            a.name: NodeUsage(
                cpu_usage=5.0,
                mem_free=self.mem_free,
                disk_free=0.5,
                seen=frozenset((str(r.id), r.epoch) for r in a.running),
            )
            for a in self.agents.values()
        }


def deployed(world: World, *services: ServiceSpec, code: str = "shop", limit_s: float = 60.0) -> int:
    """Deploy and wait for its end; gives the deployment's number."""
    accepted = world.send(Deploy(spec=a_project(code, *services)))
    world.until(lambda: world.deployment(accepted.deployment).state in ENDED, limit_s)
    return int(accepted.deployment)


def a_hello(name: str, engine: str) -> Hello:
    """What an agent like others says."""
    agent = Agent(name)
    agent.engine = engine
    return hello_of(agent)


def hello_of(agent: Agent) -> Hello:
    """What this agent says."""
    return Hello(
        agent_id=f"id-{agent.name}",
        nonce="00",
        protocol=agent.protocol,
        boot_id="b1",
        versions=Versions(agent=agent.version, os="linux", arch="amd64", image=agent.image),
        capacity=Capacity(cpus=4.0, memory=8 * GIB, disk=100 * GIB),
        engine_id=agent.engine,
    )


__all__ = ["CHECK", "Agent", "Placement", "PortSpec", "World", "a_project", "a_service", "deployed"]
