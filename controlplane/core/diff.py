"""Which steps lead from what is there to a revision, in order of dependencies, releases and batches. Pure plan.

Levels: what is put back at once; pulls, so that nothing is stopped for an image that cannot be had; stops of what is no
longer wanted, so that its ports and memory are free (as Compose removes orphans); then for each depth of dependencies
starts, canaries, their promotion, replaces in batches, and the set and the switch of a blue-green release.
"""

from collections.abc import Iterable

import msgspec

from controlplane.core import jobs, release, scaling
from controlplane.core.chains import depths, restarted_after
from controlplane.core.deployment import Deployment, Step, StepKind
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.placement import constraints
from controlplane.core.project import Revision
from controlplane.core.replica import Replica, is_ready
from controlplane.core.room import Room, Want
from protocol.names import ReplicaId
from protocol.spec import ServiceSpec, container_spec

_RETURNS = 1
_PULLS = 2
_STOPS = 3
_STOPS_MAX = 900
"""Stops have a level for each depth, those that depend on others first."""
FIRST = 1000
_DEPTH = 10
"""Levels of one depth of dependencies: `FIRST + _DEPTH * depth` and the next ones."""

_STARTS, _CANARIES, _PROMOTION, _REPLACES, _GREENS, _SWITCH, _LATE_STARTS = range(7)


def steps_to(draft: Draft, deployment: Deployment, target: Revision) -> tuple[Step, ...]:
    """The steps of a deploy, update, rollback or scale, or of the way back of one that failed. A scale replaces
    nothing: it does not go on with an update that failed.
    """
    mine: dict[str, list[Replica]] = {}
    for replica in draft.replicas_of(target.project):
        mine.setdefault(replica.id.service, []).append(replica)
    depth = depths(target.spec.services)
    steps: list[Step] = []
    for name, spec in target.spec.services.items():
        steps += _steps_of(draft, deployment, target, spec, mine.pop(name, []), FIRST + _DEPTH * depth[name])
    orphans = [r for found in mine.values() for r in found]
    steps += [_step("stop", _STOPS, r.id) for r in orphans]
    steps = _stops_in_order(draft, target, steps)
    steps += _restarts_after(draft, target, steps)
    made = ordered([*_pulls(draft, deployment, target, steps), *steps])
    return tuple(msgspec.structs.replace(s, back=True) for s in made) if deployment.outcome else made


def _steps_of(
    draft: Draft, deployment: Deployment, target: Revision, spec: ServiceSpec, have: list[Replica], level: int
) -> list[Step]:
    """The steps of one service."""
    staying = [r for r in have if not r.ending]
    wanted = scaling.ids(
        draft, target.project, spec, staying, lambda r: r.wanted is not None and not needs_replacing(draft, r, target)
    )
    known = {r.id: r for r in have}
    steps = [_step("stop", _STOPS, key) for key in sorted(known.keys() - set(wanted))]
    new = [k for k in wanted if k not in known or known[k].wanted is None or known[k].ending]
    returning = [k for k in wanted if k not in new and may_return(draft, known[k], target)]
    stale = []
    if deployment.kind != "scale" or deployment.outcome:
        settled = {*new, *returning}
        stale = [known[k] for k in wanted if k not in settled and needs_replacing(draft, known[k], target)]
        if goes_back(deployment):
            stale = [r for r in stale if not jobs.has_completed(r)]
    steps += [_step("return", _RETURNS, key) for key in returning]
    late = _released(draft, deployment, spec, stale, level, steps)
    steps += [_step("start", level + (_LATE_STARTS if late else _STARTS), key) for key in new]
    return steps


def goes_back(deployment: Deployment) -> bool:
    """True for the way to an older revision. A job that has completed is not run again on it: an old migration cannot
    undo what a newer one did.
    """
    return deployment.kind == "rollback" or bool(deployment.outcome)


