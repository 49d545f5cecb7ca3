"""A cluster to measure on, as records: nodes that are online, projects whose replicas all run. No I/O, no rules.

Used in memory by `decisions` and written into a store by `center`. What agents of it would report is here, too.
"""

from collections.abc import Iterator, Sequence

import msgspec

from controlplane.core import detector
from controlplane.core.cluster import Cluster, Meta, Volatile
from controlplane.core.detector import Sighting
from controlplane.core.fact import NodeUsage
from controlplane.core.node import Node
from controlplane.core.project import Project, Revision
from controlplane.core.record import Record
from controlplane.core.replica import Assignment, Replica
from protocol.messages import Capacity, ContainerBeat, ContainerReport, Heartbeat, Versions
from protocol.names import ReplicaId
from protocol.spec import HealthCheck, PortLease, PortSpec, ProjectSpec, ServiceSpec, fingerprint

GIB = 1024**3
WALL = 1_700_000_000.0
PROJECT_REPLICAS = 100
SERVICE = "web"
IMAGE = "registry.example.com/shop/web@sha256:" + "0" * 64


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """`keys`: public key of each node's agent, hex."""

    nodes: int
    replicas: int
    keys: Sequence[str] = ()

    def records(self) -> list[Record]:
        """Everything but the cluster's own row."""
        made: list[Record] = [node(i, self.keys[i] if self.keys else "") for i in range(self.nodes)]
        for number in range(-(-self.replicas // PROJECT_REPLICAS)):
            made += _project(f"p{number}")
        made += [self.replica(i) for i in range(self.replicas)]
        return made

    def replica(self, i: int) -> Replica:
        """The i-th of all replicas; they go round the nodes."""
        key = ReplicaId(f"p{i // PROJECT_REPLICAS}", SERVICE, i % PROJECT_REPLICAS + 1)
        port = PortLease(container=80, host=20000 + i // self.nodes)
        wanted = Assignment(
            node=name(i % self.nodes),
            epoch=1,
            revision=1,
            ports=(port,),
            state="running",
            health="healthy",
            since=WALL,
            running_since=WALL,
            state_seq=1,
            container_id=f"{i:064x}",
        )
        return Replica(id=key, revision=1, epoch=1, wanted=wanted)

    def on(self, node: int) -> Iterator[Replica]:
        """The replicas of one node."""
        return (self.replica(i) for i in range(node, self.replicas, self.nodes))

    def cluster(self, mono: float) -> Cluster:
        """All of it in memory, every node online and heard at `mono`."""
        volatile = Volatile(watch=detector.first(mono - 100, {}), usage=self.usage(), retry_at=mono + 1e6)
        return Cluster(Meta(cluster="bench"), volatile, self.records())

    def usage(self) -> dict[str, NodeUsage]:
        """What every node's last heartbeat said."""
        return {
            name(i): NodeUsage(
                cpu_usage=5.0 + i % 7,
                mem_free=(20 + i % 5) * GIB,
                disk_free=0.5,
                ports=frozenset(lease.host for r in self.on(i) if r.wanted for lease in r.wanted.ports),
                seen=frozenset((str(r.id), 1) for r in self.on(i)),
            )
            for i in range(self.nodes)
        }

    def sightings(self, silent: dict[str, float]) -> dict[str, Sighting]:
        """All nodes heard a second ago, but those in `silent` (name -> seconds)."""
        heard = Sighting(silent_s=1.0, connected=True)
        made = {name(i): heard for i in range(self.nodes)}
        for node_name, silent_s in silent.items():
            made[node_name] = Sighting(silent_s=silent_s, connected=True)
        return made


def name(i: int) -> str:
    """Of the i-th node."""
    return f"node-{i:04d}"


def agent_id(i: int) -> str:
    """Of the i-th node's agent."""
    return f"{i:016x}"


def node(i: int, key: str) -> Node:
    """The i-th node, online."""
    return Node(
        name=name(i),
        agent_id=agent_id(i),
        public_key=key,
        address=f"10.0.{i // 250}.{i % 250 + 1}",
        registered_at=WALL,
        labels={"region": "north" if i % 2 else "south"},
        capacity=capacity(),
        versions=versions(),
        engine_id=f"engine-{i}",
        boot_id="boot-1",
        session_epoch=1,
        state="online",
    )


def capacity() -> Capacity:
    """Of every node."""
    return Capacity(cpus=16.0, memory=64 * GIB, disk=500 * GIB)


def versions() -> Versions:
    """Of every node."""
    return Versions(agent="0.1.0", engine="20.10.24", engine_api="1.41", os="linux", arch="x86_64", kernel="6.1.0")


def spec(code: str, replicas: int) -> ProjectSpec:
    """A project of one service with the settings that services have."""
    service = ServiceSpec(
        name=SERVICE,
        image=IMAGE,
        replicas=replicas,
        environment={f"SETTING_{i}": f"value number {i}" for i in range(8)},
        ports=(PortSpec(container=80),),
        health=HealthCheck(test=("CMD", "wget", "-q", "-O", "-", "http://127.0.0.1/healthz")),
        networks={"default": ()},
    )
    return ProjectSpec(code=code, services={SERVICE: service})


def _project(code: str) -> list[Record]:
    wanted = spec(code, PROJECT_REPLICAS)
    revision = Revision(project=code, number=1, spec=wanted, fingerprint=fingerprint(wanted), pins={SERVICE: IMAGE})
    return [Project(code=code, revision=1, last_revision=1, created_at=WALL), revision]


def reports(replicas: Sequence[Replica]) -> tuple[ContainerReport, ...]:
    """An inventory that tells nothing new."""
    return tuple(
        ContainerReport(
            project=r.id.project,
            service=r.id.service,
            replica=r.id.index,
            epoch=1,
            state="running",
            state_seq=1,
            health="healthy",
            container_id=r.wanted.container_id,
            ports=r.wanted.ports,
        )
        for r in replicas
        if r.wanted is not None
    )


def heartbeat(agent: str, replicas: Sequence[Replica]) -> Heartbeat:
    """What an agent with these containers sends every few seconds."""
    return Heartbeat(
        agent_id=agent,
        seq=1,
        cpu_usage=12.5,
        mem_free_mb=20480.0,
        disk_free_gb=250.5,
        load=0.75,
        mem_total_mb=65536.0,
        disk_total_gb=500.0,
        ports=(22, *(lease.host for r in replicas if r.wanted for lease in r.wanted.ports)),
        containers=tuple(
            ContainerBeat(
                project_code=r.id.project,
                service=r.id.service,
                replica=r.id.index,
                epoch=1,
                status="running",
                health="healthy",
                uptime="3h25m",
                cpu_usage=1.5,
                mem_mb=48.25,
            )
            for r in replicas
        ),
    )
