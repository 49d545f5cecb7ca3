"""What the Center does when an agent cannot keep a replica up: other ports, another node, or the plain word `failed`.

Rules: DESIGN §4, "Ports" and "Agent-side healing". Restarts on the node are the agent's own business.
"""

import msgspec

from controlplane.core import assigning, dependencies, homecoming
from controlplane.core.draft import Draft
from controlplane.core.placement import Placed, Unplaced
from controlplane.core.port_rest import REST_S, PortRest
from controlplane.core.project import Project
from controlplane.core.replica import Assignment, Replica
from protocol.messages import ContainerRef, ContainerReport
from protocol.names import ReplicaId
from protocol.spec import PortLease

MOVES_MAX = 3
"""Moves asked for by agents before a replica is `failed` for good."""

STABLE_S = 600.0
"""After so long without a move the count begins anew."""

_FOREIGN = ContainerRef(project="", service="", replica=0, epoch=0)


def react(draft: Draft, key: ReplicaId, report: ContainerReport) -> None:
    """Answer a report on the wanted assignment that asks for something."""
    replica = draft.replica(key)
    if replica is None or replica.wanted is None or replica.ending or replica.failed:
        return
    if report.code == "port_taken" and report.state == "failed":
        _other_ports(draft, replica, report.reason)
    elif report.gave_up or (report.code == "image_missing" and report.state == "failed"):
        _move(draft, replica, report)


def _other_ports(draft: Draft, replica: Replica, reason: str) -> None:
    """Docker or the test bind says a leased port is taken: ask for another lease, here if it may be another port."""
    old = replica.wanted
    assert old is not None
    assigning.withdraw(draft, replica.id, old, reason)
    for lease in old.ports:
        draft.put(
            PortRest(
                node=old.node, protocol=lease.protocol, port=lease.host, holder=_FOREIGN, until=draft.now.wall + REST_S
            )
        )
    replica = msgspec.structs.replace(replica, wanted=None, reason=reason[:500], since=draft.now.wall)
    draft.put(replica)
    draft.event(
        "replica.port_taken",
        f"{replica.id}: {reason or 'a port is taken'} on {old.node}",
        cause=replica.cause,
        project=replica.id.project,
        replica=str(replica.id),
        node=old.node,
    )
    place_pending(draft, replica, stay=old.node)


def choose_forgiving(
    draft: Draft,
    replica: Replica,
    *,
    fixed_required: bool,
    stay: str = "",
    prefer: tuple[PortLease, ...] = (),
    avoid: frozenset[str] = frozenset(),
) -> Placed | Unplaced:
    """As `assigning.choose`; when nothing else is left, nodes that gave up on the replica are tried again, too."""

    def ask(asked: Replica) -> Placed | Unplaced:
        return assigning.choose(draft, asked, fixed_required=fixed_required, stay=stay, prefer=prefer, avoid=avoid)

    placed = ask(replica)
    if isinstance(placed, Unplaced) and replica.avoid:
        placed = ask(msgspec.structs.replace(replica, avoid=()))
    return placed


def place_pending(
    draft: Draft, replica: Replica, *, stay: str = "", deployment: int = 0, known: Unplaced | None = None
) -> Placed | Unplaced:
    """Give a replica without a wanted assignment its place; says why there is none. `known`: there is none."""
    former = replica.outgoing.ports if replica.outgoing else ()
    placed = known or choose_forgiving(draft, replica, fixed_required=not replica.remap, stay=stay, prefer=former)
    if isinstance(placed, Unplaced):
        if not assigning.same_words(placed.reason, replica.reason):
            draft.put(msgspec.structs.replace(replica, reason=placed.reason))
            draft.event(
                "replica.pending",
                f"{replica.id} waits for a place: {placed.reason}",
                cause=replica.cause,
                project=replica.id.project,
                replica=str(replica.id),
                data={"candidates": assigning.told(placed)},
            )
        return placed
    hold = replica.outgoing is not None and replica.outgoing.ending
    awaits = dependencies.hold(draft, replica, placed.node)
    changed = assigning.assign(draft, replica, placed, hold=hold, awaits=awaits, deployment=deployment)
    assigning.tell_placed(draft, changed, placed, replica.cause, deployment=deployment)
    return placed


