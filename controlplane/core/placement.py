"""Where a replica goes: filters that explain themselves, then a rank (DESIGN §5).

Pure: a `Want` and a `Room` per node in, a node with host ports or the reasons out. It changes nothing and reserves
nothing; the core's cluster calls it for deployments, failover, drain, preparation and `plan`.
"""

import math
import posixpath
from collections.abc import Callable, Sequence
from typing import assert_never

import msgspec

from controlplane.core.node import DISK_FREE_MIN
from controlplane.core.ports import Chosen, choose, plenty
from controlplane.core.room import Holder, Resting, Room, Want
from controlplane.core.strategies import rank
from protocol.api import Candidate
from protocol.names import ReplicaId
from protocol.spec import Constraint, PortLease

__all__ = ["FILTERS", "Candidate", "Holder", "Placed", "Resting", "Room", "Unplaced", "Want", "place"]

NAMES_MAX = 4
"""Nodes named for one and the same reason; the rest is counted. The candidates name them all."""

REASONS_MAX = 12
"""Different reasons in one sentence; the nodes with others are counted."""

_CPU_SLACK = 1e-9
"""Sums of tenths of a core miss by this much."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armhf": "arm", "i686": "386", "i386": "386"}
"""What machines call themselves -> what images and Docker call them."""

Filter = Callable[[Want, Room], str | None]
"""None when the node will do, else the reason as a short sentence for people."""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """The node and its host ports. `remapped`: (wanted host, given host). `candidates`: every node, best first."""

    node: str
    ports: tuple[PortLease, ...]
    remapped: tuple[tuple[int, int], ...]
    candidates: tuple[Candidate, ...]


class Unplaced(msgspec.Struct, frozen=True, kw_only=True):
    """No node will do. `reason`: the reason per node in one line. `candidates`: every node, by name."""

    reason: str
    candidates: tuple[Candidate, ...]


def place(want: Want, rooms: Sequence[Room]) -> Placed | Unplaced:
    """Choose the best node that no filter refuses. Same input in any order, same answer; ties are broken by name.

    Candidates: nodes that fit with their score, best first; then the refused ones by name, each with the sentence of
    the first filter that refused it. `Want.avoid` refuses too: whether to try those again is the caller's decision.
    """
    ordered = sorted(rooms, key=lambda room: room.node.name)
    refused = {room.node.name: reason for room in ordered if (reason := refusal(want, room)) is not None}
    left_out = tuple(Candidate(node=name, score=None, reason=reason) for name, reason in refused.items())
    fitting = [room for room in ordered if room.node.name not in refused]
    whole = frozenset(r.node.name for r in fitting if takes_all(want, r)) if want.company else frozenset()
    ranked = rank(want, fitting, ordered, whole)
    if not ranked:
        return nowhere(left_out)
    fit = tuple(Candidate(node=it.room.node.name, score=it.score, reason="") for it in ranked)
    return settled(want, ranked[0].room, fit + left_out)


def settled(want: Want, best: Room, candidates: tuple[Candidate, ...]) -> Placed:
    """The best node with its host ports; no filter refuses it."""
    chosen = choose(want, best)
    if not isinstance(chosen, Chosen):
        raise AssertionError(f"{best.node.name} passed the port filter: {chosen}")
    return Placed(node=best.node.name, ports=chosen.ports, remapped=chosen.remapped, candidates=candidates)


def nowhere(left_out: tuple[Candidate, ...]) -> Unplaced:
    """Every node is refused."""
    return Unplaced(reason=_summary({c.node: c.reason for c in left_out}), candidates=left_out)


def refusal(want: Want, room: Room) -> str | None:
    """The sentence of the first filter that refuses this node, or None."""
    for keeps_out in FILTERS:
        if (reason := keeps_out(want, room)) is not None:
            return reason
    return None


def takes_all(want: Want, room: Room) -> bool:
    """True when everything in the replica's company fits on this node beside it."""
    for index, spec in enumerate(want.company):
        before = want.company[index - 1] if index else want.spec
        room = msgspec.structs.replace(
            room,
            cpus_reserved=room.cpus_reserved + before.cpus,
            memory_reserved=room.memory_reserved + before.memory,
            unseen_cpus=room.unseen_cpus + before.cpus,
            unseen_memory=room.unseen_memory + before.memory,
        )
        key = ReplicaId(want.replica.project, spec.name, 1)
        required = want.fixed_required or spec.port_strict
        if refusal(Want(replica=key, spec=spec, fixed_required=required, now=want.now), room) is not None:
            return False
    return True


# -- filters --------------------------------------------------------------------------------------------------------


def online(want: Want, room: Room) -> str | None:
    """Only nodes that are heard from."""
    if room.node.held:
        return "offline (held)"
    match room.node.state:
        case "online":
            return None
        case "suspect":
            return "suspect (silent, or its connection broke)"
        case "offline":
            return "offline"
        case "unknown":
            return "not heard from since the Center started"
        case _:
            assert_never(room.node.state)


def schedulable(want: Want, room: Room) -> str | None:
    """Not those that are being emptied or are in trouble."""
    if room.node.draining:
        return "draining"
    if room.node.upgrading_until:
        return "its agent is being upgraded"
    return f"unschedulable ({room.node.unschedulable})" if room.node.unschedulable else None


def avoided(want: Want, room: Room) -> str | None:
    """Not those that tried this revision and gave up."""
    return "gave up here" if room.node.name in want.avoid else None


