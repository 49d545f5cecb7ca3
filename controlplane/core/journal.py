"""A line of the journal: what happened, to what, when, because of which cause. Written in the same transaction."""

from typing import Any

from controlplane.core.record import Record


class Event(Record, frozen=True, kw_only=True):
    """Key: `seq`, ever growing. `cause`: the `seq` of the event that began the story; its own when it is the first."""

    seq: int
    at: float
    kind: str
    """Dotted, for programs: `node.offline`, `replica.placed`, `deployment.failed`."""
    text: str
    """A sentence for people."""
    cause: int
    project: str = ""
    replica: str = ""
    node: str = ""
    deployment: int = 0
    actor: str = ""
    """Who asked, on the first line of what a person asked for; "" elsewhere."""
    data: dict[str, Any] = {}
