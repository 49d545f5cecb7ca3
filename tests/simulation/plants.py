"""Faults put into the product on purpose, to show that the simulation finds their like. Each is a context manager.

A plant replaces a line of the real source, or a function, for as long as the context is open.
"""

import contextlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from unittest import mock

import msgspec

from controlplane.core import assigning, center, detector, healing, ports, sessions
from controlplane.core.cluster import Changes
from controlplane.core.draft import Draft
from controlplane.core.fact import SessionClosed
from controlplane.core.node import Node
from controlplane.store.store import StoreFull
from nodeagent.core.desired import Authority
from tests.simulation.store import SimulatedStore

Plant = Callable[[], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def _changed(owner: Any, name: str, *changes: tuple[str, str]) -> Iterator[None]:
    """The function `owner.name` with lines of its source replaced."""
    function = getattr(owner, name)
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in changes:
        assert old in source, f"{name} has no line {old!r} any more: the plant must be renewed"
        source = source.replace(old, new)
    module = owner if isinstance(owner, ModuleType) else inspect.getmodule(owner)
    found: dict[str, Any] = {}
    exec(compile(source, f"planted {name}", "exec"), vars(module), found)  # noqa: S102  our own source
    with mock.patch.object(owner, name, found[name]):
        yield


@contextlib.contextmanager
def timer_of_an_earlier_run() -> Iterator[None]:
    """A restarted Center does not give nodes its grace: their deadlines of the earlier run go on."""
    with mock.patch.object(detector, "GRACE_S", 0.0):
        yield


@contextlib.contextmanager
def delta_after_a_gap() -> Iterator[None]:
    """The agent does not look whether a change follows on the last one."""
    with _changed(Authority, "delta", ("or message.after != self._seq", "")):
        yield


@contextlib.contextmanager
def older_state_accepted() -> Iterator[None]:
    """Neither side looks whose word is newer. (Each alone is caught by the other.)"""
    older = "if (message.incarnation, message.revision) < self.highest:"
    with (
        _changed(Authority, "page", (older, "if False:")),
        _changed(Authority, "delta", (older, "if False:")),
        _changed(
            sessions,
            "open_session",
            ("if (hello.incarnation, hello.revision) > (draft.meta.incarnation, draft.meta.revision):", "if False:"),
        ),
        mock.patch.dict(center._COMMANDS, {}),
    ):
        center._COMMANDS[next(k for k in center._COMMANDS if k.__name__ == "OpenSession")] = sessions.open_session
        yield


@contextlib.contextmanager
def late_close_believed() -> Iterator[None]:
    """The close of an old socket marks its node offline, although a newer session is open."""
    closed = sessions.closed

    def believing(draft: Draft, fact: SessionClosed) -> None:
        closed(draft, fact)
        node = draft.get(Node, fact.node)
        if node is not None and fact.session_epoch < node.session_epoch and node.state == "online":
            draft.put(msgspec.structs.replace(node, state="offline"))

    with mock.patch.dict(center._FACTS, {SessionClosed: believing}):
        yield


@contextlib.contextmanager
def port_of_an_unconfirmed_holder() -> Iterator[None]:
    """A port at rest counts as free although nobody has confirmed that its holder is gone."""
    rests = "if rest is not None and (rest.until is None or rest.until > want.now):"
    with _changed(ports, "obstacle", (rests, "if rest is not None and rest.until and rest.until > want.now:")):
        yield


@contextlib.contextmanager
def successor_without_an_end() -> Iterator[None]:
    """A failover makes a successor and leaves the old assignment wanted."""
    assign = assigning.assign

    def keeping(draft: Draft, replica: Any, placed: Any, **more: Any) -> Any:
        before = draft.base.replicas.get(replica.id)
        if before is not None and before.wanted is not None and before.wanted.state == "interrupted":
            replica = msgspec.structs.replace(replica, outgoing=replica.outgoing or before.wanted)
        return assign(draft, replica, placed, **more)

    with mock.patch.object(assigning, "assign", keeping):
        yield


@contextlib.contextmanager
def guard_of_the_lost_only() -> Iterator[None]:
    """The guard counts only nodes that are past 15 s already."""
    with _changed(
        detector,
        "_ask_guard",
        (
            "away = {n for n, at in now.looks.items() if not at.back}",
            "away = {n for n, at in now.looks.items() if at.silent_s > OFFLINE_S}",
        ),
    ):
        yield


@contextlib.contextmanager
def transaction_left_open() -> Iterator[None]:
    """A caller that goes away leaves its transaction open; the next one commits it along."""
    left: list[Changes] = []
    commit, waits = SimulatedStore.commit, {"cancelled": False}

    def caller_left(store: SimulatedStore) -> None:
        waits["cancelled"] = True

    async def leaking(store: SimulatedStore, *changes: Changes) -> None:
        if waits["cancelled"]:
            waits["cancelled"] = False
            left.extend(changes)
            raise StoreFull("cancelled")
        open_, left[:] = list(left), []
        await commit(store, *open_, *changes)

    with (
        mock.patch.object(SimulatedStore, "caller_left", caller_left),
        mock.patch.object(SimulatedStore, "commit", leaking),
    ):
        yield


@contextlib.contextmanager
def moved_for_ever() -> Iterator[None]:
    """A replica that stays up nowhere is moved to and fro without end."""
    with (
        mock.patch.object(healing, "MOVES_MAX", 1000),
        _changed(healing, "_move", ("avoid=(*replica.avoid, old.node)", "avoid=(old.node,)")),
    ):
        yield


PLANTS: dict[str, tuple[Plant, tuple[str, ...]]] = {
    "a timer of an earlier run fires": (timer_of_an_earlier_run, ("S9", "S10")),
    "a delta is applied after a gap": (delta_after_a_gap, ("S6",)),
    "an older desired state is accepted": (older_state_accepted, ("S6",)),
    "the late close of an old socket marks a live node offline": (late_close_believed, ("S9", "S10", "S15")),
    "a port is reused while its holder is unconfirmed": (port_of_an_unconfirmed_holder, ("S11",)),
    "a successor is made without ending the old assignment": (successor_without_an_end, ("S3",)),
    "the guard counts only nodes already past 15 s": (guard_of_the_lost_only, ("S21",)),
    "a cancelled caller leaves a transaction open": (transaction_left_open, ("S2", "L1")),
    "a replica that stays up nowhere is moved for ever": (moved_for_ever, ("L7",)),
}
"""Plant -> how it is planted, and the invariants that may find it."""
