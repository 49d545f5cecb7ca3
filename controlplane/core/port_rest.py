"""A freed host port at rest: 60 s, or until its old holder is confirmed gone (DESIGN §4)."""

from controlplane.core.record import Record
from protocol.messages import ContainerRef
from protocol.spec import Protocol

REST_S = 60.0


class PortRest(Record, frozen=True, kw_only=True):
    """Key: (`node`, `protocol`, `port`). `until`: wall seconds, None = the container `holder` is not confirmed gone."""

    node: str
    protocol: Protocol
    port: int
    holder: ContainerRef
    until: float | None = None
