"""What the agent may do next about one replica, as data: the executor does it, the plan bounds it.

No behaviour beyond the key that keeps steps of one thing from running side by side. Every step may be repeated.
"""

import msgspec

from protocol.messages import ContainerRef
from protocol.spec import DesiredReplica


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing before `until` (monotonic seconds); infinity = until something else changes."""

    until: float


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """All is as it should be."""


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """Get a pinned image; one pull serves all replicas and tasks that want it."""

    image: str


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """Make the container, without starting it. `free` False: a copy on its way out may still hold one of its host
    ports, so they are tried at the start only.
    """

    ref: ContainerRef
    want: DesiredReplica
    free: bool = True


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Start a container that was made or has ended. `want` says which host ports must be free."""

    ref: ContainerRef
    container_id: str
    want: DesiredReplica


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Stop a container; SIGKILL after `grace_s`."""

    ref: ContainerRef
    container_id: str
    grace_s: float


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Stop and start a container that runs: it is unhealthy, or a task says so."""

    ref: ContainerRef
    container_id: str
    grace_s: float


class Remove(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a container that does not run."""

    ref: ContainerRef
    container_id: str


class ReadTail(msgspec.Struct, frozen=True, kw_only=True):
    """Read the last lines of a container that is given up, for the report."""

    ref: ContainerRef
    container_id: str


class Resolve(msgspec.Struct, frozen=True, kw_only=True):
    """Pin an image reference for a task."""

    task: str
    image: str


class Replace(msgspec.Struct, frozen=True, kw_only=True):
    """Put an agent of this image, which is on the node, in our own place."""

    task: str
    image: str


ReplicaStep = Create | Start | Stop | Restart | Remove | ReadTail
Step = Pull | Resolve | Replace | ReplicaStep
"""What the executor carries out."""
NextStep = Wait | Nothing | Pull | ReplicaStep
"""What `replica.next_step` answers."""
