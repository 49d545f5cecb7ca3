"""What people ask of projects: deploy, scale, restart, roll back, remove. Each becomes a stored deployment, or nothing.

A newer deploy supersedes a running one. A restart, scale, rollback or drain that comes meanwhile waits its turn, and
says what it waits for; whoever cannot wait aborts or cancels the running one (`intervention`).
"""

import msgspec

from controlplane.core import diff, feasible, revisions, rollout, waiting
from controlplane.core.command import (
    Accepted,
    Command,
    Deploy,
    RemoveProject,
    Restart,
    Rollback,
    Scale,
    StartProject,
    StopProject,
)
from controlplane.core.deployment import ENDED, Deployment, DeploymentKind
from controlplane.core.draft import Draft
from controlplane.core.project import Project, Revision
from controlplane.core.record import Refused
from protocol.spec import ProjectSpec, Strategy, fingerprint

REPLICAS_MAX = 1000


def check_revision(draft: Draft, command: Command) -> None:
    """Refuse (`stale`) a command that was meant for another revision of its project than the present one."""
    if command.if_revision is None:
        return
    code = command.spec.code if isinstance(command, Deploy) else getattr(command, "project", "")
    project = draft.get(Project, code)
    present = project.revision if project is not None else 0
    if present != command.if_revision:
        is_now = f"its revision is {present}" if present else "it is not there"
        raise Refused("stale", f"{code} is not as you saw it: {is_now} now; look again", "If-Match")


def deploy(draft: Draft, command: Deploy) -> Accepted:
    """Make the project be like the file. The same file again is `unchanged`, unless its deployment failed."""
    spec = with_strategy(command.spec, command.strategy)
    print_ = fingerprint(spec)
    project = draft.get(Project, spec.code)
    if project is None:
        project = Project(code=spec.code, revision=0, last_revision=0, created_at=draft.now.wall)
    current = draft.revision(project.code, project.revision)
    running = draft.get(Deployment, project.deployment)
    removing = running is not None and running.kind == "remove"
    if current is not None and current.fingerprint == print_ and not removing:
        under_way = running is not None and running.revision == current.number and running.kind in ("deploy", "update")
        under_way = under_way and running is not None and not running.outcome
        there = not under_way and not project.failed and _is_there(draft, project, current)
        if under_way or there:
            _supersede_waiting(draft, project, f"the file of revision {current.number} was deployed after it")
            return Accepted(
                project=project.code,
                revision=current.number,
                deployment=project.deployment if under_way else 0,
                unchanged=there,
            )
        return _begin(draft, project, "update", current.number, command.actor)
    feasible.check(draft, project, spec)
    revision = revisions.add(draft, project, spec, source=command.source, actor=command.actor)
    project = draft.project(project.code)
    return _begin(draft, project, "update" if current else "deploy", revision.number, command.actor)


def _is_there(draft: Draft, project: Project, current: Revision) -> bool:
    """True when no step is left to the current revision."""
    asked = Deployment(id=0, project=project.code, kind="update", revision=current.number, created_at=draft.now.wall)
    return not diff.steps_to(draft, asked, current)


def scale(draft: Draft, command: Scale) -> Accepted:
    """Other numbers of replicas: when its turn comes, a new revision that differs only in them."""
    project = draft.project(command.project)
    current = _current(draft, project)
    for name, count in command.services.items():
        if name not in current.spec.services:
            raise Refused("invalid", f"project {project.code!r} has no service {name!r}", f"services.{name}")
        if not 0 <= count <= REPLICAS_MAX:
            raise Refused("invalid", f"{count} replicas: 0 to {REPLICAS_MAX} are possible", f"services.{name}")
    if not project.deployment and revisions.scaled(current.spec, command.services) == current.spec:
        return Accepted(project=project.code, revision=current.number, unchanged=True)
    return _begin(draft, project, "scale", current.number, command.actor, counts=command.services)


def stop(draft: Draft, command: StopProject) -> Accepted:
    """Scale every service to none."""
    current = _current(draft, draft.project(command.project))
    counts = dict.fromkeys(current.spec.services, 0)
    return scale(draft, Scale(project=command.project, services=counts, actor=command.actor))


def start(draft: Draft, command: StartProject) -> Accepted:
    """Scale a stopped project to the numbers of the newest revision that had any; one of each if none ever had."""
    project = draft.project(command.project)
    services = _current(draft, project).spec.services
    if any(spec.replicas for spec in services.values()) and not project.deployment:
        return Accepted(project=project.code, revision=project.revision, unchanged=True)
    counts = _last_counts(draft, project)
    wanted = {name: counts.get(name, 0 if counts else 1) for name in services}
    return scale(draft, Scale(project=project.code, services=wanted, actor=command.actor))


def _last_counts(draft: Draft, project: Project) -> dict[str, int]:
    for number in range(project.revision, 0, -1):
        found = draft.revision(project.code, number)
        counts = {s.name: s.replicas for s in found.spec.services.values()} if found is not None else {}
        if any(counts.values()):
            return counts
    return {}


