"""A small cluster made of records: two nodes, one project of three replicas. For tests of what is shown of it."""

from collections.abc import Iterable

import msgspec

from controlplane.core import detector
from controlplane.core.cluster import Cluster, Meta, Volatile
from controlplane.core.node import Node
from controlplane.core.project import Project, Revision
from controlplane.core.record import Now, Record
from controlplane.core.replica import Assignment, Replica
from protocol.messages import Capacity
from protocol.names import ReplicaId
from protocol.spec import HealthCheck, PortLease, ProjectSpec, ServiceSpec

WALL = 1_795_000_000.0
NOW = Now(mono=1000.0, wall=WALL)
CHECK = HealthCheck(test=("CMD", "true"))
WEB = ServiceSpec(name="web", image="web:1", replicas=3, health=CHECK)


def node(name: str, number: int, **fields: object) -> Node:
    """An online node at 10.0.0.`number`."""
    made = Node(
        name=name,
        agent_id=f"agent-{number}",
        public_key="00",
        address=f"10.0.0.{number}",
        registered_at=WALL - 1000,
        state="online",
        capacity=Capacity(cpus=4, memory=8 << 30, disk=100 << 30),
    )
    return msgspec.structs.replace(made, **fields)


def assignment(where: str, epoch: int = 1, **fields: object) -> Assignment:
    """Running and healthy since an hour, on host port 20000 + epoch."""
    made = Assignment(
        node=where,
        epoch=epoch,
        revision=1,
        ports=(PortLease(container=80, host=20000 + epoch),),
        state="running",
        health="healthy",
        since=WALL - 3600,
        running_since=WALL - 3600,
    )
    return msgspec.structs.replace(made, **fields)


def replica(index: int, where: str, service: str = "web", **fields: object) -> Replica:
    """`shop/<service>/<index>` on a node; `fields` are the assignment's."""
    wanted = assignment(where, index, **fields)
    return Replica(id=ReplicaId("shop", service, index), revision=1, epoch=wanted.epoch, wanted=wanted)


def project(**fields: object) -> Project:
    """`shop` at revision 1."""
    made = Project(code="shop", revision=1, last_revision=1, created_at=WALL - 4000)
    return msgspec.structs.replace(made, **fields)


def revision(*services: ServiceSpec) -> Revision:
    """Revision 1 of `shop`."""
    spec = ProjectSpec(code="shop", services={s.name: s for s in services or (WEB,)})
    return Revision(project="shop", number=1, spec=spec, fingerprint="f", pins={"web": "web@sha256:ab"})


def cluster(*records: Record) -> Cluster:
    """A cluster with these records only."""
    return Cluster(Meta(cluster="c1", event_seq=0), Volatile(watch=detector.first(0.0, {})), records)


def shop(replicas: Iterable[Replica] = (), **fields: object) -> Cluster:
    """Nodes node-1 and node-2 and the project `shop` with these replicas; all healthy unless given."""
    found = tuple(replicas) or (replica(1, "node-1"), replica(2, "node-2"), replica(3, "node-1"))
    return cluster(node("node-1", 1), node("node-2", 2), project(**fields), revision(), *found)
