"""A node is lost: its replicas are interrupted, then get successors elsewhere; a node that returns is left as it was.

Rules: DESIGN §4. Nothing happens to an assignment until the decision that creates its successor: only that makes the
old one stale (where its service goes back to nodes that return, that successor's readiness: `homecoming`). When and
whether it moves is `failover_policy`'s; in which order, and what then waits for what, `dependencies`'. The story of a
failover has one cause id, that of the first sign of trouble.
"""

import msgspec

from controlplane.core import assigning, dependencies, failover_policy, healing, homecoming, jobs, observe, tasks
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.placement import Placed, Unplaced
from controlplane.core.project import Project, data_node
from controlplane.core.replica import Assignment, Replica, moved

RETRY_S = 5.0
"""Replicas without a place are tried again at every change, and at least so often (observed load changes silently)."""

INTERRUPT_LOOKS = 8
"""What telling of one interrupted replica costs, in looks: the placements of the same decision come on top."""


def interrupt(draft: Draft, node: Node, reason: str, *, runs_on: bool = False) -> None:
    """The node is offline, or cannot do its work: mark what ran there. Nothing moves by this. `runs_on`: it is only to
    be left, so what may not move is as it was.
    """
    for replica in draft.replicas_on(node.name):
        wanted = replica.wanted
        if wanted is None or wanted.node != node.name or wanted.state == "interrupted":
            continue
        spec = draft.spec(replica.id, wanted.revision)
        if jobs.at_rest(spec, wanted):
            continue
        if runs_on and (spec is None or not spec.may_move):
            continue
        draft.looks += INTERRUPT_LOOKS
        lost = moved(wanted, "interrupted", draft.now.wall, reason)
        lost = msgspec.structs.replace(lost, running_since=0.0, freed=False)
        draft.put(msgspec.structs.replace(replica, wanted=lost, cause=node.cause))
        draft.event(
            "replica.interrupted",
            f"{replica.id} interrupted: {reason}",
            cause=node.cause,
            project=replica.id.project,
            replica=str(replica.id),
            node=node.name,
        )


def abandon(draft: Draft, node: Node) -> None:
    """The node's replicas may be started elsewhere now: end what waited for it, and give each a successor."""
    for replica in draft.replicas_on(node.name):
        outgoing = replica.outgoing
        if outgoing is not None and outgoing.node == node.name:
            _let_go(draft, replica, outgoing)
    retry(draft)


def retry(draft: Draft) -> None:
    """Try to place everything that has no place: pending replicas, and those interrupted on lost nodes.

    A try that takes too long goes on at the next decision, behind the last replica it looked at.
    """
    after = draft.volatile.retry_after
    last = after
    hopeless: dict[tuple[object, ...], Unplaced] = {}  # a service's replicas are refused alike: ask once for all
    for turn, replica in dependencies.in_order(draft, draft.unplaced()):
        if draft.spec(replica.id, replica.revision) is None:
            continue  # its revision waits to be pinned, or its service was removed: a deployment deals with it
        if after is not None and turn <= after:
            continue
        if draft.tired():
            draft.volatile = msgspec.structs.replace(draft.volatile, retry_at=0.0, retry_after=last)
            return
        last = turn
        lost = replica.wanted.node if replica.wanted else ""
        service = (replica.id.project, replica.id.service, replica.revision)
        data = data_node(draft.get(Project, replica.id.project), replica.id)
        key = (service, replica.remap, data, replica.avoid, lost)
        known = hopeless.get(key)
        if replica.wanted is None:
            placed: Placed | Unplaced | None = healing.place_pending(draft, replica, known=known)
        else:
            placed = _succeed(draft, replica, replica.wanted, known)
        if isinstance(placed, Unplaced):
            hopeless[key] = placed
    if after is not None:
        draft.volatile = msgspec.structs.replace(draft.volatile, retry_after=None)


def _let_go(draft: Draft, replica: Replica, outgoing: Assignment) -> None:
    """Nobody can say when the outgoing copy ends: stop waiting for it."""
    assigning.withdraw(draft, replica.id, outgoing, f"{outgoing.node} is lost; it is stopped when the node returns")
    observe.release(draft, replica)


