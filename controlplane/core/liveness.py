"""What the passing of time does: node states from silences, engines that are down, deadlines, deployments, retries.

One call a tick. When nothing happened and nothing is due it changes nothing.
"""

from collections.abc import Iterator, Mapping

import msgspec

from controlplane.core import (
    adoption,
    assigning,
    dependencies,
    detector,
    engine_health,
    failover,
    homecoming,
    observe,
    prepare,
    rollout,
    tasks,
    upgrading,
)
from controlplane.core.action import CloseSession, SendRelist
from controlplane.core.detector import Verdict
from controlplane.core.draft import Draft
from controlplane.core.fact import NodeUsage, Tick
from controlplane.core.node import Node, NodeState
from controlplane.core.replica import Replica

RELIST_S = 15.0
"""A copy whose end is not reported for so long: its node is asked for its inventory, as often again."""


def tick(draft: Draft, fact: Tick) -> None:
    """Look at everything that time alone can change."""
    draft.volatile = msgspec.structs.replace(draft.volatile, usage=fact.usage)
    astir = _astir(draft, fact)
    _judge(draft, fact, astir)
    if draft.meta.adopting:
        adoption.tick(draft)
        return
    _look_at_engines(draft, fact.usage, astir)
    for name in astir:
        if draft.base.nodes[name].draining:
            rollout.empty(draft, name)  # what came back with a node that was drained while it was away, too
    assigning.forget_rests(draft)
    tasks.expire(draft)
    upgrading.advance(draft)
    for deployment in draft.open_deployments():
        rollout.advance(draft, deployment.id)
    homecoming.review(draft)
    for key in sorted(draft.base.crossing):
        replica = draft.replica(key)
        if replica is not None:
            rollout.settle(draft, replica)
    dependencies.release(draft)
    _ask_for_the_departed(draft)
    if draft.now.mono >= draft.volatile.retry_at:
        draft.volatile = msgspec.structs.replace(draft.volatile, retry_at=draft.now.mono + failover.RETRY_S)
        failover.retry(draft)


def _ask_for_the_departed(draft: Draft) -> None:
    """A copy that was ended before its agent heard of it is never reported gone; the inventory shows that it is. Of a
    node that was removed nobody will ever say anything.
    """
    if not draft.base.departing or draft.now.mono < draft.volatile.relist_at:
        return
    draft.volatile = msgspec.structs.replace(draft.volatile, relist_at=draft.now.mono + RELIST_S)
    late: dict[str, list[Replica]] = {}
    for replica in (draft.replica(key) for key in sorted(draft.base.departing)):
        a = replica.outgoing if replica is not None else None
        if replica is not None and a is not None and a.ending and draft.now.wall - a.since >= RELIST_S:
            late.setdefault(a.node, []).append(replica)
    for name, replicas in sorted(late.items()):
        node = draft.get(Node, name)
        if node is None:
            for replica in replicas:
                observe.release(draft, replica)
        elif node.state == "online":
            draft.act(SendRelist(node=name))


