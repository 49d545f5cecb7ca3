"""What the core may ask its shell to do, after the changes are committed. A lost send is healed by the full state."""

import msgspec

from protocol.messages import ContainerRef, Leaving, StopConfirmed, TaskOrder
from protocol.spec import DesiredReplica


class SendFull(msgspec.Struct, frozen=True, kw_only=True):
    """Everything this node shall run, to the session with this epoch."""

    node: str
    session_epoch: int
    incarnation: int
    revision: int
    replicas: tuple[DesiredReplica, ...]
    leaving: tuple[Leaving, ...] = ()
    """What was withdrawn on purpose and may still run there; all else that runs lives elsewhere by now."""


class SendDelta(msgspec.Struct, frozen=True, kw_only=True):
    """What changed for this node. Goes to its open session, if it has one that got its full state."""

    node: str
    incarnation: int
    revision: int
    replicas: tuple[DesiredReplica, ...] = ()
    drop: tuple[ContainerRef, ...] = ()


class SendOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A task order."""

    node: str
    order: TaskOrder


class SendStopConfirmed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an agent's second question."""

    node: str
    session_epoch: int
    confirmed: StopConfirmed


class SendRelist(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the open session for its inventory again."""

    node: str


class CloseSession(msgspec.Struct, frozen=True, kw_only=True):
    """End the node's session if it has this epoch or an older one."""

    node: str
    session_epoch: int
    reason: str
    forget: bool = False
    """The node was removed: nothing is kept of it."""


Action = SendFull | SendDelta | SendOrder | SendStopConfirmed | SendRelist | CloseSession
