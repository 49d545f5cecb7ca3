"""Giving replicas a place and taking it away: new epochs, leases, resting ports. Who decides when is elsewhere."""

import re
from typing import Any

import msgspec

from controlplane.core import companions, tasks
from controlplane.core.draft import Draft, where
from controlplane.core.node import Node
from controlplane.core.placement import Placed, Unplaced, place
from controlplane.core.port_rest import REST_S, PortRest
from controlplane.core.preparation import Preparation
from controlplane.core.project import HISTORY_MAX, Project, data_node
from controlplane.core.replica import Assignment, Replica, ref
from controlplane.core.room import Room, Want
from controlplane.core.rooms import rooms
from controlplane.core.shortlist import is_plain, kept
from protocol.messages import ContainerRef
from protocol.names import ReplicaId
from protocol.spec import PortLease, ServiceSpec, Strategy

_PASSING = re.compile(r"[\d.]+(?= (?:MB|CPU) short| s more for | % of its disk)")


CANDIDATES_TOLD = 32
"""Candidates kept with an event; `plan` names them all."""


def choose(
    draft: Draft,
    replica: Replica,
    *,
    fixed_required: bool,
    stay: str = "",
    prefer: tuple[PortLease, ...] = (),
    avoid: frozenset[str] = frozenset(),
    among: frozenset[str] | None = None,
) -> Placed | Unplaced:
    """Where the replica's revision would go now. `among` limits it to some nodes. Changes nothing."""
    spec = draft.spec(replica.id, replica.revision)
    assert spec is not None, f"{replica.id} has no service in revision {replica.revision}"
    project = draft.get(Project, replica.id.project)
    linked = companions.linked(draft, replica)
    comes_along = companions.company(draft, replica, avoid) if linked else ()
    if linked and spec.restart == "no":
        stay = ""  # a job has nothing to stay for where it ran before: it goes to what it works on
    want = Want(
        replica=replica.id,
        spec=spec,
        strategy=strategy_of(draft, replica.id, replica.revision, spec),
        history=project.history if project else (),
        data_node=data_node(project, replica.id) if spec.local_data else "",
        avoid=avoid | frozenset(replica.avoid),
        fixed_required=fixed_required or spec.port_strict,
        prefer=prefer,
        stay=stay,
        linked=linked,
        company=comes_along,
        now=draft.now.wall,
    )
    found = _without_own(rooms(draft), replica)
    if among is None and is_plain(want):
        choice, looks = kept(draft.base.shortlists, want).place(want, found)
    else:
        found = [room for room in found if among is None or room.node.name in among]
        choice, looks = place(want, found), len(found) * (1 + len(comes_along))
    draft.placed(looks)
    return choice


def strategy_of(draft: Draft, key: ReplicaId, revision: int, spec: ServiceSpec) -> Strategy:
    """The service's own strategy, else the project's, else `labels` where labels are preferred, else `least_loaded`."""
    found = draft.revision(key.project, revision)
    named = spec.placement.strategy or (found.spec.strategy if found else None)
    return named or ("labels" if spec.placement.preferred else "least_loaded")


def same_words(one: str, other: str) -> bool:
    """True when two reasons differ at most in figures that change by themselves: what is short, seconds of rest."""
    return one == other or _PASSING.sub("", one) == _PASSING.sub("", other)


def assign(
    draft: Draft, replica: Replica, placed: Placed, *, hold: bool = False, awaits: str = "", deployment: int = 0
) -> Replica:
    """Give the replica a new wanted assignment with the next epoch, and a task to watch it. The caller has dealt with
    the former wanted one. `awaits`: what it depends on and must wait for, in words; "" = nothing.
    """
    epoch = replica.epoch + 1
    task = tasks.begin(
        draft, "start", placed.node, project=replica.id.project, target=ref(replica.id, epoch), deployment=deployment
    )
    assignment = Assignment(
        node=placed.node,
        epoch=epoch,
        revision=replica.revision,
        ports=placed.ports,
        since=draft.now.wall,
        hold=hold or bool(awaits),
        awaits=bool(awaits),
        reason=awaits,
        task=task.id,
    )
    spec = draft.spec(replica.id, replica.revision)
    changed = msgspec.structs.replace(replica, epoch=epoch, wanted=assignment, reason="", failed=False)
    draft.put(changed)
    _free_rests(draft, placed)
    _remember_node(draft, replica.id, placed.node, data=bool(spec and spec.local_data))
    return changed


def told(choice: Placed | Unplaced) -> list[dict[str, Any]]:
    """The candidates of a choice as the journal keeps them: the best, so that it does not grow with the cluster."""
    return [msgspec.to_builtins(candidate) for candidate in choice.candidates[:CANDIDATES_TOLD]]


def tell_placed(draft: Draft, replica: Replica, placed: Placed, cause: int, **about: Any) -> None:
    """The journal line of a new assignment, with the best candidates' scores, and one for each remapped port."""
    assert replica.wanted is not None
    place_text = where(replica.wanted, draft.get(Node, placed.node))
    draft.event(
        "replica.placed",
        f"{replica.id} placed {place_text}",
        of=replica,
        cause=cause,
        node=placed.node,
        data={"epoch": replica.epoch, "candidates": told(placed)},
        **about,
    )
    for wanted, given in placed.remapped:
        draft.event(
            "replica.port_remapped",
            f"{replica.id}: port {wanted} is not free on {placed.node}, now {given}",
            cause=cause,
            project=replica.id.project,
            replica=str(replica.id),
            node=placed.node,
            data={"from": wanted, "to": given},
        )


