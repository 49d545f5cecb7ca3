"""What people deploy in the simulation: projects of several services with ports, data, dependencies and policies.

Made from a seed; knows no Center. Used by `operators`.
"""

import random
from typing import Any

import msgspec

from protocol.spec import (
    Canary,
    Constraint,
    Dependency,
    FailoverPolicy,
    HealthCheck,
    Mount,
    Placement,
    PortSpec,
    Probe,
    ProjectSpec,
    ServiceSpec,
    UpdateConfig,
)

CHECK = HealthCheck(test=("CMD", "true"))
PROBE = Probe(kind="tcp", port=83, interval_s=20.0, retries=2)
EDGE_PORT = 8000
"""Two projects want this port: on different nodes, which is possible on three."""


def made(chance: random.Random, replicas_min: int) -> dict[str, ProjectSpec]:
    """At least three projects with so many replicas in all, by their codes."""
    found: dict[str, ProjectSpec] = {}
    total = 0
    while total < replicas_min or len(found) < 3:
        code = f"p{len(found) + 1}"
        services = _services(chance, edges=1 if len(found) < 2 else 0)
        found[code] = ProjectSpec(code=code, services={s.name: s for s in services}, volumes=("data",))
        total += sum(s.replicas for s in services)
    return found


def _services(chance: random.Random, edges: int) -> list[ServiceSpec]:
    services = [
        ServiceSpec(
            name="web",
            image="web:1",
            replicas=chance.randrange(2, 7),
            ports=(PortSpec(container=80),),
            stop_grace_s=chance.choice((1.0, 3.0, 10.0)),
        ),
        ServiceSpec(
            name="api",
            image="api:1",
            replicas=chance.randrange(1, 5),
            health=CHECK,
            ports=(PortSpec(container=81),),
            depends_on={"web": Dependency()},
        ),
        ServiceSpec(name="worker", image="worker:1", replicas=chance.randrange(1, 6), probe=PROBE),
    ]
    if chance.random() < 0.6:
        data = Mount(kind="volume", target="/data", source="data")
        services.append(ServiceSpec(name="db", image="db:1", mounts=(data,)))
    if chance.random() < 0.8:
        edge = PortSpec(container=82, host_from=EDGE_PORT, host_to=EDGE_PORT)
        services.append(ServiceSpec(name="edge", image="edge:1", replicas=edges, ports=(edge,), health=CHECK))
    if chance.random() < 0.3:
        zone = Placement(constraints=(Constraint(key="labels.zone", value="b", equal=False),), max_per_node=3)
        services.append(ServiceSpec(name="zoned", image="zoned:1", replicas=2, placement=zone))
    return [_with_policies(service, chance) for service in services]


def _with_policies(service: ServiceSpec, chance: random.Random) -> ServiceSpec:
    """Half of all services are as Compose leaves them, the others say how they are released and moved."""
    if chance.random() < 0.5:
        return service
    policies: dict[str, Any] = {
        "drain_wait_s": chance.choice((0.0, 2.0)),
        "update": UpdateConfig(
            parallelism=chance.choice((0, 1, 2)),
            delay_s=chance.choice((0.0, 0.0, 2.0)),
            monitor_s=chance.choice((0.0, 2.0, 5.0)),
            failure_action=chance.choice(("rollback", "rollback", "pause", "continue")),
            max_failure_ratio=chance.choice((0.0, 0.0, 0.4)),
        ),
    }
    if service.may_move:
        policies["on_return"] = chance.choice(("keep_new", "keep_old", "first_healthy"))
        policies["failover"] = FailoverPolicy(
            after_s=chance.choice((15.0, 15.0, 30.0)), mode=chance.choice(("auto", "auto", "auto", "manual", "never"))
        )
    if service.may_move and not any(port.fixed for port in service.ports):
        how = chance.choice(("rolling", "canary", "blue_green"))
        if how == "canary":
            policies["canary"] = Canary(
                replicas=1, promote=chance.choice(("auto", "manual")), observe_s=chance.choice((3.0, 10.0))
            )
        elif how == "blue_green":
            policies["release"], policies["release_keep_s"] = "blue_green", chance.choice((1.0, 10.0))
    return msgspec.structs.replace(service, **policies)


def updated(spec: ProjectSpec, version: int, chance: random.Random) -> ProjectSpec:
    """The project with another image or another setting in one service."""
    service = spec.services[chance.choice(sorted(spec.services))]
    if chance.random() < 0.6:
        changed = msgspec.structs.replace(service, image=f"{service.name}:{version}")
    else:
        changed = msgspec.structs.replace(service, environment={"VERSION": str(version)})
    return msgspec.structs.replace(spec, services={**spec.services, service.name: changed})


def broken(spec: ProjectSpec, version: int, chance: random.Random) -> ProjectSpec:
    """The project with an image in one service that ends at once, never gets healthy, or is nowhere."""
    service = spec.services[chance.choice(sorted(spec.services))]
    how = chance.choice(("bad", "sick", "ghost"))
    changed = msgspec.structs.replace(service, image=f"{service.name}:{how}{version}")
    return msgspec.structs.replace(spec, services={**spec.services, service.name: changed})
