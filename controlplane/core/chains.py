"""Chains of services that depend on each other, as one specification tells them (Compose's `depends_on`). Pure.

Looks at services only: what runs and whether it is ready is for `dependencies`. Called by plans, placement, standing.
"""

from collections.abc import Mapping

from protocol.spec import Dependency, ServiceSpec

Services = Mapping[str, ServiceSpec]


def depths(services: Services) -> dict[str, int]:
    """Service -> length of its longest chain of dependencies. `composefile` refuses cycles; one that comes all the same
    is cut where it closes.
    """
    found: dict[str, int] = {}

    def depth(name: str, seen: frozenset[str]) -> int:
        if name not in found:
            needed = [d for d in services[name].depends_on if d in services and d not in seen]
            found[name] = 1 + max((depth(d, seen | {name}) for d in needed), default=-1)
        return found[name]

    for name in services:
        depth(name, frozenset({name}))
    return found


def needs(services: Services, name: str) -> dict[str, Dependency]:
    """What the service waits for: services of the same specification with at least one replica, and in a cycle only
    what lies before it, so that something can begin.
    """
    if name not in services or not services[name].depends_on:
        return {}
    depth = depths(services)
    return {
        other: condition
        for other, condition in services[name].depends_on.items()
        if other in services and services[other].replicas > 0 and depth[other] < depth[name]
    }


def needed_by(services: Services, name: str) -> dict[str, Dependency]:
    """The services that wait for this one, with their conditions."""
    return {other: found[name] for other in services if name in (found := needs(services, other))}


def must_complete(services: Services, name: str) -> bool:
    """True for a job: a service waits until it has completed."""
    return any(d.condition == "service_completed_successfully" for d in needed_by(services, name).values())


def is_optional(services: Services, name: str) -> bool:
    """True when somebody depends on it and nobody requires it: its failure is a warning and ends no deployment."""
    conditions = needed_by(services, name).values()
    return bool(conditions) and not any(d.required for d in conditions)


def restarted_after(services: Services, changed: frozenset[str]) -> frozenset[str]:
    """Services with `restart: true` towards one that changed, and those that follow from them in turn."""
    found: set[str] = set()
    for name in sorted(services, key=depths(services).__getitem__):
        if any(d.restart and (other in changed or other in found) for other, d in needs(services, name).items()):
            found.add(name)
    return frozenset(found)


def linked(services: Services, name: str) -> frozenset[str]:
    """The other services of its chain: those it reaches over `depends_on`, in either direction, by steps between
    services that share a network. They call each other by name, which works on one node only (DESIGN §5).
    """
    if name not in services:
        return frozenset()
    seen, look = {name}, [name]
    while look:
        here = look.pop()
        for other in services:
            pair = {other, here}
            joined = other in services[here].depends_on or here in services[other].depends_on
            if other not in seen and joined and _share_network(services, *pair):
                seen.add(other)
                look.append(other)
    return frozenset(seen - {name})


def _share_network(services: Services, one: str, other: str) -> bool:
    return bool(_networks(services[one]) & _networks(services[other]))


def _networks(spec: ServiceSpec) -> set[str]:
    return set(spec.networks) or {"default"}
