"""The ropes by node: live sessions, when each was last heard, its latest heartbeat. Implements `Dispatcher`.

Heartbeats end here: no disk write, no trip through the writer's inbox (DESIGN §2). The newest session wins; what an
older one still does changes nothing.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from controlplane.core import engine_health
from controlplane.core.action import CloseSession, SendDelta, SendFull, SendOrder, SendRelist, SendStopConfirmed
from controlplane.core.detector import SUSPECT_S, Sighting
from controlplane.core.fact import NodeUsage
from controlplane.core.record import Now
from controlplane.core.views import Figures
from controlplane.link.session import CHOKED, Session
from protocol.messages import ComeBack, Heartbeat, Relist

MIB = 1024 * 1024

SUPERSEDED = 4409
"""Close code for a session that a newer one of the same node took the place of."""

BACK_MIN_S = 0.5
BACK_PER_S = 200
"""At a restart agents are told to come back one after the other, so many each second …"""
BACK_MAX_S = 8.0
"""… but none later than this, so that nobody is taken for lost."""

CLONES_MIN = 3
CLONES_S = 60.0
"""So many sessions replaced while still open, within so long: rather two agents than one with a bad line."""

_log = logging.getLogger(__name__)


class _Rope:
    """What is known of one node, whether a session is open or not."""

    def __init__(self, agent_id: str, heard_at: float) -> None:
        self.agent_id = agent_id
        self.session: Session | None = None
        self.heard_at = heard_at
        self.aborted = False
        self.forgotten = False
        """The node was removed; its last session is being closed."""
        self.heartbeat: Heartbeat | None = None
        self.usage: NodeUsage | None = None
        self.superseded: Sequence[float] = ()
        """When a session took the place of one that was still open, lately."""


class _Sightings(Mapping[str, Sighting]):
    """What the ropes show at `now`, worked out for those that are asked for.

    A node that said what the controller has not taken yet is not silent: we do not listen.
    """

    def __init__(self, ropes: Mapping[str, _Rope], now: float) -> None:
        self._ropes = ropes
        self._at = now

    def __getitem__(self, node: str) -> Sighting:
        found: Sighting | None = self.get(node)
        if found is None:
            raise KeyError(node)
        return found

    def get(self, node: str, default: Any = None) -> Any:
        """As of any mapping; without an error for each of the thousands that are away when all come back."""
        rope = self._ropes.get(node)
        if rope is None or rope.forgotten:
            return default
        return Sighting(
            silent_s=0.0 if rope.session and rope.session.telling else max(0.0, self._at - rope.heard_at),
            connected=rope.session is not None,
            aborted=rope.aborted,
        )

    def __iter__(self) -> Iterator[str]:
        return (node for node, rope in self._ropes.items() if not rope.forgotten)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Hub:
    """All ropes. `now`: the clock at the edge; silences are judged in monotonic seconds."""

    def __init__(self, now: Callable[[], Now]) -> None:
        self._now = now
        self._ropes: OrderedDict[str, _Rope] = OrderedDict()
        """By the time at which each was last heard, the longest silence first."""
        self._usage: dict[str, NodeUsage] = {}
        self._apart: set[str] = set()
        """Nodes without a session."""
        self._unsound: set[str] = set()
        """Nodes whose last heartbeat spoke of an engine that is down or of a full disk."""
        self._quiet = asyncio.Event()
        self.choked = 0
        """Sessions ended because their agent did not read what it was sent, since the start."""

    # -- sessions ---------------------------------------------------------------------------------------------------

    def enter(self, session: Session) -> bool:
        """Make it the node's session; False when a newer one is open already."""
        rope, now = self._ropes.get(session.node), self._now().mono
        if rope is None or rope.agent_id != session.agent_id:
            former, rope = rope, _Rope(session.agent_id, now)
            rope.session = former.session if former else None
        if rope.session is not None:
            if rope.session.epoch > session.epoch:
                return False
            rope.session.end(SUPERSEDED, "a newer session of this node is open", clean=True)
            rope.superseded = [at for at in rope.superseded if now - at < CLONES_S] + [now]
            if len(rope.superseded) >= CLONES_MIN:
                _log.error(
                    "two agents hold the key of %s: was its data folder copied to another machine?", session.node
                )
        rope.session, rope.heard_at, rope.aborted = session, now, False
        self._ropes[session.node] = rope
        self._ropes.move_to_end(session.node)
        self._apart.discard(session.node)
        if rope.usage is None:
            self._usage.pop(session.node, None)
        return True

    def leave(self, session: Session) -> None:
        """The session's socket is closed. Changes nothing when a newer session is open."""
        rope = self._ropes.get(session.node)
        self.choked += session.closed is not None and session.closed.code == CHOKED
        if rope is not None and rope.session is session:
            rope.session = None
            rope.aborted = not session.clean
            self._apart.add(session.node)
            if rope.forgotten:
                self._forget(session.node)
            self._quiet.set()

    def heard(self, session: Session, mono: float | None = None) -> bool:
        """A frame came (at `mono`); False when the session is not the node's session any more."""
        rope = self._ropes.get(session.node)
        if rope is None or rope.session is not session:
            return False
        rope.heard_at = self._now().mono if mono is None else mono
        self._ropes.move_to_end(session.node)
        return True

    def beat(self, session: Session, heartbeat: Heartbeat) -> None:
        """Keep the latest figures of the node."""
        rope = self._ropes.get(session.node)
        if rope is not None and rope.session is session:
            bad_before = rope.usage.engine_bad if rope.usage else 0
            rope.heartbeat = heartbeat
            rope.usage = usage = self._usage[session.node] = _usage(heartbeat, bad_before)
            if engine_health.is_sound(usage.engine_bad, usage.disk_free):
                self._unsound.discard(session.node)
            else:
                self._unsound.add(session.node)

    async def dismiss(self) -> None:
        """Tell every agent when to come back, for a restart of the Center; returns when all sessions are closed.

        An agent that does not read keeps it waiting: give it a deadline.
        """
        live = [rope.session for rope in self._ropes.values() if rope.session is not None]
        spread_s = min(BACK_MAX_S - BACK_MIN_S, len(live) / BACK_PER_S)
        for place, session in enumerate(live):
            session.send(ComeBack(after_s=round(BACK_MIN_S + spread_s * place / len(live), 3)))
            session.clean = True
            session.outbox.finish()
        while self.sessions():
            self._quiet.clear()
            await self._quiet.wait()

    # -- to look at -------------------------------------------------------------------------------------------------

    def figures(self, node: str) -> Figures:
        """The latest of a node; empty when it was never heard."""
        rope = self._ropes.get(node)
        if rope is None or rope.forgotten:
            return Figures()
        return Figures(
            heartbeat=rope.heartbeat,
            connected=rope.session is not None,
            last_seen_s=max(0.0, self._now().mono - rope.heard_at),
        )

    def sessions(self) -> int:
        """Open sessions."""
        return sum(rope.session is not None for rope in self._ropes.values())

    def longest(self) -> int:
        """Control messages that wait for the slowest agent."""
        return max((rope.session.outbox.waiting for rope in self._ropes.values() if rope.session), default=0)

    # -- Dispatcher -------------------------------------------------------------------------------------------------

    def sightings(self, now: float) -> Mapping[str, Sighting]:
        """See `Dispatcher.sightings`."""
        return _Sightings(self._ropes, now)

    def restless(self, now: float) -> Collection[str]:
        """See `Dispatcher.restless`. Costs what is silent, not what there is."""
        found = self._apart | self._unsound
        for node, rope in self._ropes.items():
            if now - rope.heard_at <= SUSPECT_S:
                break
            found.add(node)
        return found

    def usage(self) -> Mapping[str, NodeUsage]:
        """See `Dispatcher.usage`."""
        return self._usage.copy()

    def send_full(self, action: SendFull) -> None:
        """See `Dispatcher.send_full`."""
        session = self._session(action.node, action.session_epoch)
        if session is not None:
            session.send_full(action)

    def send_delta(self, action: SendDelta) -> None:
        """See `Dispatcher.send_delta`."""
        session = self._session(action.node)
        if session is not None:
            session.send_delta(action)

    def send_order(self, action: SendOrder) -> None:
        """See `Dispatcher.send_order`."""
        session = self._session(action.node)
        if session is not None and session.has_full:
            session.send(action.order)

    def send_stop_confirmed(self, action: SendStopConfirmed) -> None:
        """See `Dispatcher.send_stop_confirmed`."""
        session = self._session(action.node, action.session_epoch)
        if session is not None:
            session.send(action.confirmed)

    def send_relist(self, action: SendRelist) -> None:
        """See `Dispatcher.send_relist`."""
        session = self._session(action.node)
        if session is not None and session.has_full:
            session.send(Relist())

    def close_session(self, action: CloseSession) -> None:
        """See `Dispatcher.close_session`."""
        rope = self._ropes.get(action.node)
        if rope is None or (rope.session is not None and rope.session.epoch > action.session_epoch):
            return
        if rope.session is not None:
            rope.session.end(1012, action.reason, clean=True)
            rope.forgotten = action.forget
            if action.forget:
                self._usage.pop(action.node, None)
        elif action.forget:
            self._forget(action.node)

    def _forget(self, node: str) -> None:
        del self._ropes[node]
        self._usage.pop(node, None)
        self._apart.discard(node)
        self._unsound.discard(node)

    def _session(self, node: str, epoch: int | None = None) -> Session | None:
        rope = self._ropes.get(node)
        session = rope.session if rope else None
        return session if session is not None and epoch in (None, session.epoch) else None


def _usage(heartbeat: Heartbeat, bad_before: int) -> NodeUsage:
    """A heartbeat as the scheduler wants it. What an agent says is kept within what is possible; 0 is what it has not
    measured yet: a machine is not full because its agent has just started.
    """
    free, total = heartbeat.mem_free_mb, heartbeat.disk_total_gb
    return NodeUsage(
        cpu_usage=min(max(heartbeat.cpu_usage, 0.0), 100.0),
        mem_free=int(min(free, 1e9) * MIB) if free > 0 else None,
        disk_free=min(max(heartbeat.disk_free_gb / total, 0.0), 1.0) if total > 0 else None,
        engine_bad=0 if heartbeat.engine_ok else bad_before + 1,
        ports=frozenset(heartbeat.ports),
        seen=frozenset([(f"{c.project_code}/{c.service}/{c.replica}", c.epoch) for c in heartbeat.containers]),
    )
