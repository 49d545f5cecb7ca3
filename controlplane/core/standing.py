"""How a project stands, in one word and one sentence, worst thing first (DESIGN §1). Pure; used by `views` only.

| word        | when, first match counts                                                                             |
|-------------|------------------------------------------------------------------------------------------------------|
| deploying   | a deployment of it waits or runs                                                                     |
| interrupted | the node of a replica is offline and the replica is not yet placed elsewhere                         |
| failed      | a replica was given up for good, or the last deployment failed                                       |
| stopped     | no replica is wanted, or every wanted one ended as it should                                         |
| degraded    | a replica is not ready; what depends on it is named beside it                                        |
| running     | every replica is ready                                                                               |
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from controlplane.core import chains, jobs
from controlplane.core.cluster import Cluster
from controlplane.core.deployment import ENDED, Deployment
from controlplane.core.project import Project, ProjectState, service_of
from controlplane.core.replica import Assignment, Replica, is_ready
from protocol.spec import Condition, ServiceSpec

_WORST = ("interrupted", "failed", "pending", "stopped", "stopping", "assigned", "pulling", "starting", "running")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The word and the sentence."""

    state: ProjectState
    message: str


def standing(cluster: Cluster, project: Project, wall: float) -> Standing:
    """How the project stands at `wall` (Unix seconds)."""
    replicas = wanted_replicas(cluster, project.code)
    bad = [r for r in replicas if not ready(cluster, r, wall)]
    running = cluster.deployments.get(project.deployment)
    state = _word(project, running, replicas, bad)
    behind = _behind(cluster, project, bad)
    parts = [*_counted(replicas, bad), *_troubles(cluster, bad, behind), *_sayings(behind)]
    match state:
        case "deploying":
            parts.insert(0, _under_way(running))
        case "stopped":
            parts = ["every replica ended as it should" if replicas else "no replica is wanted"]
        case "failed" if project.failed:
            parts.insert(0, f"deployment failed: {project.failed}")
        case "interrupted":
            parts = [*parts[1:], parts[0]]
        case _:
            pass
    return Standing(state=state, message="; ".join(p for p in parts if p))


def wanted_replicas(cluster: Cluster, code: str) -> tuple[Replica, ...]:
    """The replicas of a project that shall stay, in order."""
    found = (cluster.replicas[i] for i in cluster.of_project.get(code, ()))
    return tuple(sorted((r for r in found if not r.ending), key=lambda r: r.id))


def ready(cluster: Cluster, replica: Replica, wall: float) -> bool:
    """True when a copy of the replica serves: the wanted one, or the former one that still runs beside it."""
    return any(_assignment_ready(cluster, replica, a, wall) for a in replica.assignments)


def spec_of(cluster: Cluster, replica: Replica, revision: int) -> ServiceSpec | None:
    """What that revision says of the replica's service, or None when the revision or the service is gone."""
    found = cluster.revisions.get((replica.id.project, revision))
    return None if found is None else service_of(found, replica.id.service)


def reason_of(cluster: Cluster, replica: Replica) -> str:
    """Why the replica is not as wanted, for people; "" when nothing is to be said."""
    wanted = replica.wanted
    if wanted is None:
        return replica.reason
    if wanted.state != "interrupted":
        return wanted.reason or replica.reason
    spec = spec_of(cluster, replica, wanted.revision)
    if spec is not None and not spec.may_move:
        return f"volume data lives on {wanted.node}"
    return replica.reason or wanted.reason or _offline(cluster, wanted.node)


def _offline(cluster: Cluster, name: str) -> str:
    node = cluster.nodes.get(name)
    return f"{name} is offline, held by the guard" if node is not None and node.held else f"{name} is offline"


def _assignment_ready(cluster: Cluster, replica: Replica, assignment: Assignment, wall: float) -> bool:
    spec = spec_of(cluster, replica, assignment.revision)
    return spec is not None and is_ready(assignment, spec, wall)


