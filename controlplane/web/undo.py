"""What would undo a deployment, as the command that the API has for it. Pure; asks nobody and draws nothing.

Used by `board.py`, for the line on the pages of a project and a deployment, and by `deeds.py`, which carries it out.
"""

from typing import Literal

import msgspec

from controlplane.core.cluster import Cluster
from controlplane.core.command import (
    AbortRelease,
    CancelDeployment,
    Command,
    Rollback,
    Scale,
    StopProject,
)
from controlplane.core.deployment import ENDED, RELEASES, Deployment
from controlplane.core.project import Revision

Way = Literal["back", "scale", "start", "stop", "end"]
"""How: back to a revision, former numbers, start what was stopped, stop what was first deployed, end what runs."""


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """The opposite of one deployment. `revision`: gone back to, 0 = none; `counts`: former numbers of replicas."""

    deployment: int
    kind: str
    way: Way
    revision: int = 0
    counts: tuple[tuple[str, int], ...] = ()


def undo_of(cluster: Cluster, number: int) -> Undo | None:
    """How this deployment is undone now; None when nothing is left to undo, or something else was asked for since."""
    found = cluster.deployments.get(number)
    if found is None or found.project not in cluster.projects or found.kind not in (*RELEASES, "scale"):
        return None
    if number != last_asked(cluster, found.project):
        return None
    if found.state not in ENDED:
        return None if found.outcome else Undo(deployment=number, kind=found.kind, way="end")
    if found.state != "succeeded":
        return None  # it has gone back already, or changed nothing
    former = cluster.revisions.get((found.project, found.from_revision))
    return _scaled_back(cluster, found, former) if found.kind == "scale" else _released(found, former)


def last_asked(cluster: Cluster, project: str) -> int:
    """The newest deployment of a project that a person asked for, 0 = none. A drain is not about the project."""
    return max((d.id for d in cluster.deployments.values() if d.project == project and d.kind != "migrate"), default=0)


def command_of(undo: Undo, deployment: Deployment, actor: str) -> Command:
    """The ordinary command that does it."""
    match undo.way:
        case "end" if deployment.kind in RELEASES and deployment.state != "waiting":
            return AbortRelease(deployment=deployment.id, actor=actor)
        case "end":
            return CancelDeployment(deployment=deployment.id, actor=actor)
        case "back":
            return Rollback(project=deployment.project, revision=undo.revision, actor=actor)
        case "stop":
            return StopProject(project=deployment.project, actor=actor)
        case "scale" | "start":
            return Scale(project=deployment.project, services=dict(undo.counts), actor=actor)


def _released(deployment: Deployment, former: Revision | None) -> Undo | None:
    made = Undo(deployment=deployment.id, kind=deployment.kind, way="back", revision=deployment.from_revision)
    if not deployment.from_revision or deployment.from_revision == deployment.revision:
        return msgspec.structs.replace(made, way="stop", revision=0) if deployment.kind == "deploy" else None
    return made if former is not None else None


def _scaled_back(cluster: Cluster, deployment: Deployment, former: Revision | None) -> Undo | None:
    after = cluster.revisions.get((deployment.project, deployment.revision))
    if former is None or after is None:
        return None
    counts = {n: s.replicas for n, s in former.spec.services.items() if n in after.spec.services}
    changed = tuple((n, c) for n, c in counts.items() if c != after.spec.services[n].replicas)
    if not changed:
        return None
    stopped = not any(s.replicas for s in after.spec.services.values())
    way: Way = "start" if stopped else "scale"
    return Undo(deployment=deployment.id, kind=deployment.kind, way=way, counts=changed)