def _stops_in_order(draft: Draft, target: Revision, steps: list[Step]) -> list[Step]:
    """The reverse of the order of starts: what depends on others stops first, by the revision that it runs."""
    specs = dict(target.spec.services)
    for step in steps:
        replica = draft.replica(step.key) if step.kind == "stop" else None
        spec = draft.spec(replica.id, replica.revision) if replica is not None else None
        if spec is not None:
            specs[step.service] = spec
    depth = depths(specs)
    deepest = max(depth.values(), default=0)
    return [
        msgspec.structs.replace(s, level=_STOPS + min(deepest - depth.get(s.service, 0), _STOPS_MAX))
        if s.kind == "stop"
        else s
        for s in steps
    ]


def _restarts_after(draft: Draft, target: Revision, steps: list[Step]) -> list[Step]:
    """`depends_on` with `restart: true`: what is not touched itself is restarted after what it depends on was."""
    changed = frozenset(s.service for s in steps if s.kind in ("start", "replace", "canary", "green", "return"))
    services = target.spec.services
    restarted = restarted_after(services, changed)
    if not restarted:
        return []
    depth, stepped = depths(services), {s.replica for s in steps}
    return [
        _step("restart", FIRST + _DEPTH * depth[r.id.service] + _REPLACES, r.id)
        for r in draft.replicas_of(target.project)
        if r.id.service in restarted and r.id not in stepped and not r.ending and not jobs.has_completed(r)
    ]


def _released(
    draft: Draft, deployment: Deployment, spec: ServiceSpec, stale: list[Replica], level: int, steps: list[Step]
) -> bool:
    """Add the steps that replace `stale`, as the release says. True when new replicas have to wait for its outcome."""
    rest = sorted(stale, key=lambda r: (_serves(draft, r), r.id))  # those that do not serve first: nothing is lost
    if not rest:
        return False
    if release.is_blue_green(deployment, spec):
        steps += [_step("green", level + _GREENS, r.id) for r in rest]
        steps.append(Step(kind="switch", level=level + _SWITCH, service=spec.name))
        return True
    first = release.canaries(deployment, spec)
    if first:
        steps += [_step("canary", level + _CANARIES, r.id) for r in rest[:first]]
        steps.append(Step(kind="promote", level=level + _PROMOTION, service=spec.name))
        rest = rest[first:]
    for replica in rest:
        together = bool(deployment.outcome) and not _serves(draft, replica)
        step = _step("replace", level + (_STARTS if together else _REPLACES), replica.id)
        steps.append(msgspec.structs.replace(step, together=together))
    return bool(first)


def _pulls(draft: Draft, deployment: Deployment, target: Revision, steps: list[Step]) -> list[Step]:
    """One pull for each image and node on which a container is replaced. An image id cannot be pulled: it is there."""
    found: dict[tuple[str, str], Step] = {}
    for step in steps:
        if step.kind not in ("replace", "canary", "green"):
            continue
        replica = draft.replica(step.key)
        pin = target.pins.get(step.service, "")
        if replica is None or replica.wanted is None or "@" not in pin or replica.wanted.state == "interrupted":
            continue
        had = draft.revision(target.project, replica.wanted.revision)
        if had is None or had.pins.get(step.service) != pin:
            node = replica.wanted.node
            found.setdefault((pin, node), Step(kind="pull", level=_PULLS, service=step.service, node=node))
    return list(found.values())


def _step(kind: StepKind, level: int, key: ReplicaId) -> Step:
    return Step(kind=kind, level=level, service=key.service, replica=key)


def may_return(draft: Draft, replica: Replica, target: Revision) -> bool:
    """True when the former copy still runs beside the wanted one and is what is wanted now; or when it is a job that
    completed under that revision.
    """
    outgoing, wanted = replica.outgoing, replica.wanted
    if outgoing is None or outgoing.ending or wanted is None:
        return False
    if outgoing.state != "running" and not jobs.completed(outgoing):
        return False
    if same_container(draft.revision(target.project, wanted.revision), target, replica.id.service):
        return False
    return same_container(draft.revision(target.project, outgoing.revision), target, replica.id.service)