class _Standings(Mapping[str, tuple[NodeState, bool]]):
    """(state, held) of all nodes, read when asked for: most ticks ask for few."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes

    def __getitem__(self, name: str) -> tuple[NodeState, bool]:
        node = self._nodes[name]
        return node.state, node.held

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)


def _astir(draft: Draft, fact: Tick) -> list[str]:
    """The nodes to look at, by name: a tick must not cost what thousands of quiet ones do."""
    nodes = draft.base.nodes
    if fact.restless is None:
        return list(nodes)
    wanted = draft.base.unsettled.union(fact.restless, draft.volatile.watch.opened, draft.volatile.watch.absences)
    return sorted(name for name in wanted if name in nodes)


def _judge(draft: Draft, fact: Tick, astir: list[str]) -> None:
    restless = None if fact.restless is None else astir
    watch, nodes = draft.volatile.watch, _Standings(draft.base.nodes)
    sightings = upgrading.excused(draft, fact.sightings)
    judgement = detector.judge(watch, nodes, sightings, draft.now.mono, fact.gap_s, restless)
    draft.volatile = msgspec.structs.replace(draft.volatile, watch=judgement.watch)
    for text in judgement.alarms:
        draft.event("alarm", text)
    for text in judgement.eased:
        draft.event("alarm.over", text)
    lost = [v.node for v in judgement.verdicts if _apply(draft, v)]
    if draft.meta.adopting:
        return  # nothing moves; when it ends, what is lost by then is abandoned
    for name in lost:
        node = draft.get(Node, name)
        if node is not None:
            failover.abandon(draft, node)
    prepare.prepare(draft, judgement.prepare)
    if any(v.state == "online" for v in judgement.verdicts):
        failover.retry(draft)


def _apply(draft: Draft, verdict: Verdict) -> bool:
    """Write a verdict down and tell it. True when the node's replicas may move from now on."""
    node = draft.node(verdict.node)
    was = node.state
    cause = 0 if verdict.state in ("unknown", "suspect") and was == "online" else node.cause
    held = " (held: nothing moves)" if verdict.held else ""
    seq = draft.event(
        f"node.{verdict.state}",
        f"{node.name} {verdict.state}{held}: {verdict.reason}",
        cause=cause,
        node=node.name,
        data={"silent_s": round(verdict.silent_s, 1)} if verdict.silent_s is not None else {},
    )
    changed = msgspec.structs.replace(
        node,
        state=verdict.state,
        state_since=node.state_since if was == verdict.state else draft.now.wall,
        held=verdict.held,
        lost=verdict.moves,
        were_running=_running(draft, node, verdict.state),
        cause=0 if verdict.state == "online" else (cause or seq),
    )
    draft.put(changed)
    if verdict.state == "offline" and was != "offline":
        # Its socket may outlive the silence; only a new session tells again what runs there.
        closing = f"{node.name} was silent for too long"
        draft.act(CloseSession(node=node.name, session_epoch=node.session_epoch, reason=closing))
        failover.interrupt(draft, changed, f"{node.name} is offline ({verdict.reason})")
        tasks.fail_orders_of(draft, node.name, f"{node.name} is offline")
    return verdict.moves


def _running(draft: Draft, node: Node, state: NodeState) -> int:
    """How many replicas ran there when it was heard last; remembered while it is offline."""
    if state != "offline" or node.state == "offline":
        return node.were_running if state == "offline" else 0
    here = (r.wanted for r in draft.replicas_on(node.name))
    return sum(a is not None and a.node == node.name and a.state == "running" for a in here)


def _look_at_engines(draft: Draft, usage: Mapping[str, NodeUsage], astir: list[str]) -> None:
    """Engine down for 3 beats, or the disk full: nothing new comes here, and after 60 s what is here may move."""
    for name in astir:
        latest = usage.get(name)
        node = draft.get(Node, name) if latest is not None else None
        if latest is None or node is None or node.state != "online":
            continue
        if not node.unschedulable and engine_health.is_sound(latest.engine_bad, latest.disk_free):
            continue
        found = engine_health.judge(
            reason=node.unschedulable,
            since=node.unschedulable_since,
            engine_bad=latest.engine_bad,
            disk_free=latest.disk_free,
            now=draft.now.wall,
        )
        if found.reason != node.unschedulable:
            _mark(draft, node, found.reason)
        elif found.may_move and not node.lost:
            lost = msgspec.structs.replace(node, lost=True)
            draft.put(lost)
            failover.interrupt(draft, lost, f"{node.name}: {node.unschedulable}", runs_on=latest.engine_bad == 0)
            failover.abandon(draft, lost)


def _mark(draft: Draft, node: Node, reason: str) -> None:
    kind, text = (
        ("node.unschedulable", f"{node.name} takes nothing new: {reason}")
        if reason
        else (
            "node.schedulable",
            f"{node.name} takes work again",
        )
    )
    cause = draft.event(kind, text, cause=node.cause, node=node.name)
    if reason:
        draft.event("alarm", f"{node.name}: {reason}", cause=cause, node=node.name)
    draft.put(
        msgspec.structs.replace(
            node,
            unschedulable=reason,
            unschedulable_since=draft.now.wall if reason else 0.0,
            lost=False,
            cause=(node.cause or cause) if reason else 0,
        )
    )
    if not reason:
        if any(r.wanted and r.wanted.state == "interrupted" for r in draft.replicas_on(node.name)):
            draft.act(CloseSession(node=node.name, session_epoch=node.session_epoch, reason="resync"))
        failover.retry(draft)