def constraints(want: Want, room: Room) -> str | None:
    """All conditions of `deploy.placement.constraints` and required labels."""
    for constraint in want.spec.placement.constraints:
        if (reason := _unmet(constraint, room)) is not None:
            return reason
    return None


def platform(want: Want, room: Room) -> str | None:
    """Our containers are Linux containers; a node that has not told is let through."""
    os = room.node.versions.os
    return None if os.lower() in ("", "linux") else f"runs {os}, not Linux"


def volumes(want: Want, room: Room) -> str | None:
    """Local data stays where it is (DESIGN §4); bind mounts only below what the node's owner allowed."""
    if want.data_node and want.data_node != room.node.name and not want.spec.may_move:
        return f"volume data lives on {want.data_node}"
    for mount in want.spec.mounts:
        if mount.kind == "bind" and not any(_below(mount.source, root) for root in room.node.bind_roots):
            return f"bind mount {mount.source} is not below an allowed --bind-root of {room.node.name}"
    return None


def resources(want: Want, room: Room) -> str | None:
    """Reservations must fit what the machine has, and memory and disk what it has left by its last heartbeat.

    What is assumed of a service that reserves nothing counts until a heartbeat shows it (DESIGN §5). Observed CPU load
    never refuses, it only ranks: it lags and it is shared. A capacity of 0 is not known, not checked.
    """
    capacity = room.node.capacity
    cpus_short = room.cpus_reserved - room.measured_cpus + want.spec.cpus - capacity.cpus
    if capacity.cpus > 0 and cpus_short > _CPU_SLACK:
        return f"{math.ceil(cpus_short * 100 - _CPU_SLACK * 100) / 100:g} CPU short"
    memory_short = room.memory_reserved - room.measured_memory + want.spec.memory - capacity.memory
    if capacity.memory > 0 and memory_short > 0:
        return f"{_megabytes(memory_short)} short"
    if room.mem_free is not None:
        memory_short = room.unseen_memory + want.spec.memory - room.mem_free
        if memory_short > 0:
            return f"{_megabytes(memory_short)} short of free memory"
    if room.disk_free is not None and room.disk_free < DISK_FREE_MIN:
        return f"only {math.floor(room.disk_free * 100)} % of its disk is free"
    return None


def ports(want: Want, room: Room) -> str | None:
    """All host ports can be had."""
    if plenty(want, room):
        return None
    chosen = choose(want, room)
    return chosen if isinstance(chosen, str) else None


def max_per_node(want: Want, room: Room) -> str | None:
    """`max_replicas_per_node`; 0 = no limit."""
    most = want.spec.placement.max_per_node
    here = room.services.get((want.replica.project, want.replica.service), 0)
    return f"has {here} of {want.spec.name}, max_replicas_per_node is {most}" if 0 < most <= here else None


FILTERS: tuple[Filter, ...] = (
    online,
    schedulable,
    avoided,
    constraints,
    platform,
    volumes,
    resources,
    ports,
    max_per_node,
)
"""In this order: the first that refuses gives the reason."""


# -- words ----------------------------------------------------------------------------------------------------------


def _unmet(constraint: Constraint, room: Room) -> str | None:
    """Why a constraint does not hold, or None. A label that is missing equals nothing, so `!=` holds for it."""
    key, want, node = constraint.key, constraint.value, room.node
    have: str | None
    match key:
        case "name" | "hostname":
            have = node.name
        case "platform.os":
            have, want = node.versions.os.lower() or None, want.lower()
        case "platform.arch":
            have, want = _architecture(node.versions.arch) or None, _architecture(want)
        case _ if key.startswith("labels."):
            have, key = node.labels.get(key.removeprefix("labels.")), f"label {key.removeprefix('labels.')}"
        case _:
            return f"constraint {key} is not known"
    if (have == want) == constraint.equal:
        return None
    if not constraint.equal:
        return f"{key} is {have}, which is excluded"
    return f"{key} is not set, must be {want}" if have is None else f"{key} is {have}, must be {want}"


def _architecture(name: str) -> str:
    return _ARCHITECTURES.get(name.lower(), name.lower())


def _below(path: str, root: str) -> bool:
    """True when `path` is `root` or lies below it, with `..` worked out. The agent checks links on the machine."""
    if not (path.startswith("/") and root.startswith("/")):
        return False
    path, root = ("/" + posixpath.normpath(text).strip("/") for text in (path, root))
    return root == "/" or path == root or path.startswith(root + "/")


def _megabytes(size: int) -> str:
    """Bytes in Docker's megabytes (1024 x 1024), rounded up."""
    return f"{math.ceil(size / (1024 * 1024))} MB"


def _summary(refused: dict[str, str]) -> str:
    """`node-2: port 8080 is taken; node-3, node-4: 300 MB short`: nodes with the same reason are named together."""
    if not refused:
        return "there is no node"
    names: dict[str, list[str]] = {}
    for name, reason in refused.items():
        names.setdefault(reason, []).append(name)
    named = list(names.items())[:REASONS_MAX]
    left = sum(len(group) for group in names.values()) - sum(len(group) for _, group in named)
    more = [f"and {left} more nodes"] if left else []
    return "; ".join([*(f"{_listed(group)}: {reason}" for reason, group in named), *more])


def _listed(names: list[str]) -> str:
    more = len(names) - NAMES_MAX
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:NAMES_MAX])} and {more} more"
