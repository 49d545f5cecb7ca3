"""Emptying a node: one `migrate` deployment per project with replicas there that may move (DESIGN §4, issue text 2).

Called when a drain begins and whenever a project's deployment ends, so that a drain survives what supersedes it.
"""

import msgspec

from controlplane.core import assigning, jobs, waiting
from controlplane.core.command import PlanDrain
from controlplane.core.deployment import ENDED, Deployment
from controlplane.core.diff import may_leave
from controlplane.core.draft import Draft
from controlplane.core.node import DrainState, Node
from controlplane.core.placement import Unplaced
from controlplane.core.project import Project
from controlplane.core.replica import Replica
from protocol.api import DrainBlocker, DrainMove, DrainPlan

REASON = "volume data lives here"
"""Why a drain leaves a replica where it is."""

NAMES_MAX = 5
"""Replicas named in the sentence about a drain that did not get done."""

RETRY_S = 300.0
"""A migration that failed is tried again after so long."""


def queue(draft: Draft, code: str) -> None:
    """Put the migrations this project owes to draining nodes at the end of its line, once each."""
    project = draft.get(Project, code)
    if project is None:
        return
    draining = (n for n in draft.all(Node) if n.draining and n.drain != "late")
    owed = [n for n in draining if any(leaving(draft, n.name, code))]
    for node in sorted(owed, key=lambda n: n.name):
        if not _has_migration(draft, code, node):
            _add(draft, project, node)


def leaving(draft: Draft, node: str, code: str = "") -> list[Replica]:
    """Replicas on the node that a drain will move, of one project or of all."""
    return [
        r
        for r in draft.replicas_on(node)
        if r.wanted is not None
        and r.wanted.node == node
        and r.wanted.state != "interrupted"
        and (not code or r.id.project == code)
        and may_leave(draft, r)
    ]


def blockers(draft: Draft, node: str) -> list[Replica]:
    """Replicas on the node that a drain leaves there: their volume data lives here."""
    return [
        r
        for r in draft.replicas_on(node)
        if r.wanted is not None
        and r.wanted.node == node
        and not (r.ending or may_leave(draft, r) or jobs.has_completed(r))
    ]


def is_draining(draft: Draft, node: str) -> bool:
    """True when what runs there shall not stay longer than it must."""
    found = draft.get(Node, node)
    return found is not None and found.draining


def plan(draft: Draft, command: PlanDrain) -> DrainPlan:
    """Try a drain out on `draft`, which the caller throws away."""
    node = draft.node(command.node)
    draft.put(msgspec.structs.replace(node, draining=True))
    moves = []
    for replica in leaving(draft, node.name):
        assert replica.wanted is not None
        bare = msgspec.structs.replace(replica, wanted=None, outgoing=replica.wanted)
        draft.put(bare)
        spec = draft.spec(replica.id, replica.revision)
        strict = spec is not None and spec.port_strict
        placed = assigning.choose(draft, bare, fixed_required=strict, prefer=replica.wanted.ports)
        if isinstance(placed, Unplaced):
            draft.put(replica)
            moves.append(DrainMove(replica=str(replica.id), to=None, reason=placed.reason))
        else:
            assigning.assign(draft, bare, placed)
            moves.append(DrainMove(replica=str(replica.id), to=placed.node, reason=""))
    stays = tuple(DrainBlocker(replica=str(r.id), reason=REASON) for r in blockers(draft, node.name))
    return DrainPlan(node=node.name, moves=tuple(moves), blockers=stays)


def look(draft: Draft, node: Node) -> bool:
    """Write down how far the drain is, and say so once. False when its deadline has passed: nothing more is moved."""
    if node.drain == "late":
        return False
    still = left(draft, node.name)
    late = bool(node.drain_until) and draft.now.wall >= node.drain_until and bool(still)
    state: DrainState = "late" if late else ("moving" if still else "done")
    if state == node.drain:
        return not late
    moved = max(0, node.drain_total - len(still))
    if state == "done":
        draft.event("node.drained", f"{node.name} is drained: {moved} moved", cause=node.cause, node=node.name)
    elif state == "late":
        names = ", ".join(still[:NAMES_MAX])
        draft.event(
            "node.drain_late",
            f"the drain of {node.name} is over its deadline: {moved} moved, {len(still)} left: {names}",
            cause=node.cause,
            node=node.name,
        )
    draft.put(msgspec.structs.replace(node, drain=state))
    return not late


def left(draft: Draft, node: str) -> list[str]:
    """What has still to go: replicas that may move, and former copies that still serve."""
    here = {str(r.id) for r in leaving(draft, node)}
    here |= {
        str(r.id)
        for r in draft.replicas_on(node)
        if r.outgoing is not None and r.outgoing.node == node and not r.outgoing.ending
    }
    return sorted(here)


def migrations(draft: Draft, node: str) -> list[Deployment]:
    """The deployments that empty this node and have not ended."""
    return [d for d in draft.open_deployments() if d.kind == "migrate" and d.node == node]


def _has_migration(draft: Draft, code: str, node: Node) -> bool:
    """True while one waits or runs, and for a while after one failed in this drain."""
    project = draft.project(code)
    for number in (project.deployment, *project.queue, *project.failed_migrations):
        found = draft.get(Deployment, number)
        if found is None or found.kind != "migrate" or found.node != node.name:
            continue
        if found.state not in ENDED:
            return True
        if found.created_at >= node.drain_since and draft.now.wall - found.ended_at < RETRY_S:
            return True
    return False


def _add(draft: Draft, project: Project, node: Node) -> None:
    deployment = Deployment(
        id=draft.next_id("deployment_seq"),
        project=project.code,
        kind="migrate",
        revision=project.revision,
        created_at=draft.now.wall,
        node=node.name,
        cause=node.cause,
        actor="drain",
    )
    waiting.join(draft, deployment)
