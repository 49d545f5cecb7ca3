"""What tests of releases ask of the test world: who is announced, which revisions serve, how a deployment stands."""

from collections import Counter
from typing import Any

from controlplane.core.announce import announced
from controlplane.core.command import Deploy
from controlplane.core.deployment import ENDED
from protocol.spec import ServiceSpec
from tests.unit.controlplane.core.world import World, a_project


def served(world: World, project: str = "shop") -> Counter[int]:
    """Revision -> announced copies."""
    found = (announced(world.cluster, r, world.now.wall) for r in world.replicas(project))
    return Counter(a.revision for copies in found for a in copies)


def asked(world: World, *services: ServiceSpec, code: str = "shop") -> int:
    """Deploy without waiting; gives the deployment's number."""
    return int(world.send(Deploy(spec=a_project(code, *services))).deployment)


def ended(world: World, number: int, limit_s: float = 120.0) -> str:
    """Wait for its end; gives its state."""
    world.until(lambda: world.deployment(number).state in ENDED, limit_s)
    return str(world.deployment(number).state)


def steps(world: World, number: int, kind: str) -> list[Any]:
    """The deployment's steps of a kind."""
    return [s for s in world.deployment(number).steps if s.kind == kind]


def bad(world: World, image: str, reason: str = "exit 1") -> None:
    """Containers of this image fail everywhere."""
    for agent in world.agents.values():
        agent.fails[image] = reason


def sicken(world: World, revision: int) -> None:
    """Running containers of a revision become unhealthy."""
    for agent in world.agents.values():
        for container in agent.running.values():
            if container.want.revision == revision:
                container.health = "unhealthy"
