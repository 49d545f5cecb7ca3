"""Which container is a replica's copy, as the agent knows it without asking Docker. Looks, changes nothing.

For the streams of logs and exec, which name copies as the Center does.
"""

from collections.abc import Callable

from nodeagent.core.container import Container
from nodeagent.core.replica import Assignment
from protocol.messages import ContainerRef


class Copies:
    """`assignments`: all that the core knows."""

    def __init__(self, assignments: Callable[[], tuple[Assignment, ...]]) -> None:
        self._assignments = assignments

    def container(self, ref: ContainerRef) -> Container | None:
        """Its container as it was seen last, None when there is none."""
        return next((item.have for item in self._assignments() if item.ref == ref), None)

    def wanted(self, ref: ContainerRef) -> bool:
        """True while this node shall run it."""
        return any(item.ref == ref and item.want is not None for item in self._assignments())
