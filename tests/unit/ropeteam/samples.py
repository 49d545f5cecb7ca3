"""Objects of the API."""

import msgspec

from protocol.api import (
    DeployAnswer,
    DeploymentView,
    EventView,
    NodeResources,
    NodeView,
    PortView,
    ProjectView,
    ReplicaView,
    ServiceView,
    StepView,
)
from protocol.messages import Versions

AT = "2026-11-22T12:04:14.123Z"


def node(name: str = "node-1", **fields: object) -> NodeView:
    resources = NodeResources(
        cpus=4, cpus_reserved=0.2, cpu_usage=12.4, mem_total_mb=8192, mem_free_mb=5000, mem_reserved_mb=128,
        disk_total_gb=100, disk_free_gb=60.5, load=0.5, ports=(20001,),
    )  # fmt: skip
    made = NodeView(
        name=name, agent_id="a1", state="online", held=False, address="10.0.0.1", labels={"region": "北京"}, weight=1,
        draining=False, unschedulable=None, engine_ok=True, resources=resources, tasks=(), versions=Versions(),
        connected=True, last_seen_s=2.0, registered_at=AT,
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


def replica(index: int = 1, **fields: object) -> ReplicaView:
    port = PortView(container=80, host=20000 + index, protocol="tcp", address=f"10.0.0.1:{20000 + index}")
    made = ReplicaView(
        service="web", replica=index, state="running", health="healthy", node="node-1", epoch=1, revision=2,
        ports=(port,), since=AT, reason="", moves=0, restarts=0, outgoing=None,
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


def project(**fields: object) -> ProjectView:
    service = ServiceView(name="web", image="web:1", pinned="", wanted=2, running=2, healthy=2)
    made = ProjectView(
        code="shop", state="running", message="2 of 2 healthy", revision=2, revisions=(1, 2), services=(service,),
        replicas=(replica(1), replica(2)), deployment=None, created_at=AT,
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


def step(name: str, state: str, reason: str = "") -> StepView:
    return StepView(name=name, state=state, reason=reason, task=None, started_at=AT, ended_at=None)


def deployment(state: str = "running", *steps: StepView, **fields: object) -> DeploymentView:
    made = DeploymentView(
        id=7, project="shop", kind="update", state=state, revision=2, reason="", warnings=(), steps=steps,
        actor="admin", created_at=AT, started_at=AT, ended_at=None,
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


def accepted(**fields: object) -> DeployAnswer:
    made = DeployAnswer(unchanged=False, project="shop", revision=2, deployment=deployment())
    return msgspec.structs.replace(made, **fields)


def event(seq: int, text: str = "", **fields: object) -> EventView:
    made = EventView(seq=seq, at=AT, kind="k", text=text or f"event {seq}", cause=seq)
    return msgspec.structs.replace(made, **fields)
