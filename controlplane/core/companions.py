"""The chain of services a replica belongs to, as its placement wants it: who belongs to it, and who needs a place, too.

Services of a chain call each other by name, which works on one node only (DESIGN §5). Chooses nothing.
"""

from controlplane.core import chains, jobs
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.preparation import Preparation
from controlplane.core.project import Project, Revision, data_node
from controlplane.core.replica import Replica
from protocol.spec import ServiceSpec


def linked(draft: Draft, replica: Replica) -> frozenset[str]:
    """The other services of its chain, by the revision it shall run."""
    revision = _chained(draft, replica)
    return chains.linked(revision.spec.services, replica.id.service) if revision is not None else frozenset()


def company(draft: Draft, replica: Replica, away: frozenset[str]) -> tuple[ServiceSpec, ...]:
    """Services of its chain that need a place as it does, dependencies first: not there yet, without a place, or on
    nodes that are lost, drained or given up (`away`). Not those whose data ties them to a node, nor completed jobs.
    """
    revision = _chained(draft, replica)
    if revision is None:
        return ()
    services = revision.spec.services
    there: dict[str, list[Replica]] = {}
    for other in draft.replicas_of(revision.project):
        there.setdefault(other.id.service, []).append(other)
    project = draft.get(Project, revision.project)
    found = [
        name
        for name in chains.linked(services, replica.id.service)
        if _needs_place(draft, project, services[name], there.get(name, []), away)
    ]
    depths = chains.depths(services)
    return tuple(services[name] for name in sorted(found, key=lambda name: (depths[name], name)))


def _chained(draft: Draft, replica: Replica) -> Revision | None:
    revision = draft.revision(replica.id.project, replica.revision)
    if revision is None or not any(s.depends_on for s in revision.spec.services.values()):
        return None
    return revision


def _needs_place(
    draft: Draft, project: Project | None, spec: ServiceSpec, there: list[Replica], away: frozenset[str]
) -> bool:
    if not there:
        return spec.replicas > 0
    return any(_is_adrift(draft, r, away) and (spec.may_move or not data_node(project, r.id)) for r in there)


def _is_adrift(draft: Draft, replica: Replica, away: frozenset[str]) -> bool:
    if (
        replica.ending
        or replica.failed
        or jobs.has_completed(replica)
        or draft.get(Preparation, replica.id) is not None
    ):
        return False
    wanted = replica.wanted
    if wanted is None or wanted.state == "interrupted" or wanted.node in away:
        return True
    node = draft.get(Node, wanted.node)
    return node is not None and node.draining
