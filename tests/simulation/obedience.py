"""What each agent was told, revision by revision, and whether what it obeys is that (S6, and no change is lost).

Fed with every decision once it is durable; asked whenever an agent acts and each second.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from controlplane.core.action import Action, SendDelta, SendFull
from protocol.messages import ContainerRef
from protocol.spec import DesiredReplica

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

Authority = tuple[int, int]
KEPT = 400
"""Revisions remembered of one node."""


class Obedience:
    """The Center's word for each node, as it was at each revision, and the highest one each agent kept."""

    def __init__(self) -> None:
        self._now: dict[str, frozenset[ContainerRef]] = {}
        self._told: dict[str, dict[Authority, frozenset[ContainerRef]]] = {}
        self._highest: dict[str, Authority] = {}
        self._seen: dict[str, tuple[int, Authority]] = {}

    def sent(self, actions: Iterable[Action]) -> None:
        """The Center tells its agents something; whether it arrives is another matter."""
        for action in actions:
            if isinstance(action, SendFull):
                refs = frozenset(_ref(want) for want in action.replicas)
            elif isinstance(action, SendDelta):
                refs = self._now.get(action.node, frozenset()) - frozenset(action.drop)
                refs |= {_ref(want) for want in action.replicas}
            else:
                continue
            self._now[action.node] = refs
            told = self._told.setdefault(action.node, {})
            told[action.incarnation, action.revision] = refs
            if len(told) > KEPT:
                del told[next(iter(told))]

    def check(self, machine: "Machine") -> None:
        """S6: what the agent obeys never goes back, and is what the Center said at that revision."""
        agent = machine.agent
        if agent is None or agent.state.removed:
            return
        if machine.disk.lost:
            machine.disk.lost = False
            self.forget(machine.name)
        authority = agent.state.authority
        seen = (id(agent), authority)
        if self._seen.get(machine.name) == seen:
            return
        self._seen[machine.name] = seen
        highest = self._highest.get(machine.name, (0, 0))
        assert authority >= highest, f"S6: {machine.name} obeys {authority} after {highest}"
        kept = machine.disk.memory.desired
        if kept is not None:
            self._highest[machine.name] = max(highest, kept.authority)
        meant = self._told.get(machine.name, {}).get(authority)
        desired = agent.state.memory().desired
        if meant is not None and desired is not None:
            has = frozenset(_ref(want) for want in desired.replicas)
            assert has == meant, f"S6: {machine.name} at {authority} has {has - meant} too much, lacks {meant - has}"

    def forget(self, node: str) -> None:
        """Its disk lost what it knew, or was put back."""
        self._highest.pop(node, None)


def _ref(want: DesiredReplica) -> ContainerRef:
    return ContainerRef(project=want.project, service=want.service, replica=want.replica, epoch=want.epoch)
