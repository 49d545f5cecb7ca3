"""Which steps lead from what is there to a revision: starts, replaces and stops in order of dependencies. Pure plan."""

from collections.abc import Iterable

from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.placement import constraints
from controlplane.core.project import Revision
from controlplane.core.replica import Replica
from controlplane.core.room import Room, Want
from protocol.names import ReplicaId
from protocol.spec import ServiceSpec, container_spec

_STOPS = 1
"""Level of what is no longer wanted: first, so that its ports and memory are free (as Compose removes orphans)."""


def steps_to(draft: Draft, deployment: Deployment, target: Revision) -> tuple[Step, ...]:
    """The steps of a deploy, update, rollback or scale. Levels: stops; then per level of dependencies the starts, all
    at once, and the replaces, one at a time. A scale replaces nothing: it does not go on with an update that failed.
    """
    have = {r.id: r for r in draft.replicas_of(target.project)}
    wanted = [
        ReplicaId(target.project, s.name, i + 1) for s in target.spec.services.values() for i in range(s.replicas)
    ]
    steps = [Step(kind="stop", level=_STOPS, service=k.service, replica=k) for k in have.keys() - set(wanted)]
    depth = depths(target.spec.services)
    for key in wanted:
        replica = have.get(key)
        level = 2 * depth[key.service] + 2
        if replica is None or replica.wanted is None or replica.ending:
            steps.append(Step(kind="start", level=level, service=key.service, replica=key))
        elif deployment.kind != "scale" and needs_replacing(draft, replica, target):
            steps.append(Step(kind="replace", level=level + 1, service=key.service, replica=key))
    return ordered(steps)


def steps_of_restart(draft: Draft, deployment: Deployment, target: Revision) -> tuple[Step, ...]:
    """One restart a replica, one after the other, dependencies first."""
    depth = depths(target.spec.services)
    return ordered(
        Step(kind="restart", level=2 * depth.get(r.id.service, 0) + 3, service=r.id.service, replica=r.id)
        for r in draft.replicas_of(deployment.project)
        if not r.ending and (not deployment.services or r.id.service in deployment.services)
    )


def steps_of_removal(draft: Draft, deployment: Deployment, target: Revision) -> tuple[Step, ...]:
    """Stop everything, those that depend on others first."""
    depth = depths(target.spec.services)
    deepest = max(depth.values(), default=0)
    return ordered(
        Step(kind="stop", level=_STOPS + deepest - depth.get(r.id.service, 0), service=r.id.service, replica=r.id)
        for r in draft.replicas_of(deployment.project)
    )


def steps_of_drain(draft: Draft, deployment: Deployment, target: Revision) -> tuple[Step, ...]:
    """Replace every replica on the node that may move; the others stay, and the node says which."""
    return ordered(
        Step(kind="replace", level=_STOPS, service=r.id.service, replica=r.id)
        for r in draft.replicas_of(deployment.project)
        if r.wanted is not None and r.wanted.node == deployment.node and may_leave(draft, r)
    )


def may_leave(draft: Draft, replica: Replica) -> bool:
    """True when a drain moves it: no volume data ties it to its node."""
    spec = draft.spec(replica.id, replica.revision)
    return not replica.ending and spec is not None and spec.may_move


def depths(services: dict[str, ServiceSpec]) -> dict[str, int]:
    """Service -> length of its longest chain of dependencies. Cycles were refused by `composefile`."""
    found: dict[str, int] = {}

    def depth(name: str, seen: frozenset[str]) -> int:
        if name not in found:
            needs = [d for d in services[name].depends_on if d in services and d not in seen]
            found[name] = 1 + max((depth(d, seen | {name}) for d in needs), default=-1)
        return found[name]

    for name in services:
        depth(name, frozenset())
    return found


def needs_replacing(draft: Draft, replica: Replica, target: Revision) -> bool:
    """True when the replica's container would differ under the target revision, does not work, or may not stay."""
    wanted = replica.wanted
    assert wanted is not None
    if replica.failed or wanted.state == "failed" or wanted.gave_up:
        return True
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
    """Steps by level, then by replica."""
    return tuple(sorted(steps, key=lambda s: (s.level, s.replica or ReplicaId("", "", 0))))
