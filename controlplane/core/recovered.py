"""Revisions that a restored Center's backup does not know, put together again from the copies that agents hold.

Pure; used by `adoption`. A service of which no copy is left is as the backup knows it.
"""

from collections.abc import Iterable

import msgspec

from controlplane.core.draft import Draft
from controlplane.core.findings import Finding
from controlplane.core.project import Project, Revision
from protocol.spec import DesiredReplica, ProjectSpec, ServiceSpec


def take_revisions(draft: Draft, found: tuple[Finding, ...]) -> None:
    """Revisions that the backup does not know, as far as copies show them; a service without a copy is as before."""
    wants: dict[tuple[str, int], dict[str, DesiredReplica]] = {}
    for want in (copy.want for one in found for copy in one.copies):
        wants.setdefault((want.project, want.revision), {})[want.service] = want
    for (code, number), services in sorted(wants.items()):
        known = draft.revision(code, number)
        if known is None:
            draft.put(_revision(draft, code, number, services, found))
        else:  # its images may have been pinned after the backup was taken
            pins = {name: want.image for name, want in services.items()} | known.pins
            draft.put(msgspec.structs.replace(known, pins=pins))
        project = draft.get(Project, code)
        if project is None:
            project = Project(code=code, revision=0, last_revision=0, created_at=draft.now.wall)
        if number > project.revision:
            project = msgspec.structs.replace(project, revision=number, good=number, failed="")
        last = max(project.last_revision, number)
        draft.put(msgspec.structs.replace(project, last_revision=last))


def _revision(
    draft: Draft, code: str, number: int, services: dict[str, DesiredReplica], found: tuple[Finding, ...]
) -> Revision:
    specs = {name: want.spec for name, want in services.items()}
    pins = {name: want.image for name, want in services.items()}
    project = draft.get(Project, code)
    before = draft.revision(code, project.revision) if project is not None else None
    if before is not None:
        for name in {one.id.service for one in found if one.id.project == code and one.action in ("keep", "wait")}:
            spec = before.spec.services.get(name)
            if spec is not None and name not in specs:
                specs[name] = spec
                pins[name] = before.pins.get(name, spec.image)
    whole = ProjectSpec(
        code=code,
        services=dict(sorted(specs.items())),
        volumes=_volumes(specs.values()),
        networks=tuple(sorted({name for s in specs.values() for name in s.networks})) or ("default",),
        strategy=before.spec.strategy if before is not None else None,
    )
    # No fingerprint: the next file is a new revision, and what it does not change is left as it is.
    return Revision(
        project=code, number=number, spec=whole, fingerprint="", pins=pins, created_at=draft.now.wall, actor="adoption"
    )


def _volumes(specs: Iterable[ServiceSpec]) -> tuple[str, ...]:
    return tuple(sorted({m.source for s in specs for m in s.mounts if m.kind == "volume" and m.source}))
