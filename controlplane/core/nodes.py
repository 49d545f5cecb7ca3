"""What people ask of nodes: tokens, registration, labels and weight, drain and resume, confirm-down, removal."""

import ipaddress
import math

import msgspec

from controlplane.core import detector, drain, failover, failover_policy, jobs, rollout
from controlplane.core.action import CloseSession
from controlplane.core.command import (
    ConfirmDown,
    DrainNode,
    PatchNode,
    Readmit,
    Register,
    RemoveNode,
    ResumeNode,
)
from controlplane.core.deployment import Deployment
from controlplane.core.draft import Draft
from controlplane.core.node import Former, JoinTicket, Node, possible
from controlplane.core.project import Project
from controlplane.core.record import Refused
from protocol.names import LABEL_KEY, LABEL_VALUE_MAX, NODE, is_legal

LABELS_MAX = 64
FORMER_KEPT = 10_000
"""Removed nodes that are remembered; the agent of an older one is told that nobody knows it, and heals on."""

WEIGHT_MAX = 1000.0
DEADLINE_MAX_S = 7 * 86400.0


def register(draft: Draft, command: Register) -> Node:
    """Take a new agent in, once per token; the same key asking again gets the same answer."""
    ticket = draft.get(JoinTicket, command.ticket)
    if ticket is None or ticket.secret_hash != command.secret_hash:
        raise Refused("forbidden", "the join token is not known here; make a new one with `rope token create`", "token")
    known = next((n for n in draft.all(Node) if n.public_key == command.public_key), None)
    if known is not None and ticket.used_by == command.public_key:
        return known
    if ticket.used_by:
        raise Refused("forbidden", "the join token was used already; it works once", "token")
    if draft.now.wall >= ticket.expires_at:
        raise Refused("forbidden", "the join token has expired; make a new one with `rope token create`", "token")
    if ticket.name and ticket.name != command.name:
        raise Refused("forbidden", f"the join token is for node {ticket.name!r}", "name")
    if known is not None and known.name == command.name:
        return known  # its agent lost the first answer; the token may still serve another
    if known is not None:
        raise Refused("conflict", f"this key belongs to node {known.name!r}", "public_key")
    _check(command.name, command.labels, command.weight)
    if draft.get(Node, command.name) is not None:
        raise Refused("conflict", f"there is a node {command.name!r} already; choose another --name", "name")
    node = Node(
        name=command.name,
        agent_id=command.agent_id,
        public_key=command.public_key,
        address=_address(command.address),
        registered_at=draft.now.wall,
        labels=command.labels,
        weight=command.weight,
        capacity=possible(command.capacity),
        versions=command.versions,
        engine_id=command.engine_id,
        state_since=draft.now.wall,
    )
    draft.put(node)
    draft.put(msgspec.structs.replace(ticket, used_by=command.public_key))
    draft.event("node.registered", f"{node.name} registered from {node.address}", node=node.name)
    return node


def readmit(draft: Draft, command: Readmit) -> Node:
    """Take in a node that joined after the backup was taken from which the Center was restored; only while it adopts.
    Its labels and its weight are not known any more.
    """
    if not draft.meta.adopting:
        raise Refused("forbidden", "this node is not known here; join it again with a new token", "agent_id")
    _check(command.name, {}, 1.0)
    if draft.get(Node, command.name) is not None:
        raise Refused("conflict", f"there is another node {command.name!r}; join it again under its own name", "name")
    node = Node(
        name=command.name,
        agent_id=command.agent_id,
        public_key=command.public_key,
        address=_address(command.address),
        registered_at=draft.now.wall,
        state_since=draft.now.wall,
    )
    draft.put(node)
    draft.event("node.readmitted", f"{node.name} joined after the backup and is taken in again", node=node.name)
    return node


def patch(draft: Draft, command: PatchNode) -> Node:
    """Change labels, weight, address; pending replicas are tried again at once."""
    node = draft.node(command.node)
    labels = {**node.labels, **{k: v for k, v in command.labels.items() if v is not None}}
    labels = {k: v for k, v in labels.items() if command.labels.get(k, "") is not None}
    weight = node.weight if command.weight is None else command.weight
    _check(node.name, labels, weight)
    address = node.address if command.address is None else _address(command.address)
    changed = msgspec.structs.replace(node, labels=labels, weight=weight, address=address)
    if changed != node:
        draft.put(changed)
        draft.event("node.changed", f"{node.name} changed by {command.actor}", node=node.name, data={"labels": labels})
        failover.retry(draft)
    return changed


