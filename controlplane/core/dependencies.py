"""Whether what a service depends on is ready, and what waits for it: Compose's conditions, judged by the replicas.

Deployments ask `unmet` before a step begins; failover holds a replica until `unmet` says nothing (`awaits`), and
`release` lets it go. Everything is read from records, so a restart of the Center changes nothing. Places are chosen
elsewhere. Rules: docs/dependencies.md.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from controlplane.core import chains, jobs, tasks
from controlplane.core.cluster import Turn
from controlplane.core.draft import Draft
from controlplane.core.replica import Assignment, Replica, is_ready, ref
from protocol.names import ReplicaId
from protocol.spec import Condition

ORDER_WAIT_S = 120.0
"""How long a replica that was placed by a failover waits for others to start or to be healthy; then it starts without
them: they may be away for days, and it may have something to say. For a job to complete it waits without end."""

_WAITS: dict[Condition, str] = {
    "service_started": "to start",
    "service_healthy": "to be healthy",
    "service_completed_successfully": "to complete",
}


class Unmet(NamedTuple):
    """What is waited for. `text`: `waits for db/1 to be healthy`. `yields`: after `ORDER_WAIT_S` it does without."""

    needed: ReplicaId
    text: str
    yields: bool


Replicas = dict[str, list[Replica]]
"""The replicas of a project that shall stay, by service."""


def replicas_of(draft: Draft, project: str) -> Replicas:
    """They, as they are in this decision: worked out once by whoever asks for many."""
    found: Replicas = {}
    for replica in draft.replicas_of(project):
        if not replica.ending:
            found.setdefault(replica.id.service, []).append(replica)
    return found


def unmet(
    draft: Draft,
    key: ReplicaId,
    revision: int,
    *,
    node: str = "",
    everyone: bool = False,
    among: Replicas | None = None,
) -> Unmet | None:
    """The first thing that a replica of this revision waits for, None when it may start.

    `everyone`: all replicas of a service must be ready, as Compose has it on `up` (deployments). Otherwise those on
    `node`, which the replica reaches by name there; where there are none, any one will do. `among`: the project's
    replicas, where they are at hand.
    """
    found = draft.revision(key.project, revision)
    conditions = chains.needs(found.spec.services, key.service) if found is not None else {}
    if not conditions:
        return None
    replicas = replicas_of(draft, key.project) if among is None else among
    for service, needed in conditions.items():
        waited = replicas.get(service, [])
        near = [] if everyone else [r for r in waited if any(a.node == node and not a.ending for a in r.assignments)]
        missing = [r for r in near or waited if not met(draft, r, needed.condition, node=node if near else "")]
        if not missing or (not near and not everyone and len(missing) < len(waited)):
            continue
        if not needed.required and all(_is_hopeless(r) for r in missing):
            continue
        late = missing[0]
        text = f"waits for {late.id.service}/{late.id.index} {_WAITS[needed.condition]}"
        return Unmet(late.id, text, needed.condition != "service_completed_successfully")
    return None


def services_needed(draft: Draft, key: ReplicaId, revision: int) -> frozenset[str]:
    """The services that this one depends on."""
    found = draft.revision(key.project, revision)
    return frozenset(chains.needs(found.spec.services, key.service)) if found is not None else frozenset()


def in_order(draft: Draft, replicas: list[Replica]) -> list[tuple[Turn, Replica]]:
    """The replicas of each project in the order of their dependencies, each with its turn."""
    known: dict[tuple[str, int], Mapping[str, int]] = {}
    found = []
    for replica in replicas:
        numbered = (replica.id.project, replica.revision)
        depths = known.get(numbered)
        if depths is None:
            revision = draft.revision(*numbered)
            depths = known[numbered] = chains.depths(revision.spec.services) if revision is not None else {}
        found.append(((replica.id.project, depths.get(replica.id.service, 0), replica.id), replica))
    return sorted(found, key=lambda pair: pair[0])


def met(draft: Draft, replica: Replica, condition: Condition, *, node: str = "") -> bool:
    """True when a copy of the replica (on `node`, if one is named) fulfils the condition; the one on its way out counts
    while it serves.
    """
    if condition == "service_completed_successfully":
        return jobs.has_completed(replica)
    copies = (a for a in replica.assignments if not a.ending and node in ("", a.node))
    return any(_is_up(draft, replica, a, condition) for a in copies)


def hold(draft: Draft, replica: Replica, node: str) -> str:
    """Why the replica is not started at once on the node where it is being placed, "" = it is."""
    found = unmet(draft, replica.id, replica.revision, node=node)
    return found.text if found is not None else ""


def release(draft: Draft) -> None:
    """Let replicas go whose time has come, and restart those that asked to be restarted after others. Every tick."""
    there: dict[str, Replicas] = {}
    for key in sorted(draft.base.in_order):
        replica = draft.replica(key)
        if replica is None or replica.wanted is None:
            continue
        if replica.wanted.awaits:
            if key.project not in there:
                there[key.project] = replicas_of(draft, key.project)
            _review(draft, replica, replica.wanted, there[key.project])
        elif replica.restarts_due and _is_up(draft, replica, replica.wanted, "service_healthy"):
            _restart_dependents(draft, replica, replica.wanted)


def will_restart(draft: Draft, replica: Replica) -> bool:
    """True when services of its revision want to be restarted after this replica was started elsewhere."""
    found = draft.revision(replica.id.project, replica.revision)
    if found is None:
        return False
    return any(d.restart for d in chains.needed_by(found.spec.services, replica.id.service).values())


def _is_up(draft: Draft, replica: Replica, assignment: Assignment, condition: Condition) -> bool:
    if condition == "service_started":
        return assignment.state == "running" or jobs.completed(assignment)
    spec = draft.spec(replica.id, assignment.revision)
    return spec is not None and is_ready(assignment, spec, draft.now.wall)


def _is_hopeless(replica: Replica) -> bool:
    """Not on its way: given up, lost with its node, or without a place."""
    return replica.failed or replica.wanted is None or replica.wanted.state in ("interrupted", "failed")


def _review(draft: Draft, replica: Replica, wanted: Assignment, among: Replicas) -> None:
    if wanted.state == "interrupted":
        return
    key = replica.id
    found = unmet(draft, key, wanted.revision, node=wanted.node, among=among)
    late = found is not None and found.yields and draft.now.wall - wanted.since >= ORDER_WAIT_S
    if found is not None and not late:
        if wanted.reason != found.text:
            waiting = msgspec.structs.replace(wanted, reason=found.text)
            draft.put(msgspec.structs.replace(replica, wanted=waiting))
        return
    about: dict[str, Any] = {"cause": replica.cause, "project": key.project, "replica": str(key), "node": wanted.node}
    if found is None:
        draft.event("replica.released", f"{key} starts on {wanted.node}: what it depends on is ready", **about)
    else:
        text = f"{key} starts on {wanted.node} all the same after {ORDER_WAIT_S:.0f} s: {found.text}"
        draft.event("replica.unordered", text, **about)
    stays_held = replica.outgoing is not None and replica.outgoing.ending
    freed = msgspec.structs.replace(wanted, awaits=False, hold=stays_held, reason="")
    draft.put(msgspec.structs.replace(replica, wanted=freed))


def _restart_dependents(draft: Draft, replica: Replica, wanted: Assignment) -> None:
    """`depends_on` with `restart: true`: what ran before this copy did is restarted, once."""
    draft.put(msgspec.structs.replace(replica, restarts_due=False))
    found = draft.revision(replica.id.project, replica.revision)
    services = found.spec.services if found is not None else {}
    for other in draft.replicas_of(replica.id.project):
        condition = chains.needs(services, other.id.service).get(replica.id.service)
        if condition is None or not condition.restart or other.ending or other.wanted is None:
            continue
        if other.wanted.state != "running" or other.wanted.running_since >= wanted.running_since:
            continue
        draft.event(
            "replica.restarting",
            f"{other.id} is restarted: {replica.id} was started elsewhere",
            cause=replica.cause,
            project=other.id.project,
            replica=str(other.id),
            node=other.wanted.node,
        )
        tasks.begin(
            draft,
            "restart",
            other.wanted.node,
            project=other.id.project,
            target=ref(other.id, other.wanted.epoch),
        )
