"""Which replicas a service keeps when there are too many, and which numbers new ones get. Pure; used by `diff`.

Numbers stay with their replicas: scaling down may leave holes, which scaling up fills from the lowest. The worst go
first: those of another version, then those that are not ready, then those on the most loaded node, then the highest.
"""

from collections.abc import Callable, Sequence

from controlplane.core.draft import Draft
from controlplane.core.replica import Replica, is_ready
from controlplane.core.rooms import rooms
from protocol.names import ReplicaId
from protocol.spec import ServiceSpec


def ids(
    draft: Draft, project: str, spec: ServiceSpec, have: Sequence[Replica], fits: Callable[[Replica], bool]
) -> tuple[ReplicaId, ...]:
    """The replicas that shall be there, in order. `have`: those of the service that are not ending. `fits`: it runs
    what is wanted already.
    """
    extra = len(have) - spec.replicas
    if extra <= 0:
        taken = {r.id.index for r in have}
        free = (i for i in range(1, spec.replicas + 1) if i not in taken)
        new = [ReplicaId(project, spec.name, i) for i, _ in zip(free, range(-extra), strict=False)]
        return tuple(sorted([*(r.id for r in have), *new]))
    return tuple(sorted(r.id for r in _without_the_worst(draft, spec, have, fits, extra)))


def _without_the_worst(
    draft: Draft, spec: ServiceSpec, have: Sequence[Replica], fits: Callable[[Replica], bool], extra: int
) -> list[Replica]:
    loads = _loads(draft)
    share = {name: _share(spec, capacity) for name, (_, capacity) in loads.items()}
    load = {name: reserved for name, (reserved, _) in loads.items()}

    def badness(replica: Replica) -> tuple[bool, bool, float, int]:
        wanted = replica.wanted
        ready = wanted is not None and _is_ready(draft, replica)
        on = load.get(wanted.node, 1.0) if wanted is not None else 1.0
        return not fits(replica), not ready, round(on, 6), replica.id.index

    left = list(have)
    for _ in range(extra):
        worst = max(left, key=badness)
        left.remove(worst)
        if worst.wanted is not None and worst.wanted.node in load:
            load[worst.wanted.node] -= share[worst.wanted.node]
    return left


def _is_ready(draft: Draft, replica: Replica) -> bool:
    spec = draft.spec(replica.id, replica.wanted.revision) if replica.wanted is not None else None
    return spec is not None and replica.wanted is not None and is_ready(replica.wanted, spec, draft.now.wall)


def _loads(draft: Draft) -> dict[str, tuple[float, tuple[float, int]]]:
    """Node -> (the larger share of its CPUs or memory that is reserved, its capacity)."""
    found = {}
    for room in rooms(draft):
        capacity = (room.node.capacity.cpus, room.node.capacity.memory)
        shares = [
            part / whole
            for part, whole in ((room.cpus_reserved, capacity[0]), (room.memory_reserved, capacity[1]))
            if whole
        ]
        found[room.node.name] = (max(shares, default=0.0), capacity)
    return found


def _share(spec: ServiceSpec, capacity: tuple[float, int]) -> float:
    parts = ((spec.cpus, capacity[0]), (spec.memory, capacity[1]))
    return max((part / whole for part, whole in parts if whole), default=0.0)
