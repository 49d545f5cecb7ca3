"""`plan`: what a deploy would do now, tried out in a draft that is thrown away. Placements with every node's score."""

from collections import Counter

import msgspec

from controlplane.core import assigning, diff, feasible, projects, release
from controlplane.core.command import Plan
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.node import Node, reached_at
from controlplane.core.placement import Unplaced
from controlplane.core.project import Project, Revision
from controlplane.core.replica import Assignment, Replica
from protocol.api import PlanAnswer, PlanStep, PortView, Problem, ReleasePlan
from protocol.names import ReplicaId
from protocol.spec import PortLease, ProjectSpec, fingerprint


def plan(draft: Draft, command: Plan) -> PlanAnswer:
    """Try the deploy out on `draft`, which the caller throws away."""
    spec = projects.with_strategy(command.spec, command.strategy)
    project = draft.get(Project, spec.code)
    if project is None:
        project = Project(code=spec.code, revision=0, last_revision=0, created_at=draft.now.wall)
        draft.put(project)
    current = draft.revision(project.code, project.revision)
    unchanged = current is not None and current.fingerprint == fingerprint(spec) and not project.failed
    target = _target(draft, project, current, spec)
    deployment = Deployment(
        id=0, project=project.code, kind="update", revision=target.number, created_at=draft.now.wall
    )
    if not unchanged:
        feasible.check(draft, project, spec)
    made = () if unchanged else diff.steps_to(draft, deployment, target)
    releases = _releases(deployment, target, made)
    steps = [_try(draft, step, target) for step in made if step.replica is not None]
    touched = {s.replica for s in made}
    steps += [_keep(draft, r) for r in draft.replicas_of(project.code) if r.id not in touched and r.wanted]
    steps.sort(key=lambda s: (s.service, s.replica))
    return PlanAnswer(
        project=project.code,
        unchanged=unchanged,
        steps=tuple(steps),
        warnings=tuple(_warnings(target, steps)),
        releases=releases,
    )


def _releases(deployment: Deployment, target: Revision, made: tuple[Step, ...]) -> tuple[ReleasePlan, ...]:
    """How each service of which something is replaced is released, and why in that order."""
    replaced = Counter(s.service for s in made if s.kind in ("replace", "canary", "green"))
    canaries = Counter(s.service for s in made if s.kind == "canary")
    found = []
    for name, count in sorted(replaced.items()):
        spec = target.spec.services[name]
        order, why = feasible.order_text(spec)
        kind = "canary" if canaries[name] else "rolling"
        if release.is_blue_green(deployment, spec):
            kind, order, why = "blue_green", "start-first", "both sets run until the switch"
        found.append(
            ReleasePlan(
                service=name,
                release=kind,
                order=order,
                order_why=why,
                parallelism=spec.update.parallelism or count,
                delay_s=spec.update.delay_s,
                monitor_s=spec.update.monitor_s,
                failure_action=spec.update.failure_action,
                max_failure_ratio=spec.update.max_failure_ratio,
                canaries=canaries[name],
                replaced=count,
            )
        )
    return tuple(found)


def _target(draft: Draft, project: Project, current: Revision | None, spec: ProjectSpec) -> Revision:
    """The revision as it would be; images that are asked for by the same reference are taken to have the same pin."""
    pins: dict[str, str] = {}
    if current is not None:
        for service in spec.services.values():
            before = current.spec.services.get(service.name)
            if before is not None and before.image == service.image and service.name in current.pins:
                pins[service.name] = current.pins[service.name]
    target = Revision(
        project=project.code,
        number=project.last_revision + 1,
        spec=spec,
        fingerprint=fingerprint(spec),
        pins=pins,
    )
    draft.put(target)
    return target


def _try(draft: Draft, step: Step, target: Revision) -> PlanStep:
    key = step.key
    old = draft.replica(key)
    had = old.wanted if old is not None else None
    if step.kind == "stop":
        if old is not None:
            draft.drop(old)
        return _view(draft, key, "stop", None, had)
    spec = target.spec.services[key.service]
    if step.kind == "return" and old is not None and old.outgoing is not None:
        return _view(draft, key, "return", old.outgoing.node, had, old.outgoing.ports)
    if step.kind == "restart" and had is not None:
        return _view(draft, key, "restart", had.node, had, had.ports)
    start_first = release.order_of(spec, spec.update)[0] or step.kind in ("canary", "green")
    going = msgspec.structs.replace(had, ending=True) if had is not None and not start_first else had
    bare = msgspec.structs.replace(
        old or Replica(id=key, revision=target.number),
        revision=target.number,
        wanted=None,
        outgoing=going,
        failed=False,
        ending=False,
        avoid=(),
    )
    draft.put(bare)
    placed = assigning.choose(
        draft,
        bare,
        fixed_required=True,
        stay=had.node if had is not None else "",
        prefer=had.ports if had is not None else (),
    )
    if isinstance(placed, Unplaced):
        return msgspec.structs.replace(
            _view(draft, key, "pending", None, had), reason=placed.reason, candidates=placed.candidates
        )
    assigning.assign(draft, bare, placed)
    action = "start" if had is None else "replace"
    view = _view(draft, key, action, placed.node, had, placed.ports)
    return msgspec.structs.replace(view, candidates=placed.candidates)


def _keep(draft: Draft, replica: Replica) -> PlanStep:
    assert replica.wanted is not None
    return _view(draft, replica.id, "keep", replica.wanted.node, replica.wanted, replica.wanted.ports)


def _view(
    draft: Draft,
    key: ReplicaId,
    action: str,
    node: str | None,
    had: Assignment | None,
    ports: tuple[PortLease, ...] = (),
) -> PlanStep:
    found = draft.get(Node, node) if node else None
    return PlanStep(
        service=key.service,
        replica=key.index,
        action=action,
        node=node,
        from_node=had.node if had is not None else None,
        ports=tuple(
            PortView(container=p.container, host=p.host, protocol=p.protocol, address=reached_at(found, p))
            for p in ports
        ),
        reason="",
        candidates=(),
    )


def _warnings(target: Revision, steps: list[PlanStep]) -> list[Problem]:
    """A dependency on another node is not known there by name (DESIGN §5)."""
    nodes: dict[str, set[str]] = {}
    for step in steps:
        if step.node is not None:
            nodes.setdefault(step.service, set()).add(step.node)
    found = []
    for service in target.spec.services.values():
        for needed in service.depends_on:
            alone = nodes.get(service.name, set()) - nodes.get(needed, set())
            if alone and nodes.get(needed):
                found.append(
                    Problem(
                        field=f"services.{service.name}.depends_on",
                        message=f"{service.name} on {', '.join(sorted(alone))} does not find {needed} by name: "
                        f"it runs on {', '.join(sorted(nodes[needed]))}",
                        fix="keep them on one node with deploy.placement.constraints, or publish a port",
                    )
                )
    return found