def _move(draft: Draft, replica: Replica, report: ContainerReport) -> None:
    """The agent asks for another node. Not for a replica whose data is here; not for ever."""
    old = replica.wanted
    assert old is not None
    spec = draft.spec(replica.id, old.revision)
    if draft.now.wall - replica.moved_at > STABLE_S:
        replica = msgspec.structs.replace(replica, moves=0, avoid=())
    moves = replica.moves
    if spec is not None and _hold(draft, replica, old, report):
        return
    if spec is None or not spec.may_move:
        _give_up(draft, replica, report, "its volume data lives here, so it is not moved")
        return
    if moves >= MOVES_MAX:
        _give_up(draft, replica, report, f"moved {moves} times without success")
        return
    if homecoming.has_former(replica) or (replica.home == old.node and replica.outgoing is not None):
        homecoming.take_back(draft, replica)
        return
    serving = replica.outgoing if not replica.kept_until else None  # one kept after a switch serves nobody
    if serving is not None and not serving.ending and serving.state != "interrupted":
        _give_up(draft, replica, report, f"the one before it serves on, on {serving.node}")
        return
    tried = msgspec.structs.replace(replica, avoid=(*replica.avoid, old.node), revision=old.revision)
    placed = assigning.choose(draft, tried, fixed_required=False, prefer=old.ports)
    if isinstance(placed, Unplaced):
        _give_up(draft, replica, report, f"no other node takes it ({placed.reason})")
        return
    draft.event(
        "replica.moving",
        f"{replica.id} gave up on {old.node} ({report.reason[:200]}); moving to {placed.node}",
        cause=replica.cause,
        project=replica.id.project,
        replica=str(replica.id),
        node=old.node,
    )
    if replica.outgoing is not None:
        assigning.withdraw(draft, replica.id, replica.outgoing, "another copy is going out")
    outgoing = assigning.end(draft, replica.id, old)
    moving = msgspec.structs.replace(
        tried,
        revision=replica.revision,
        outgoing=outgoing,
        wanted=None,
        remap=True,
        moves=moves + 1,
        moved_at=draft.now.wall,
    )
    changed = assigning.assign(draft, moving, placed)
    assigning.tell_placed(draft, changed, placed, replica.cause)


def _hold(draft: Draft, replica: Replica, old: Assignment, report: ContainerReport) -> bool:
    """What does not stay up while something it depends on is away is not to blame, and no other node would do better:
    it waits there as it would after a failover. Not within a deployment, which judges for itself.
    """
    project = draft.get(Project, replica.id.project)
    found = dependencies.unmet(draft, replica.id, old.revision, node=old.node)
    if found is None or replica.outgoing is not None or project is None or project.deployment:
        return False
    held = msgspec.structs.replace(replica, wanted=None, outgoing=msgspec.structs.replace(old, ending=True), remap=True)
    draft.put(held)
    placed = assigning.choose(
        draft, held, fixed_required=False, stay=old.node, prefer=old.ports, among=frozenset({old.node})
    )
    if isinstance(placed, Unplaced):
        draft.put(replica)
        return False
    held = msgspec.structs.replace(held, outgoing=assigning.end(draft, replica.id, old))
    assigning.assign(draft, held, placed, hold=True, awaits=found.text)
    draft.event(
        "replica.held",
        f"{replica.id} gave up on {old.node} ({report.reason[:200]}); it {found.text}",
        cause=replica.cause,
        project=replica.id.project,
        replica=str(replica.id),
        node=old.node,
    )
    return True


def _give_up(draft: Draft, replica: Replica, report: ContainerReport, why: str) -> None:
    draft.put(msgspec.structs.replace(replica, failed=True))
    draft.event(
        "replica.given_up",
        f"{replica.id} failed for good: {report.reason[:300] or 'it does not stay up'}; {why}",
        cause=replica.cause,
        project=replica.id.project,
        replica=str(replica.id),
        data={"log_tail": list(report.log_tail)},
    )
