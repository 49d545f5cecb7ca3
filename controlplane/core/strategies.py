"""The rank of nodes that fit, for one replica (DESIGN §5).

Nodes are ordered by the first of these that differs, the last tie broken by name:

1. spread over labels: for each key of `placement.spread`, fewest replicas of the service on all nodes with that value;
2. spread over nodes: fewest replicas of the service on the node;
3. the node to stay on (`Want.stay`, or where a movable service has its data);
4. the chain: most of the services that the replica's service depends on, or that depend on it, run on the node;
5. room for the rest of the chain, where that needs a place, too;
6. the strategy: `labels` by the number of preferred labels matched, `affinity` by how recently the node ran the project
   (`least_loaded` has nothing here);
7. room left: (free CPU share + free memory share + togetherness) x weight.

Shares are what is left with this replica on the node, the smaller of what reservations leave and what the last
heartbeat measured less the reservations it has not shown yet. Weights count relative to the heaviest node that fits.

The score for people says the same in one number: room left (0 to 2.5), `STEP` for each step of the strategy, `WHOLE`
for room for the rest of the chain, `LINKED` times the share of the chain on the node, `STAY` for the node to stay on,
less `REPLICA` for each replica of the service there and its square for each one in a label group.

No filters here: `placement` refuses, this module only orders.
"""

import math
from collections.abc import Sequence
from typing import Any, assert_never

import msgspec

from controlplane.core.room import Room, Want

TOGETHER = 0.5
"""Worth of having all other services of the project on the node, in shares of a machine.

A node that runs the project wins until another has 25 points more of both CPU and memory free: enough that services
which call each other by name stay together through everyday differences in load, too little to fill one node while
others idle.
"""

SCARCE = 0.2
"""Free share of CPU or memory below which togetherness fades, to nothing at 0: nobody is drawn to a full node."""

STEP = 3.0
"""Points for a preferred label or a place in the project's history: more than room left can ever give (2.5)."""

WHOLE = 100.0
"""Points for room for the rest of the chain: more than 16 nodes of history or 30 labels."""

LINKED = 1000.0
"""Points for having the whole chain on the node; a tenth of it is as much as `WHOLE`."""

STAY = 2000.0
"""Points for the node to stay on: more than all of the above."""

REPLICA = 10_000.0
"""Points off for each replica of the service on the node."""

_UNKNOWN = 0.5
"""Free share of a node that has told neither its capacity nor its usage: neither good nor bad."""


class Ranked(msgspec.Struct, frozen=True):
    """A node that fits, with its score; higher is better."""

    room: Room
    score: float


class _Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What the nodes have in common, counted once per placement."""

    heaviest: float
    groups: tuple[dict[str, int], ...]
    """For each spread key: label value -> replicas of the service on all nodes that have it ("" = without label)."""
    together: dict[str, float]
    """Node -> share of the project's other running services that are there; nodes with none are left out."""


def rank(
    want: Want, fitting: Sequence[Room], rooms: Sequence[Room], whole: frozenset[str] = frozenset()
) -> list[Ranked]:
    """Order the nodes that fit, best first. `rooms`: all nodes; replicas on nodes that do not fit count for spread.
    `whole`: nodes with room for the rest of the chain.
    """
    scene = _scene(want, fitting, rooms)
    keyed = []
    for room in fitting:
        key, score = appraise(
            want,
            room,
            heaviest=scene.heaviest,
            together=scene.together.get(room.node.name, 0.0),
            crowd=_crowd(want, room, scene),
            all_fit=room.node.name in whole,
        )
        keyed.append((key, Ranked(room, score)))
    return [ranked for _, ranked in sorted(keyed, key=lambda pair: pair[0])]


def appraise(
    want: Want,
    room: Room,
    *,
    heaviest: float,
    together: float,
    crowd: tuple[int, ...] | None = None,
    all_fit: bool = False,
) -> tuple[tuple[Any, ...], float]:
    """One node that fits: its key in the order (least first) and its score. `together`: as for `room_left`. `crowd`:
    replicas of the service in the node's label groups and on it, None = there are no groups. `all_fit`: there is room
    for the rest of the chain.
    """
    if crowd is None:
        crowd = (_replicas(want, room),)
    stays = _stays(want, room)
    steps = strategy_steps(want, room)
    left = room_left(want, room, together) * max(room.node.weight, 0.0) / heaviest
    chain = linked_share(want, room)
    score = left + STEP * steps + WHOLE * all_fit + LINKED * chain + STAY * stays
    score -= sum(count * REPLICA ** (len(crowd) - place) for place, count in enumerate(crowd))
    return (crowd, not stays, -chain, not all_fit, -steps, -left, room.node.name), round(score, 4)


