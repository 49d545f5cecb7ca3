"""Which containers are to be probed, and whether that changed since it was said last. Pure; called by `node`."""

from collections.abc import Mapping

from nodeagent.core.replica import Assignment
from nodeagent.core.verdict import Target
from protocol.messages import ContainerRef


class Aim:
    """`items`: the node's own, read here."""

    def __init__(self, items: Mapping[ContainerRef, Assignment]) -> None:
        self._items = items
        self._marks: list[object] = []
        """What the targets were made of at the last look."""
        self._targets: tuple[Target, ...] = ()

    def changed(self) -> tuple[Target, ...] | None:
        """The targets as they are now; None when they are as before."""
        marks: list[object] = []
        probed = [item for item in self._items.values() if item.want is not None and item.want.spec.probe is not None]
        for item in probed:
            marks += (item.want, item.have, item.busy, item.verdict)
        if marks == self._marks:
            return None  # the very same objects, mostly: cheaper than to make targets of them
        self._marks = marks
        targets = tuple(target for item in probed if (target := item.target) is not None)
        if targets == self._targets:
            return None
        self._targets = targets
        return targets