def rollback(draft: Draft, command: Rollback) -> Accepted:
    """Deploy a kept revision again, with the images it had."""
    project = draft.project(command.project)
    _current(draft, project)
    number = command.revision
    if not number:
        before = [n for n in revisions.kept(draft, project) if n < project.revision]
        if not before:
            raise Refused("conflict", f"there is no revision before {project.revision} to roll back to", "revision")
        number = before[-1]
    if draft.revision(project.code, number) is None:
        raise Refused("not_found", f"project {project.code!r} has no revision {number}", "revision")
    if number == project.revision and not project.failed and not project.deployment:
        return Accepted(project=project.code, revision=number, unchanged=True)
    return _begin(draft, project, "rollback", number, command.actor)


def restart(draft: Draft, command: Restart) -> Accepted:
    """Restart replica after replica."""
    project = draft.project(command.project)
    current = _current(draft, project)
    for name in command.services:
        if name not in current.spec.services:
            raise Refused("invalid", f"project {project.code!r} has no service {name!r}", "services")
    return _begin(draft, project, "restart", project.revision, command.actor, services=command.services)


def remove(draft: Draft, command: RemoveProject) -> Accepted:
    """Stop everything and forget the project; named volumes stay."""
    project = draft.project(command.project)
    running = draft.get(Deployment, project.deployment)
    if running is not None and running.kind == "remove":
        return Accepted(project=project.code, revision=project.revision, deployment=running.id)
    return _begin(draft, project, "remove", project.revision, command.actor)


def with_strategy(spec: ProjectSpec, strategy: Strategy | None) -> ProjectSpec:
    """The specification with a strategy chosen at dispatch, which wins over the file's."""
    if strategy is None:
        return spec
    services = {
        name: msgspec.structs.replace(s, placement=msgspec.structs.replace(s.placement, strategy=strategy))
        for name, s in spec.services.items()
    }
    return msgspec.structs.replace(spec, services=services, strategy=strategy)


def _current(draft: Draft, project: Project) -> Revision:
    running = draft.get(Deployment, project.deployment)
    if running is not None and running.kind == "remove":
        raise Refused("conflict", f"project {project.code!r} is being removed (deployment {running.id})", "project")
    revision = draft.revision(project.code, project.revision)
    assert revision is not None, f"{project.code} has no revision {project.revision}"
    return revision


def _begin(
    draft: Draft,
    project: Project,
    kind: DeploymentKind,
    revision: int,
    actor: str,
    services: tuple[str, ...] = (),
    counts: dict[str, int] | None = None,
) -> Accepted:
    deployment = Deployment(
        id=draft.next_id("deployment_seq"),
        project=project.code,
        kind=kind,
        revision=revision,
        services=services,
        counts=counts or {},
        created_at=draft.now.wall,
        actor=actor,
    )
    draft.put(project)
    draft.put(deployment)
    what = f"{kind} of {project.code}" + ("" if kind == "scale" else f" to revision {revision}")
    draft.event(
        "deployment.created",
        f"deployment {deployment.id}: {what}, asked by {actor}",
        of=deployment,
    )
    if kind in ("deploy", "update", "remove"):
        _supersede(draft, project.code, deployment)
    else:
        waiting.join(draft, deployment)
    rollout.begin_next(draft, project.code)
    begun = draft.get(Deployment, deployment.id)
    assert begun is not None
    warnings: tuple[str, ...] = ()
    if begun.state == "waiting":
        warnings = (
            f"deployment {begun.id} is {begun.reason}; end that one first with: rope deploy cancel {project.code}",
        )
    return Accepted(project=project.code, revision=begun.revision, deployment=begun.id, warnings=warnings)


def _supersede_waiting(draft: Draft, project: Project, reason: str) -> None:
    """What waits and would make it another revision was asked for before, and is not wanted any more."""
    for number in project.queue:
        old = draft.get(Deployment, number)
        if old is not None and old.kind not in ("restart", "migrate"):
            waiting.leave(draft, old)
            rollout.finish(draft, old, "superseded", reason)


def _supersede(draft: Draft, code: str, newer: Deployment) -> None:
    """End what a newer deploy makes pointless: all but waiting restarts and drains; a removal ends those too."""
    project = draft.project(code)
    open_ = [d for d in (draft.get(Deployment, i) for i in (project.deployment, *project.queue)) if d is not None]
    left = []
    draft.put(msgspec.structs.replace(project, deployment=0, queue=()))
    for old in open_:
        if old.id != project.deployment and old.kind in ("restart", "migrate") and newer.kind != "remove":
            left.append(old.id)
        elif old.state not in ENDED:
            rollout.finish(draft, old, "superseded", f"deployment {newer.id} is newer")
    project = draft.project(code)
    draft.put(msgspec.structs.replace(project, deployment=0, queue=(newer.id, *left)))
    waiting.tell(draft, code)
