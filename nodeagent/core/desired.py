"""The Center's word on what this node shall run, and whose word counts (DESIGN §3, desired state).

Pure. Full states are applied as a whole, deltas only in sequence, and nothing older than what was obeyed before.
Does not touch containers: `node` applies the accepted state.
"""

import msgspec

from protocol.messages import ContainerRef, Desired, DesiredDelta, Leaving
from protocol.spec import DesiredReplica

REPLICAS_MAX = 10_000
"""Replicas of one node; more is not a state but an attack or a bug."""
_TOO_MANY = f"more than {REPLICAS_MAX} replicas for one node"


class DesiredState(msgspec.Struct, frozen=True, kw_only=True):
    """A complete accepted state and the authority it came with."""

    incarnation: int = 0
    revision: int = 0
    replicas: tuple[DesiredReplica, ...] = ()

    @property
    def authority(self) -> tuple[int, int]:
        """What orders states: a restore from backup raises the incarnation, each change the revision."""
        return self.incarnation, self.revision


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Obey this. `full`: it came as a whole, so what neither it nor `leaving` names lives elsewhere."""

    state: DesiredState
    full: bool
    leaving: tuple[Leaving, ...] = ()


class Incomplete(msgspec.Struct, frozen=True, kw_only=True):
    """A page of more to come, or a message that must wait for the full state that was asked for."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Older than what was obeyed before: ignored."""

    reason: str


class OutOfStep(msgspec.Struct, frozen=True, kw_only=True):
    """It does not fit: ask for everything again."""

    reason: str


Ruling = Accepted | Incomplete | Refused | OutOfStep


def ref_of(want: DesiredReplica) -> ContainerRef:
    """The name of a desired copy."""
    return ContainerRef(project=want.project, service=want.service, replica=want.replica, epoch=want.epoch)


class Authority:
    """Collects pages, checks sequence and age. One per agent; `new_session` at every connection."""

    def __init__(self, known: DesiredState | None) -> None:
        self.state = known
        self._seq: int | None = None
        self._pages: list[Desired] = []
        self._asked = False

    @property
    def highest(self) -> tuple[int, int]:
        """The newest (incarnation, revision) ever obeyed."""
        return self.state.authority if self.state else (0, 0)

    def new_session(self) -> None:
        """Sequence numbers belong to a session."""
        self._seq, self._pages, self._asked = None, [], False

    def page(self, message: Desired) -> Ruling:
        """Take in a page of a full state."""
        if (message.incarnation, message.revision) < self.highest:
            return Refused(reason=self._older(message.incarnation, message.revision))
        if message.page == 0:
            self._pages = []
        first = self._pages[0] if self._pages else message
        same = (message.seq, message.incarnation, message.revision) == (first.seq, first.incarnation, first.revision)
        if message.page != len(self._pages) or not same:
            if self._asked and not self._pages:
                return Incomplete()  # the rest of what did not fit; everything is on its way
            return self._out_of_step(f"page {message.page} of seq {message.seq} came unexpected")
        self._pages.append(message)
        if sum(len(page.replicas) + len(page.leaving) for page in self._pages) > REPLICAS_MAX:
            self._pages = []
            return Refused(reason=_TOO_MANY)
        if not message.last:
            return Incomplete()
        replicas = {ref_of(want): want for page in self._pages for want in page.replicas}
        leaving = tuple(one for page in self._pages for one in page.leaving)
        self._pages, self._seq, self._asked = [], message.seq, False
        accepted = self._accept(message.incarnation, message.revision, replicas, full=True)
        return msgspec.structs.replace(accepted, leaving=leaving)

    def delta(self, message: DesiredDelta) -> Ruling:
        """Take in a change. One that does not follow on the last is not applied at all."""
        if (message.incarnation, message.revision) < self.highest:
            return Refused(reason=self._older(message.incarnation, message.revision))
        if self._asked:
            return Incomplete()
        if self._pages or self._seq is None or message.after != self._seq:
            return self._out_of_step(f"delta after {message.after}, at {self._seq}")
        replicas = {ref_of(want): want for want in (self.state.replicas if self.state else ())}
        for ref in message.drop:
            replicas.pop(ref, None)
        replicas.update((ref_of(want), want) for want in message.replicas)
        if len(replicas) > REPLICAS_MAX:
            return Refused(reason=_TOO_MANY)
        self._seq = message.after + 1
        return self._accept(message.incarnation, message.revision, replicas, full=False)

    def _accept(
        self, incarnation: int, revision: int, replicas: dict[ContainerRef, DesiredReplica], *, full: bool
    ) -> Accepted:
        state = DesiredState(incarnation=incarnation, revision=revision, replicas=tuple(replicas.values()))
        self.state = state
        return Accepted(state=state, full=full)

    def _out_of_step(self, reason: str) -> OutOfStep:
        self._pages, self._seq, self._asked = [], None, True
        return OutOfStep(reason=reason)

    def _older(self, incarnation: int, revision: int) -> str:
        return f"desired state {incarnation}.{revision} is older than {self.highest[0]}.{self.highest[1]}"
