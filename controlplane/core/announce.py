"""Which assignments of a replica people are sent to: the one rule behind addresses in API, stream, pages and gateways.

A copy is announced while it is ready and not on its way out. Which of two ready copies is meant depends on the release:

| phase                               | `Replica.serves` | announced                   |
|-------------------------------------|------------------|-----------------------------|
| rolling update, drain, canary       | `both`           | the old and the new one     |
| blue-green before the switch        | `outgoing`       | the old one                 |
| blue-green after it, old one kept   | `wanted`         | the new one                 |

Pure; decides nothing. Called by `views`.
"""

from controlplane.core.cluster import Cluster
from controlplane.core.draft import Draft
from controlplane.core.replica import Assignment, Replica, is_ready


def announced(where: Cluster | Draft, replica: Replica, wall: float) -> tuple[Assignment, ...]:
    """The replica's announced assignments at `wall` (Unix seconds), the wanted one first; often one, never an ending
    one. `where` gives the specifications.
    """
    return tuple(a for a in _serving(replica) if _ready(where, replica, a, wall))


def _serving(replica: Replica) -> tuple[Assignment, ...]:
    """Those that may serve. Where the one that is meant is not there, the other one is better than none."""
    there = tuple(a for a in replica.assignments if not a.ending and not a.hold and a.state != "interrupted")
    meant = {"both": there, "wanted": (replica.wanted,), "outgoing": (replica.outgoing,)}[replica.serves]
    return tuple(a for a in there if a in meant) or there


def _ready(where: Cluster | Draft, replica: Replica, assignment: Assignment, wall: float) -> bool:
    key = (replica.id.project, assignment.revision)
    revision = where.revision(*key) if isinstance(where, Draft) else where.revisions.get(key)
    spec = revision.spec.services.get(replica.id.service) if revision is not None else None
    return spec is not None and assignment.state == "running" and is_ready(assignment, spec, wall)