def _serves(draft: Draft, replica: Replica) -> bool:
    """True when a copy of it is ready that would be missed."""
    for assignment in replica.assignments:
        spec = draft.spec(replica.id, assignment.revision)
        if spec is not None and assignment.state == "running" and is_ready(assignment, spec, draft.now.wall):
            return True
    return False


def steps_of_restart(draft: Draft, deployment: Deployment, target: Revision) -> tuple[Step, ...]:
    """One restart a replica, dependencies first; those that do not serve before those that do. Named services take
    those with `restart: true` towards them along. A job that has completed runs again, anew, when it is named.
    """
    services = target.spec.services
    depth = depths(services)
    named = frozenset(deployment.services)
    meant = named | restarted_after(services, named) if named else frozenset(services)
    found = [
        r
        for r in draft.replicas_of(deployment.project)
        if not r.ending and r.id.service in meant and (r.id.service in named or not jobs.has_completed(r))
    ]
    found.sort(key=lambda r: (_serves(draft, r), r.id))
    return ordered(
        _step(
            "replace" if jobs.has_completed(r) else "restart",
            FIRST + _DEPTH * depth.get(r.id.service, 0) + _REPLACES,
            r.id,
        )
        for r in found
    )


def steps_of_removal(draft: Draft, deployment: Deployment, target: Revision) -> tuple[Step, ...]:
    """Stop everything, those that depend on others first."""
    depth = depths(target.spec.services)
    deepest = max(depth.values(), default=0)
    return ordered(
        _step("stop", _STOPS + deepest - depth.get(r.id.service, 0), r.id)
        for r in draft.replicas_of(deployment.project)
    )


def steps_of_drain(draft: Draft, deployment: Deployment, target: Revision) -> tuple[Step, ...]:
    """Replace every replica on the node that may move, dependencies first; the others stay, and the node says which."""
    depth = depths(target.spec.services)
    return ordered(
        _step("replace", FIRST + _DEPTH * depth.get(r.id.service, 0), r.id)
        for r in draft.replicas_of(deployment.project)
        if r.wanted is not None and r.wanted.node == deployment.node and may_leave(draft, r)
    )


def may_leave(draft: Draft, replica: Replica) -> bool:
    """True when a drain moves it: no volume data ties it to its node, and it is no job that is done."""
    spec = draft.spec(replica.id, replica.revision)
    return not replica.ending and spec is not None and spec.may_move and not jobs.has_completed(replica)


def needs_replacing(draft: Draft, replica: Replica, target: Revision) -> bool:
    """True when the replica's container would differ under the target revision, does not work, or may not stay."""
    wanted = replica.wanted
    assert wanted is not None
    if replica.failed or wanted.state == "failed" or wanted.gave_up:
        return True
    if jobs.has_completed(replica) and replica.done_for == target.number:
        return False
    if same_container(draft.revision(target.project, wanted.revision), target, replica.id.service):
        return not _may_stay(draft, replica, target.spec.services[replica.id.service])
    return True


def same_container(old: Revision | None, new: Revision, service: str) -> bool:
    """True when a service's containers are the same under both revisions."""
    if old is None or service not in old.spec.services:
        return False
    before, after = old.spec.services[service], new.spec.services[service]
    if old.pins.get(service, before.image) != new.pins.get(service, after.image):
        return False
    return before == after or container_spec(before) == container_spec(after)


def _may_stay(draft: Draft, replica: Replica, spec: ServiceSpec) -> bool:
    assert replica.wanted is not None
    node = draft.get(Node, replica.wanted.node)
    if node is None or not spec.placement.constraints:
        return True
    want = Want(replica=replica.id, spec=spec, now=draft.now.wall)
    return constraints(want, Room(node=node)) is None


def ordered(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps by level and service; within one in the order they came."""
    return tuple(sorted(steps, key=lambda s: (s.level, s.service)))