def withdraw(draft: Draft, key: ReplicaId, assignment: Assignment, reason: str) -> None:
    """Forget an assignment whose container nobody waits for: its ports rest until it is confirmed gone, its task ends.
    The caller takes it out of the replica.
    """
    rest_ports(draft, key, assignment, confirmed=False)
    if assignment.task:
        tasks.advance(draft, assignment.task, "failed", reason)


def take_back(draft: Draft, replica: Replica) -> Replica:
    """The replica without a wanted assignment that its agent was never told of, as it waits for the outgoing one, or
    waited or was not there before this very decision: nobody would ever say that its container is gone.
    """
    wanted = replica.wanted
    if wanted is None or wanted.state == "interrupted" or not _is_untold(draft, replica.id, wanted):
        return replica
    rest_ports(draft, replica.id, wanted, confirmed=True)
    if wanted.task:
        tasks.advance(draft, wanted.task, "failed", "withdrawn before it was started")
    taken = msgspec.structs.replace(replica, wanted=None)
    draft.put(taken)
    return taken


def _is_untold(draft: Draft, key: ReplicaId, wanted: Assignment) -> bool:
    before = draft.base.replicas.get(key)
    known = [a for a in before.assignments if a.epoch == wanted.epoch] if before is not None else []
    return wanted.hold or not known or known[0].hold


def end(draft: Draft, key: ReplicaId, assignment: Assignment, deployment: int = 0) -> Assignment:
    """The assignment, withdrawn from the desired state, as the outgoing one whose end is waited for."""
    if assignment.ending:
        return assignment
    if assignment.task:
        tasks.advance(draft, assignment.task, "failed", "withdrawn before it ran")
    task = tasks.begin(
        draft, "stop", assignment.node, project=key.project, target=ref(key, assignment.epoch), deployment=deployment
    )
    state = assignment.state if assignment.state in ("stopping", "stopped", "failed") else "stopping"
    return msgspec.structs.replace(assignment, state=state, ending=True, hold=False, since=draft.now.wall, task=task.id)


def gone(draft: Draft, key: ReplicaId, assignment: Assignment) -> None:
    """An ending assignment's container is confirmed gone: ports rest for a while, its task is done."""
    rest_ports(draft, key, assignment, confirmed=True)
    if assignment.task:
        tasks.advance(draft, assignment.task, "done")


def rest_ports(draft: Draft, key: ReplicaId, assignment: Assignment, *, confirmed: bool) -> None:
    """Let an assignment's ports rest: 60 s when its container is gone, else until it is confirmed gone."""
    until = draft.now.wall + REST_S if confirmed else None
    for lease in assignment.ports:
        draft.put(
            PortRest(
                node=assignment.node,
                protocol=lease.protocol,
                port=lease.host,
                holder=ref(key, assignment.epoch),
                until=until,
            )
        )


def confirm_rests(draft: Draft, node: str, alive: frozenset[ContainerRef]) -> None:
    """Start the clock of the node's unconfirmed rests whose holder is not among `alive`."""
    _confirm(draft, [r for r in draft.rests_on(node) if r.until is None and r.holder not in alive])


def confirm_gone(draft: Draft, node: str, gone: frozenset[ContainerRef]) -> None:
    """Start the clock of the node's unconfirmed rests whose holder is among `gone`."""
    if gone:
        _confirm(draft, [r for r in draft.rests_on(node) if r.until is None and r.holder in gone])


def _confirm(draft: Draft, rests: list[PortRest]) -> None:
    for rest in rests:
        draft.put(msgspec.structs.replace(rest, until=draft.now.wall + REST_S))


def forget_rests(draft: Draft) -> None:
    """Drop rests that are over."""
    for rest in list(draft.all(PortRest)):
        if rest.until is not None and rest.until <= draft.now.wall:
            draft.drop(rest)


def unprepare(draft: Draft, key: ReplicaId) -> Preparation | None:
    """Release what was prepared for a replica, and give it."""
    prepared = draft.get(Preparation, key)
    if prepared is not None:
        draft.drop(prepared)
    return prepared


def _free_rests(draft: Draft, placed: Placed) -> None:
    """A rest ends when its own service takes the port again; the lease says so from now on."""
    for lease in placed.ports:
        rest = draft.get(PortRest, (placed.node, lease.protocol, lease.host))
        if rest is not None and rest.until is not None:
            draft.drop(rest)


def _remember_node(draft: Draft, key: ReplicaId, node: str, *, data: bool) -> None:
    """Who ran the project last, and where the replica's volume data is from now on."""
    project = draft.get(Project, key.project)
    if project is None:
        return
    if not project.history or project.history[0] != node:
        history = (node, *(n for n in project.history if n != node))[:HISTORY_MAX]
        project = msgspec.structs.replace(project, history=history)
    if data and data_node(project, key) != node:
        nodes = {**project.data_nodes, f"{key.service}/{key.index}": node}
        project = msgspec.structs.replace(project, data_nodes=nodes)
    draft.put(project)


def _without_own(found: list[Room], replica: Replica) -> list[Room]:
    nodes = {a.node for a in replica.assignments if not a.ending}
    return [_without(room, replica) if room.node.name in nodes else room for room in found] if nodes else found


def _without(room: Room, replica: Replica) -> Room:
    """The room without this replica's own copies: it does not spread away from itself."""
    own = sum(1 for a in replica.assignments if a.node == room.node.name and not a.ending)
    if not own:
        return room
    service = (replica.id.project, replica.id.service)
    services = {**room.services, service: room.services.get(service, 0) - own}
    projects = {**room.projects, replica.id.project: room.projects.get(replica.id.project, 0) - own}
    return msgspec.structs.replace(room, services=services, projects=projects)
