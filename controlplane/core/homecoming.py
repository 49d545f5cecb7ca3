"""Going back to a node that has returned: `x-rope.on_return: keep_old` and `first_healthy`. Every tick.

With `keep_new` (the default) a successor makes the copy on the lost node stale at once, and nothing is done here. With
the others that copy stays the replica's outgoing one until the successor is ready, under its own epoch, so that a node
which returns in time goes on serving. Only what is still an assignment is gone back to; afterwards `keep_old` moves
back start-first, with a new epoch. Failover itself is in `failover`. Rules: docs/dependencies.md.
"""

import msgspec

from controlplane.core import assigning, chains, dependencies
from controlplane.core.draft import Draft, where
from controlplane.core.node import Node
from controlplane.core.placement import Placed
from controlplane.core.project import Project
from controlplane.core.replica import Assignment, Replica, is_ready
from protocol.spec import ServiceSpec

SETTLED_S = 60.0
"""A node has to be online, and the successor as it is, for so long before replicas go back: some nodes come and go."""


def keeps(replica: Replica, spec: ServiceSpec, node: Node | None) -> bool:
    """True when the copy on the lost `node`, its home, stays an assignment until its successor is ready."""
    if spec.on_return == "keep_new" or node is None or replica.outgoing is not None:
        return False
    return replica.home in ("", node.name)


def home_of(replica: Replica, spec: ServiceSpec, node: Node | None) -> str:
    """The node that a replica taken from the lost `node` calls home: the first one, however often it is moved on."""
    if spec.on_return == "keep_new" or node is None:
        return ""
    return replica.home or node.name


def has_former(replica: Replica) -> bool:
    """True when the copy at home runs, so that a loss of the successor's node needs no other successor."""
    kept = replica.outgoing
    return kept is not None and bool(replica.home) and kept.node == replica.home and kept.state == "running"


def review(draft: Draft) -> None:
    """Look at every replica that is away from home, dependencies first."""
    if not draft.base.away:
        return
    away = [r for r in (draft.replica(key) for key in sorted(draft.base.away)) if r is not None and r.home]
    for _, replica in dependencies.in_order(draft, away):
        _review(draft, replica)


def is_missed(draft: Draft, replica: Replica) -> bool:
    """True for a replica that is home again while services that depend on it are not: they reach its former copy by
    name where they are. For a while only; two copies at once are not for ever.
    """
    wanted, revision = replica.wanted, draft.revision(replica.id.project, replica.revision)
    if not replica.home or wanted is None or revision is None or draft.now.wall - wanted.since > SETTLED_S:
        return False
    needed_by = chains.needed_by(revision.spec.services, replica.id.service)
    return any(
        r.id.service in needed_by and r.home == replica.home and (r.wanted is None or not _is_home(draft, r, r.wanted))
        for r in draft.replicas_of(replica.id.project)
    )


def _is_home(draft: Draft, replica: Replica, wanted: Assignment) -> bool:
    spec = draft.spec(replica.id, wanted.revision)
    return wanted.node == replica.home and spec is not None and is_ready(wanted, spec, draft.now.wall)


def take_back(draft: Draft, replica: Replica) -> None:
    """The outgoing copy is the wanted one again, and what was to take its place ends."""
    old, new = replica.outgoing, replica.wanted
    assert old is not None
    replica = assigning.take_back(draft, replica)
    ending = None
    if new is not None and new.state == "interrupted":
        assigning.withdraw(draft, replica.id, new, f"{new.node} is lost; it is stopped when the node returns")
    elif replica.wanted is not None:
        ending = assigning.end(draft, replica.id, replica.wanted)
    draft.put(
        msgspec.structs.replace(
            replica, wanted=old, outgoing=ending, home="", failed=False, restarts_due=False, reason=""
        )
    )
    draft.event(
        "replica.returned",
        f"{replica.id} is served by its former copy again, {where(old, draft.get(Node, old.node))}",
        cause=replica.cause,
        project=replica.id.project,
        replica=str(replica.id),
        node=old.node,
    )