def _word(
    project: Project, running: Deployment | None, replicas: Sequence[Replica], bad: Sequence[Replica]
) -> ProjectState:
    if (running is not None and running.state not in ENDED) or project.queue:
        return "deploying"
    if any(r.state == "interrupted" for r in bad):
        return "interrupted"
    if project.failed or any(r.failed for r in bad):
        return "failed"
    if not bad and all(r.state == "stopped" for r in replicas):
        return "stopped"
    return "degraded" if bad else "running"


def _counted(replicas: Sequence[Replica], bad: Sequence[Replica]) -> list[str]:
    """How many serve of those that shall, and how many jobs are done."""
    if not replicas:
        return []
    checked = any(a.health != "none" for r in replicas for a in r.assignments)
    done = sum(jobs.has_completed(r) for r in replicas)
    serving = len(replicas) - done
    counted = f"{serving - len(bad)} of {serving} {'healthy' if checked else 'running'}"
    return [counted] if not done else [counted, f"{done} completed"]


class _Behind(NamedTuple):
    """A service that others wait for or need, and how: `db`, `is not healthy`, {`api`, `web`}."""

    service: str
    how: str
    dependents: frozenset[str]


_LACKS: dict[Condition, str] = {
    "service_started": "is not up",
    "service_healthy": "is not healthy",
    "service_completed_successfully": "has not completed",
}


def _behind(cluster: Cluster, project: Project, bad: Sequence[Replica]) -> list[_Behind]:
    """Services with a replica that is not ready, and those that directly depend on them, chains first to last."""
    revision = cluster.revisions.get((project.code, project.revision))
    services = revision.spec.services if revision is not None else {}
    if not bad or not any(s.depends_on for s in services.values()):
        return []
    depths = chains.depths(services)
    found = []
    for name in sorted({r.id.service for r in bad} & services.keys(), key=lambda name: (depths[name], name)):
        waiting: dict[str, set[str]] = {}
        for other, needed in chains.needed_by(services, name).items():
            waiting.setdefault(_LACKS[needed.condition], set()).add(other)
        found += [_Behind(name, how, frozenset(names)) for how, names in sorted(waiting.items())]
    return found


def _sayings(behind: Sequence[_Behind]) -> list[str]:
    """`api, web: db is not healthy`; only what begins a chain of troubles, the rest follows from it."""
    late = {name for one in behind for name in one.dependents}
    return [f"{', '.join(sorted(b.dependents))}: {b.service} {b.how}" for b in behind if b.service not in late]


def _troubles(cluster: Cluster, bad: Iterable[Replica], behind: Sequence[_Behind]) -> list[str]:
    """The worst replica in words, and how many more there are. What only waits for others is not the worst."""
    late = {name for one in behind for name in one.dependents}
    ranked = sorted(bad, key=lambda r: (r.id.service in late, _rank(r), r.id))
    if not ranked:
        return []
    told = _trouble(cluster, ranked[0])
    return [told if len(ranked) == 1 else f"{told} (and {len(ranked) - 1} more)"]


def _rank(replica: Replica) -> tuple[int, bool]:
    return _WORST.index(replica.state), not replica.failed


def _trouble(cluster: Cluster, replica: Replica) -> str:
    wanted = replica.wanted
    name = f"{replica.id.service}/{replica.id.index}"
    where = f" on {wanted.node}" if wanted is not None and wanted.state != "interrupted" else ""
    word: str = replica.state
    if wanted is not None and wanted.state == "running":
        word = wanted.health if wanted.health != "none" else "just started"
    reason = reason_of(cluster, replica)
    return f"{name}{where} {word}" + (f": {reason}" if reason else "")


def _under_way(deployment: Deployment | None) -> str:
    if deployment is None:
        return "a deployment waits"
    mine = [s for s in deployment.steps if s.back == bool(deployment.outcome)]
    done = sum(s.state in ("done", "skipped") for s in mine)
    if deployment.state == "paused":
        return f"{deployment.kind} to revision {deployment.revision} is paused: {deployment.reason}"
    if deployment.outcome:
        return f"goes back to revision {deployment.back_to}, {done} of {len(mine)} steps done"
    if any(s.kind == "promote" and s.state == "running" for s in mine):
        return f"the canary of revision {deployment.revision} is observed"
    return f"{deployment.kind} to revision {deployment.revision}, {done} of {len(mine)} steps done"
