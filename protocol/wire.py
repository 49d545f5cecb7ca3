"""What every message of the rope is made from: the tagged struct, and the name of a container of ours. Pure.

Used by `messages` and `streams`; everybody else takes it from `messages`.
"""

import msgspec

from protocol.names import ReplicaId


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=str.lower):
    """A message. Its `type` is the class name in lower case."""


class ContainerRef(msgspec.Struct, frozen=True, kw_only=True):
    """Names one container of ours: at most one is alive per (replica, epoch)."""

    project: str
    service: str
    replica: int
    epoch: int

    @property
    def id(self) -> ReplicaId:
        """The replica the container is a copy of."""
        return ReplicaId(self.project, self.service, self.replica)