def linked_share(want: Want, room: Room) -> float:
    """Share of the other services of the replica's chain that are on this node, 0 to 1."""
    if not want.linked or not room.projects.get(want.replica.project):
        return 0.0
    here = sum(1 for name in want.linked if room.services.get((want.replica.project, name)))
    return here / len(want.linked)


def strategy_steps(want: Want, room: Room) -> int:
    """What the chosen strategy looks at before room left, in whole steps; more is better."""
    match want.strategy:
        case "least_loaded":
            return 0
        case "labels":
            return sum(room.node.labels.get(key) == value for key, value in want.spec.placement.preferred.items())
        case "affinity":
            name = room.node.name
            return len(want.history) - want.history.index(name) if name in want.history else 0
        case _:
            assert_never(want.strategy)


def room_left(want: Want, room: Room, together: float) -> float:
    """Free CPU share + free memory share with this replica on the node, and togetherness: 0 to 2 + `TOGETHER`.

    `together`: share of the project's other running services that are on this node.
    """
    cpus, memory = free_cpus(want, room), free_memory(want, room)
    return cpus + memory + TOGETHER * together * min(1.0, min(cpus, memory) / SCARCE)


def free_cpus(want: Want, room: Room) -> float:
    """Share of the machine's CPUs free with this replica on it, 0 to 1."""
    total = room.node.capacity.cpus
    shares = [1.0 - (room.cpus_reserved + want.spec.cpus) / total] if total > 0 else []
    if room.cpu_usage is not None:
        promised = (room.unseen_cpus + want.spec.cpus) / total if total > 0 else 0.0
        shares.append(1.0 - room.cpu_usage / 100.0 - promised)
    return _share(shares)


def free_memory(want: Want, room: Room) -> float:
    """Share of the machine's memory free with this replica on it, 0 to 1."""
    total = room.node.capacity.memory
    if total <= 0:
        return _UNKNOWN
    shares = [1.0 - (room.memory_reserved + want.spec.memory) / total]
    if room.mem_free is not None:
        shares.append((room.mem_free - room.unseen_memory - want.spec.memory) / total)
    return _share(shares)


def _share(shares: list[float]) -> float:
    """The smallest, between 0 and 1. A figure that is not a number counts as nothing free."""
    if not shares:
        return _UNKNOWN
    least = 1.0
    for share in shares:
        if math.isnan(share):
            return 0.0
        least = min(least, share)
    return max(0.0, least)


def _scene(want: Want, fitting: Sequence[Room], rooms: Sequence[Room]) -> _Scene:
    groups: tuple[dict[str, int], ...] = tuple({} for _ in want.spec.placement.spread)
    beside: dict[str, set[str]] = {}
    for room in rooms:
        if here := neighbours(want, room):
            beside[room.node.name] = here
        for key, counts in zip(want.spec.placement.spread, groups, strict=True):
            value = room.node.labels.get(key, "")
            counts[value] = counts.get(value, 0) + _replicas(want, room)
    heaviest = max((room.node.weight for room in fitting), default=1.0)
    others = set().union(*beside.values())
    return _Scene(
        heaviest=heaviest if heaviest > 0 else 1.0,
        groups=groups,
        together={name: len(here) / len(others) for name, here in beside.items()},
    )


def _crowd(want: Want, room: Room, scene: _Scene) -> tuple[int, ...]:
    """Replicas of the service in each label group of the node, then on the node itself."""
    keys = want.spec.placement.spread
    if not keys:
        return (_replicas(want, room),)
    grouped = (counts[room.node.labels.get(key, "")] for key, counts in zip(keys, scene.groups, strict=True))
    return (*grouped, _replicas(want, room))


def _stays(want: Want, room: Room) -> bool:
    return room.node.name in ({want.stay} if want.stay else {want.data_node})


def _replicas(want: Want, room: Room) -> int:
    return room.services.get((want.replica.project, want.replica.service), 0)


def neighbours(want: Want, room: Room) -> set[str]:
    """Other services of the project on the node: those the replica could call by name there."""
    project, service = want.replica.project, want.replica.service
    if not room.projects.get(project):
        return set()
    return {name for (code, name), count in room.services.items() if code == project and name != service and count}
