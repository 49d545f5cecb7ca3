"""What may happen to the Center from the world: sessions, reports, the passing of time. Facts cannot be refused.

A fact about a session carries its epoch; the core ignores those of an older session (DESIGN §3.4).
"""

from collections.abc import Collection, Mapping

import msgspec

from controlplane.core.detector import Sighting
from protocol.messages import ConfirmStop, ContainerRef, ContainerReport, TaskUpdate


class NodeUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The latest heartbeat of a node, as the scheduler wants it. Kept by the link, never stored.

    `cpu_usage` percent of the whole machine, `mem_free` bytes, `disk_free` share 0..1. `engine_bad`: heartbeats in a
    row that said the engine is down. `seen`: (replica as text, epoch) of the containers it listed.
    """

    cpu_usage: float | None = None
    mem_free: int | None = None
    disk_free: float | None = None
    engine_bad: int = 0
    ports: frozenset[int] = frozenset()
    seen: frozenset[tuple[str, int]] = frozenset()


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened."""


class SessionClosed(Fact, frozen=True, kw_only=True):
    """A session ended. `clean`: the agent said goodbye or was told to go."""

    node: str
    session_epoch: int
    clean: bool
    reason: str = ""


class Synced(Fact, frozen=True, kw_only=True):
    """The session is ready for, or asks again for, its full desired state and open task orders."""

    node: str
    session_epoch: int
    reason: str = ""


class Reported(Fact, frozen=True, kw_only=True):
    """Containers changed (`Observed`)."""

    node: str
    session_epoch: int
    containers: tuple[ContainerReport, ...] = ()
    gone: tuple[ContainerRef, ...] = ()


class Listed(Fact, frozen=True, kw_only=True):
    """A whole inventory, all pages put together. With `engine_ok` False it says nothing of containers."""

    node: str
    session_epoch: int
    containers: tuple[ContainerReport, ...] = ()
    engine_ok: bool = True


class TaskReported(Fact, frozen=True, kw_only=True):
    """An agent tells how a task goes."""

    node: str
    session_epoch: int
    update: TaskUpdate


class StopAsked(Fact, frozen=True, kw_only=True):
    """An agent asks whether it shall really stop most of its containers."""

    node: str
    session_epoch: int
    ask: ConfirmStop


class ImagesRemoved(Fact, frozen=True, kw_only=True):
    """An agent that is short of disk removed images that no kept revision uses."""

    node: str
    session_epoch: int
    images: tuple[str, ...]


class Tick(Fact, frozen=True, kw_only=True):
    """Time passed: who was heard when, what nodes use, and how long ago the last tick was (`gap_s`)."""

    sightings: Mapping[str, Sighting]
    usage: Mapping[str, NodeUsage]
    gap_s: float = 0.25
    restless: Collection[str] | None = None
    """Every node that is without a session, or was silent for more than 7.5 s, or whose usage may be no good; the
    others are heard and well. None = not known: all are looked at.
    """