def _succeed(draft: Draft, replica: Replica, old: Assignment, known: Unplaced | None) -> Placed | Unplaced | None:
    node = draft.get(Node, old.node)
    if node is not None and not node.lost:
        return None
    spec = draft.spec(replica.id, replica.revision)
    if spec is None:
        return None
    if why := failover_policy.stays(draft, replica, old, spec, node):
        _explain(draft, replica, why)
        return None
    if homecoming.has_former(replica):
        homecoming.take_back(draft, replica)
        return None
    placed = known or _target(draft, replica, old)
    if isinstance(placed, Unplaced):
        _explain(draft, replica, placed.reason, placed)
        return placed
    kept = replica.outgoing
    if homecoming.keeps(replica, spec, node):
        kept = old  # until its successor is ready
    else:
        assigning.withdraw(draft, replica.id, old, f"{old.node} is lost")
    moving = msgspec.structs.replace(
        replica,
        wanted=None,
        outgoing=kept,
        remap=True,
        restarts_due=dependencies.will_restart(draft, replica),
        home=homecoming.home_of(replica, spec, node),
    )
    draft.put(moving)
    changed = assigning.assign(draft, moving, placed, awaits=dependencies.hold(draft, moving, placed.node))
    assigning.tell_placed(draft, changed, placed, replica.cause)
    return placed


def _target(draft: Draft, replica: Replica, old: Assignment) -> Placed | Unplaced:
    """The prepared target when it still fits, else the best there is."""
    prepared = assigning.unprepare(draft, replica.id)
    away = frozenset({old.node})
    if prepared is not None and prepared.target and prepared.revision == replica.revision:
        placed = assigning.choose(
            draft,
            replica,
            fixed_required=False,
            prefer=prepared.ports,
            avoid=away,
            among=frozenset({prepared.target}),
        )
        if isinstance(placed, Placed):
            return msgspec.structs.replace(placed, candidates=prepared.candidates)
    return healing.choose_forgiving(draft, replica, fixed_required=False, prefer=old.ports, avoid=away)


def _explain(draft: Draft, replica: Replica, reason: str, unplaced: Unplaced | None = None) -> None:
    """Say once why an interrupted replica stays where it is."""
    wanted = replica.wanted
    assert wanted is not None
    if assigning.same_words(wanted.reason, reason):
        return
    draft.put(msgspec.structs.replace(replica, wanted=msgspec.structs.replace(wanted, reason=reason)))
    candidates = assigning.told(unplaced) if unplaced else []
    draft.event(
        "replica.stays",
        f"{replica.id} stays interrupted: {reason}",
        cause=replica.cause,
        project=replica.id.project,
        replica=str(replica.id),
        node=wanted.node,
        data={"candidates": candidates} if candidates else {},
    )


def forget(draft: Draft, name: str) -> None:
    """The node was removed: nothing waits for it, its volume data is given up, its replicas need another place."""
    for project in list(draft.all(Project)):
        kept = {replica: node for replica, node in project.data_nodes.items() if node != name}
        draft.put(msgspec.structs.replace(project, data_nodes=kept))
    for replica in draft.replicas_on(name):
        outgoing = replica.outgoing
        if outgoing is not None and outgoing.node == name:
            _let_go(draft, replica, outgoing)
        current = draft.replica(replica.id)
        if current is None or current.wanted is None or current.wanted.node != name:
            continue
        if jobs.has_completed(current):  # it is done; another node of that name shall not be told to do it again
            done = msgspec.structs.replace(current.wanted, hold=True)
            draft.put(msgspec.structs.replace(current, wanted=done))
            continue
        assigning.unprepare(draft, replica.id)  # else its own reservation would stand in its way
        if current.wanted.task:
            tasks.advance(draft, current.wanted.task, "failed", f"{name} was removed")
        draft.put(
            msgspec.structs.replace(
                current,
                wanted=None,
                remap=True,
                reason=f"{name} was removed",
                since=draft.now.wall,
            )
        )
    tasks.fail_orders_of(draft, name, f"{name} was removed")
    for rest in draft.rests_on(name):
        draft.drop(rest)
    retry(draft)
