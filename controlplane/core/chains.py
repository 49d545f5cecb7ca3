"""Chains of services that depend on each other, as one specification tells them (Compose's `depends_on`). Pure.

Looks at services only: what runs and whether it is ready is for `dependencies`. Called by plans, placement, standing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from protocol.spec import Dependency, ServiceSpec

Services = Mapping[str, ServiceSpec]


class _Chains(NamedTuple):
    """What is worked out once for a specification: it is asked for at each placement and at every tick."""

    services: Services
    depths: dict[str, int]
    linked: dict[str, frozenset[str]]


_KNOWN_MAX = 512
_known: dict[int, _Chains] = {}
"""By identity: specifications never change, and an entry keeps its own alive."""


def _chains(services: Services) -> _Chains:
    found = _known.get(id(services))
    if found is None or found.services is not services:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        found = _known[id(services)] = _Chains(services, _depths(services), _linked(services))
    return found


def depths(services: Services) -> Mapping[str, int]:
    """Service -> length of its longest chain of dependencies. `composefile` refuses cycles; one that comes all the same
    is cut where it closes.
    """
    return _chains(services).depths


def linked(services: Services, name: str) -> frozenset[str]:
    """The other services of its chain: those it reaches over `depends_on`, in either direction, by steps between
    services that share a network. They call each other by name, which works on one node only (DESIGN §5).
    """
    return _chains(services).linked.get(name, frozenset())


def _depths(services: Services) -> dict[str, int]:
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
    asking = {other: spec.depends_on[name] for other, spec in services.items() if name in spec.depends_on}
    if not asking or name not in services or not services[name].replicas:
        return {}
    depth = depths(services)
    return {other: needed for other, needed in asking.items() if depth[name] < depth[other]}


def must_complete(services: Services, name: str) -> bool:
    """True for a job: a service waits until it has completed."""
    return any(d.condition == "service_completed_successfully" for d in _asked_of(services, name))


def is_optional(services: Services, name: str) -> bool:
    """True when somebody depends on it and nobody requires it: its failure is a warning and ends no deployment."""
    asked = _asked_of(services, name)
    return bool(asked) and not any(d.required for d in asked)


def _asked_of(services: Services, name: str) -> list[Dependency]:
    return [spec.depends_on[name] for spec in services.values() if name in spec.depends_on]


def restarted_after(services: Services, changed: frozenset[str]) -> frozenset[str]:
    """Services with `restart: true` towards one that changed, and those that follow from them in turn."""
    found: set[str] = set()
    if not any(d.restart for spec in services.values() for d in spec.depends_on.values()):
        return frozenset()
    for name in sorted(services, key=depths(services).__getitem__):
        if any(d.restart and (other in changed or other in found) for other, d in needs(services, name).items()):
            found.add(name)
    return frozenset(found)


def _linked(services: Services) -> dict[str, frozenset[str]]:
    joined: dict[str, set[str]] = {}
    for one, spec in services.items():
        for other in spec.depends_on:
            if other in services and other != one and _networks(spec) & _networks(services[other]):
                joined.setdefault(one, set()).add(other)
                joined.setdefault(other, set()).add(one)
    found: dict[str, frozenset[str]] = {}
    for name in joined:
        if name in found:
            continue
        seen, look = {name}, [name]
        while look:
            fresh = joined[look.pop()] - seen
            seen |= fresh
            look += fresh
        found |= {one: frozenset(seen - {one}) for one in seen}
    return found


def _networks(spec: ServiceSpec) -> set[str]:
    return set(spec.networks) or {"default"}
