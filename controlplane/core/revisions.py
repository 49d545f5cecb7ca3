"""Numbered versions of a project: a new one added, one with other numbers of replicas, old ones forgotten."""

import msgspec

from controlplane.core.deployment import Deployment
from controlplane.core.draft import Draft
from controlplane.core.project import Project, Revision
from protocol.spec import ProjectSpec, fingerprint

KEPT = 200
"""Revisions of a project that can be rolled back to; older ones are forgotten unless something still runs them."""


def add(draft: Draft, project: Project, spec: ProjectSpec, *, like: Revision | None = None, **about: str) -> Revision:
    """The next revision. `like`: it has the same images, so that their pins hold. `about`: `source`, `actor`."""
    revision = Revision(
        project=project.code,
        number=project.last_revision + 1,
        spec=spec,
        fingerprint=fingerprint(spec),
        pins=like.pins if like is not None else {},
        created_at=draft.now.wall,
        **about,
    )
    draft.put(revision)
    draft.put(msgspec.structs.replace(project, last_revision=revision.number))
    _forget_old(draft, project)
    return revision


def scaled(spec: ProjectSpec, counts: dict[str, int]) -> ProjectSpec:
    """The specification with other numbers of replicas; services it does not have are left out."""
    services = {
        name: msgspec.structs.replace(s, replicas=counts.get(name, s.replicas)) for name, s in spec.services.items()
    }
    return msgspec.structs.replace(spec, services=services)


def kept(draft: Draft, project: Project) -> list[int]:
    """Numbers of the revisions that are still known, oldest first."""
    return [n for n in range(1, project.last_revision + 1) if draft.revision(project.code, n) is not None]


def _forget_old(draft: Draft, project: Project) -> None:
    """Make room for one more revision. What runs, is wanted, or may be gone back to by a deployment stays."""
    known = kept(draft, project)
    if len(known) < KEPT:
        return
    used = {project.revision, project.good}
    for replica in draft.replicas_of(project.code):
        used |= {replica.revision, *(a.revision for a in replica.assignments)}
    for number in (project.deployment, *project.queue):
        under_way = draft.get(Deployment, number)
        if under_way is not None:
            used |= {under_way.revision, under_way.from_revision, under_way.back_to}
    for number in known[: len(known) - KEPT + 1]:
        old = draft.revision(project.code, number)
        if old is not None and number not in used:
            draft.drop(old)