def _review(draft: Draft, replica: Replica) -> None:
    wanted, kept = replica.wanted, replica.outgoing
    spec = draft.spec(replica.id, replica.revision)
    home = draft.get(Node, replica.home)
    project = draft.get(Project, replica.id.project)
    done = home is None or spec is None or project is None or replica.ending or spec.on_return == "keep_new"
    if done or (project is not None and project.deployment):
        _forget_home(draft, replica)  # a person has something else in mind
        return
    if wanted is None or spec is None or home is None:
        return
    if wanted.node == home.name:
        if is_ready(wanted, spec, draft.now.wall) and not is_missed(draft, replica):
            _forget_home(draft, replica)
    elif kept is not None and kept.node == home.name and not kept.ending:
        _decide(draft, replica, spec, wanted, kept)
    elif spec.on_return == "first_healthy":
        _forget_home(draft, replica)  # the successor was first
    elif kept is None and is_ready(wanted, spec, draft.now.wall):
        _go_home(draft, replica, home, wanted)


def _decide(draft: Draft, replica: Replica, spec: ServiceSpec, wanted: Assignment, kept: Assignment) -> None:
    """The copy at home and its successor both exist: the first that is ready wins."""
    wall = draft.now.wall
    old_spec = draft.spec(replica.id, kept.revision)
    if (
        old_spec is not None
        and is_ready(kept, old_spec, wall)
        and not (spec.on_return == "first_healthy" and is_ready(wanted, spec, wall))
    ):
        take_back(draft, replica)
    elif is_ready(wanted, spec, wall):
        _give_up(draft, replica, kept)


def _give_up(draft: Draft, replica: Replica, kept: Assignment) -> None:
    """The successor serves: from now on the copy at home is stale."""
    node = draft.get(Node, kept.node)
    if node is None or node.lost or kept.state == "interrupted":
        reason = f"{kept.node} is lost; it is stopped when the node returns"
        assigning.withdraw(draft, replica.id, kept, reason)
        draft.put(msgspec.structs.replace(replica, outgoing=None))
    else:
        draft.put(msgspec.structs.replace(replica, outgoing=assigning.end(draft, replica.id, kept)))


def _forget_home(draft: Draft, replica: Replica) -> None:
    kept = replica.outgoing
    if kept is not None and kept.node == replica.home and kept.state == "interrupted" and not kept.ending:
        _give_up(draft, replica, kept)
    current = draft.replica(replica.id)
    assert current is not None
    draft.put(msgspec.structs.replace(current, home=""))


def _go_home(draft: Draft, replica: Replica, home: Node, wanted: Assignment) -> None:
    """Start-first, with a new epoch, once the node is there to stay and what the service depends on is back."""
    settled = draft.now.wall - max(home.state_since, wanted.since) >= SETTLED_S
    if not home.takes_work or not settled or draft.tired():
        return
    needed = dependencies.services_needed(draft, replica.id, replica.revision)
    others = (r for r in draft.replicas_of(replica.id.project) if r.id.service in needed and r.home == home.name)
    if any(r.wanted is None or r.wanted.node != home.name for r in others):
        return
    bare = msgspec.structs.replace(replica, wanted=None, outgoing=wanted, remap=True)
    draft.put(bare)
    among = frozenset({home.name})
    placed = assigning.choose(draft, bare, fixed_required=False, prefer=wanted.ports, among=among)
    if not isinstance(placed, Placed):
        draft.put(replica)
        return
    draft.event(
        "replica.returning",
        f"{replica.id} goes back to {home.name}, which is back",
        cause=replica.cause,
        project=replica.id.project,
        replica=str(replica.id),
        node=home.name,
    )
    changed = assigning.assign(draft, bare, placed, awaits=dependencies.hold(draft, bare, home.name))
    assigning.tell_placed(draft, changed, placed, replica.cause)