def start_drain(draft: Draft, command: DrainNode) -> Node:
    """Nothing new comes here; what may move is moved, project by project."""
    node = draft.node(command.node)
    if node.draining and node.drain != "late":
        return node
    if not 0 <= command.deadline_s <= DEADLINE_MAX_S:
        raise Refused("invalid", f"a deadline is from 0 (none) to {DEADLINE_MAX_S:.0f} s", "deadline_s")
    cause = draft.event("node.draining", f"{node.name} is being drained, asked by {command.actor}", node=node.name)
    node = msgspec.structs.replace(
        node,
        draining=True,
        cause=cause,
        drain="moving",
        drain_since=draft.now.wall,
        drain_until=draft.now.wall + command.deadline_s if command.deadline_s else 0.0,
        drain_total=len(drain.leaving(draft, node.name)),
    )
    draft.put(node)
    for blocker in drain.blockers(draft, node.name):
        draft.event(
            "replica.stays",
            f"{blocker.id} stays on {node.name}: volume data lives here",
            cause=cause,
            project=blocker.id.project,
            replica=str(blocker.id),
            node=node.name,
        )
    rollout.empty(draft, node.name)
    return draft.node(command.node)


def resume(draft: Draft, command: ResumeNode) -> Node:
    """New work may come again; migrations under way are cancelled, nothing is moved back."""
    node = draft.node(command.node)
    if not node.draining:
        return node
    draft.put(msgspec.structs.replace(node, draining=False, drain="", drain_until=0.0, drain_total=0))
    draft.event("node.resumed", f"{node.name} is resumed by {command.actor}", node=node.name)
    for deployment in draft.open_deployments():
        if deployment.kind == "migrate" and deployment.node == node.name:
            _cancel(draft, deployment, f"{node.name} was resumed")
    failover.retry(draft)
    return draft.node(command.node)


def confirm_down(draft: Draft, command: ConfirmDown) -> Node:
    """A person has looked: the node is down, and its replicas may move although the guard holds."""
    node = draft.node(command.node)
    if node.state != "offline":
        raise Refused("conflict", f"{node.name} is {node.state}, not offline", "node")
    watch = detector.confirm_down(draft.volatile.watch, node.name)
    draft.volatile = msgspec.structs.replace(draft.volatile, watch=watch)
    failover_policy.free_on(draft, node.name)
    draft.event("node.confirmed_down", f"{node.name} is down, says {command.actor}", cause=node.cause, node=node.name)
    return node


def remove(draft: Draft, command: RemoveNode) -> Former:
    """Forget the node and revoke its key. Its replicas get successors where they may move, else wait for a place."""
    node = draft.node(command.node)
    here = [r for r in draft.replicas_on(node.name) if not jobs.has_completed(r)]
    if here and node.state != "offline" and not command.force:
        raise Refused(
            "conflict",
            f"{node.name} is {node.state} and has {len(here)} replicas: drain it first, or remove it with force",
            "node",
        )
    former = Former(agent_id=node.agent_id, name=node.name, public_key=node.public_key, removed_at=draft.now.wall)
    draft.event("node.removed", f"{node.name} removed by {command.actor}", node=node.name)
    draft.put(former)
    known = draft.base.former
    if len(known) >= FORMER_KEPT:
        draft.drop(min(known.values(), key=lambda f: (f.removed_at, f.agent_id)))
    draft.drop(node)
    draft.act(CloseSession(node=node.name, session_epoch=node.session_epoch, reason="removed", forget=True))
    failover.forget(draft, node.name)
    return former


def _cancel(draft: Draft, deployment: Deployment, reason: str) -> None:
    project = draft.get(Project, deployment.project)
    if project is not None and deployment.id in project.queue:
        draft.put(msgspec.structs.replace(project, queue=tuple(i for i in project.queue if i != deployment.id)))
    rollout.finish(draft, deployment, "cancelled", reason)


def _check(name: str, labels: dict[str, str], weight: float) -> None:
    if not is_legal(NODE, name):
        raise Refused("invalid", f"{name!r} is not a node name: letters, digits, '.', '_', '-', at most 63", "name")
    if len(labels) > LABELS_MAX:
        raise Refused("invalid", f"{len(labels)} labels, at most {LABELS_MAX}", "labels")
    for key, value in labels.items():
        if not is_legal(LABEL_KEY, key) or len(value) > LABEL_VALUE_MAX or not value.isprintable():
            raise Refused("invalid", f"{key!r} is not a legal label, or its value is not", f"labels.{key[:64]}")
    if not (math.isfinite(weight) and 0 < weight <= WEIGHT_MAX):
        raise Refused("invalid", f"a weight is more than 0 and at most {WEIGHT_MAX:.0f}", "weight")


def _address(text: str) -> str:
    """An address people can reach. Raises Refused."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise Refused("invalid", f"{text[:80]!r} is not an IP address", "address") from None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
