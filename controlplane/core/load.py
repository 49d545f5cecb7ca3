"""What is promised to one node: reservations, leased and resting ports, copies per service. Sums only, no rules."""

from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from controlplane.core.replica import Assignment
from controlplane.core.room import Holder, Resting
from protocol.names import ReplicaId
from protocol.spec import Protocol

K = TypeVar("K")


class Reservation(msgspec.Struct, frozen=True):
    """What one assignment counts for."""

    replica: str
    epoch: int
    cpus: float
    memory: int
    assumed_cpus: float = 0.0
    """Of `cpus`, what its service did not ask for: a guess, until a heartbeat shows it."""
    assumed_memory: int = 0
    """The same of `memory`."""


class Share(NamedTuple):
    """What one assignment adds to its node's sums. `reservation` None: its service is not in its revision."""

    reservation: Reservation | None
    leases: tuple[tuple[tuple[Protocol, int], Holder], ...]
    service: tuple[str, str]


class Part(NamedTuple):
    """What one replica has on a node. `assignments`: there; the part is true as long as they are these very ones."""

    assignments: tuple[Assignment, ...]
    shares: tuple[Share, ...]
    leaving: tuple[tuple[Protocol, int], ...]
    """Ports of what is on its way out."""


class Own(NamedTuple):
    """The sums over all replicas of a node. A value: `with_parts` makes another."""

    parts: dict[ReplicaId, Part]
    reservations: dict[tuple[str, int], Reservation]
    leases: dict[tuple[Protocol, int], Holder]
    leaving: dict[tuple[Protocol, int], Resting]
    services: dict[tuple[str, str], int]
    projects: dict[str, int]
    claims: int
    """Host ports that parts claim or are about to leave, each claim counted."""

    def with_parts(self, new: Mapping[ReplicaId, Part | None]) -> "Own":
        """With these parts in the place of the former ones of the same replicas; None = it has nothing here now."""
        added = {key: part for key, part in new.items() if part is not None}
        gone = {key: part for key in new if (part := self.parts.get(key)) is not None}
        kept = {key: part for key, part in self.parts.items() if key not in new} if gone else self.parts
        if self._clashes():
            return nothing()._plus({**kept, **added}, {})
        made = Own(
            parts={},
            reservations=self.reservations.copy(),
            leases=self.leases.copy(),
            leaving=self.leaving.copy(),
            services=self.services.copy(),
            projects=self.projects.copy(),
            claims=self.claims - _claims(gone),
        )
        for key, part in gone.items():
            made._count(key, part, -1)
        whole = made._plus(added, kept)
        return nothing()._plus(whole.parts, {}) if whole._clashes() else whole

    def _plus(self, added: Mapping[ReplicaId, Part], kept: dict[ReplicaId, Part]) -> "Own":
        """These counted in, in the order of their ids, beside `kept`, which are counted already."""
        for key in sorted(added):
            self._count(key, added[key], 1)
        return self._replace(parts={**kept, **added}, claims=self.claims + _claims(added))

    def _clashes(self) -> bool:
        """Two replicas claim one port here, so that what one gives up must not take it from the other."""
        return self.claims != len(self.leases) + len(self.leaving)

    def _count(self, key: ReplicaId, part: Part, count: int) -> None:
        for share in part.shares:
            self._add_share(share, count)
        for port in part.leaving:
            if count > 0:  # on its way out: its own service may have the port at once
                self.leaving[port] = Resting(project=key.project, service=key.service, until=None)
            else:
                self.leaving.pop(port, None)

    def _add_share(self, share: Share, count: int) -> None:
        reserved = share.reservation
        if reserved is not None:
            if count > 0:
                self.reservations[reserved.replica, reserved.epoch] = reserved
            else:
                self.reservations.pop((reserved.replica, reserved.epoch), None)
        for port, holder in share.leases:
            if count > 0:
                self.leases[port] = holder
            else:
                self.leases.pop(port, None)
        _add(self.services, share.service, count)
        _add(self.projects, share.service[0], count)


def nothing() -> Own:
    """The sums of a node without replicas."""
    return Own({}, {}, {}, {}, {}, {}, 0)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of one node. `own`: without what is prepared there and the ports that rest."""

    own: Own
    reservations: Collection[Reservation]
    leases: Mapping[tuple[Protocol, int], Holder]
    resting: Mapping[tuple[Protocol, int], Resting]
    services: Mapping[tuple[str, str], int]
    projects: Mapping[str, int]


def _claims(parts: Mapping[ReplicaId, Part]) -> int:
    return sum(len(p.leaving) + sum(len(share.leases) for share in p.shares) for p in parts.values())


def _add(counts: dict[K, int], key: K, count: int) -> None:
    left = counts.get(key, 0) + count
    if left:
        counts[key] = left
    else:
        del counts[key]
