"""What the whole node does next: one step per replica, stops before starts, bounded (DESIGN §3, §4).

Pure; never changes what it is given. `node` runs the steps it answers and asks again when something changed.
"""

from collections.abc import Iterable, Mapping

import msgspec

from nodeagent.core.replica import FOREVER, Assignment, next_step
from nodeagent.core.steps import Nothing, Pull, ReplicaStep, Stop, Wait
from protocol.messages import ContainerRef
from protocol.names import ReplicaId
from protocol.spec import Protocol

PULLS_MAX = 2
STEPS_MAX = 8
"""Steps that make the engine work, at once."""
STOPS_MAX = 32
"""Stops mostly wait for the container's grace; with 8 at once many stale ones would outlive their 10 s."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to begin now, what waits for whom, and when to ask again if nothing happens (monotonic seconds)."""

    steps: tuple[ReplicaStep, ...] = ()
    pulls: tuple[str, ...] = ()
    wake_at: float = FOREVER
    waits: dict[ContainerRef, str] = {}
    """Why a replica is not started yet: a container that is on its way out is in its place."""
    conflicts: dict[ContainerRef, str] = {}
    """Replicas whose host port belongs to another wanted replica of this node."""


def plan(
    items: Mapping[ContainerRef, Assignment],
    pulling: Iterable[str],
    now: float,
    *,
    held: bool = False,
    wanted_images: Iterable[str] = (),
) -> Plan:
    """`pulling`: images on their way. `held`: nothing may be started yet. `wanted_images`: what tasks want pulled."""
    stops: list[ReplicaStep] = []
    others: list[ReplicaStep] = []
    images: dict[str, None] = dict.fromkeys(wanted_images)
    wake_at = FOREVER
    waits: dict[ContainerRef, str] = {}
    conflicts: dict[ContainerRef, str] = {}
    places = Places(items.values())
    for ref in sorted(items, key=_order):
        item = items[ref]
        holder = places.holder(item)
        if holder is not None:
            (conflicts if _stays(holder) else waits)[ref] = _in_the_way(holder)
        match next_step(item, now, held=held, blocked=holder is not None):
            case Wait(until=until):
                wake_at = min(wake_at, until)
            case Nothing():
                pass
            case Pull(image=image):
                images[image] = None
            case Stop() as step:
                stops.append(step)
            case step:
                others.append(step)
    busy = [item.busy for item in items.values() if item.busy is not None]
    stopping = sum(isinstance(step, Stop) for step in busy)
    under_way = set(pulling)
    return Plan(
        steps=(*stops[: max(0, STOPS_MAX - stopping)], *others[: max(0, STEPS_MAX - (len(busy) - stopping))]),
        pulls=tuple(image for image in images if image not in under_way)[: max(0, PULLS_MAX - len(under_way))],
        wake_at=wake_at,
        waits=waits,
        conflicts=conflicts,
    )


class Places:
    """Who holds which host port, and which replicas have a former copy that still runs."""

    def __init__(self, items: Iterable[Assignment]) -> None:
        self._ports: dict[tuple[Protocol, int], Assignment] = {}
        self._former: dict[ReplicaId, Assignment] = {}
        for item in items:
            if item.have is None or not item.alive:
                continue
            for lease in item.have.ports:
                self._ports[lease.protocol, lease.host] = item
            if item.want is None:
                self._former[item.ref.id] = item

    def holder(self, item: Assignment) -> Assignment | None:
        """Whose container must be gone before `item` starts: it holds one of its host ports, or is a copy of the same
        replica that nobody wants. None = nobody is in the way.
        """
        if item.want is None or item.alive:
            return None
        for lease in item.want.ports:
            held_by = self._ports.get((lease.protocol, lease.host))
            if held_by is not None and held_by is not item:
                return held_by
        return self._former.get(item.ref.id)


def _stays(holder: Assignment) -> bool:
    return holder.want is not None and holder.have is not None and holder.have.spec == holder.spec


def _in_the_way(holder: Assignment) -> str:
    return f"{holder.ref.id} (epoch {holder.ref.epoch}) is in its place or holds its port"


def _order(ref: ContainerRef) -> tuple[str, str, int, int]:
    return ref.project, ref.service, ref.replica, ref.epoch
