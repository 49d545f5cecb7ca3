"""What is promised to one node: reservations, leased and resting ports, copies per service. Sums only, no rules."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from controlplane.core.replica import Assignment
from controlplane.core.room import Holder, Resting
from protocol.names import ReplicaId
from protocol.spec import Protocol


class Reservation(msgspec.Struct, frozen=True):
    """What one assignment counts for until a heartbeat shows it."""

    replica: str
    epoch: int
    cpus: float
    memory: int


class Share(NamedTuple):
    """What one assignment adds to its node's sums. `reservation` None: its service is not in its revision."""

    reservation: Reservation | None
    leases: tuple[tuple[tuple[Protocol, int], Holder], ...]
    service: tuple[str, str]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of one node."""

    reservations: tuple[Reservation, ...]
    leases: Mapping[tuple[Protocol, int], Holder]
    resting: Mapping[tuple[Protocol, int], Resting]
    services: Mapping[tuple[str, str], int]
    projects: Mapping[str, int]
    shares: Mapping[tuple[ReplicaId, int], tuple[Assignment, Share]]
    """(replica, epoch) -> the assignment and what it adds: when the node is summed up again, most is as it was."""
