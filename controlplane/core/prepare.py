"""Making ready while a node is silent but not yet offline: a target chosen, its port reserved, the image pulled there.

Rules: DESIGN §4, Preparation. Starts at 7.5 s of silence (the detector says for whom), not while the guard holds; only
towards online nodes; bounded pulls; released when the node comes back. Held in memory only.
"""

from collections import Counter

from controlplane.core import assigning, dependencies, jobs, tasks
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.placement import Placed
from controlplane.core.preparation import PULLS_MAX, PULLS_PER_TARGET, Preparation
from controlplane.core.replica import Replica
from controlplane.core.task import Task

PREPARE_AFTER_S = 60.0
"""Services that wait longer than this before they move (`x-rope.failover.after`) reserve nothing meanwhile."""


def prepare(draft: Draft, silent: frozenset[str]) -> None:
    """Bring preparations in line with the silent nodes: release those of nodes that came back, add what is missing."""
    for prepared in list(draft.all(Preparation)):
        if not _useful(draft, prepared) or (prepared.source not in silent and not _lost(draft, prepared.source)):
            draft.drop(prepared)
    if not silent:
        return
    pulls = Counter(t.node for t in draft.open_tasks() if t.kind == "pull")
    for name in sorted(silent):
        if not _lost(draft, name):
            for _, replica in dependencies.in_order(draft, draft.replicas_on(name)):
                _prepare(draft, replica, name, pulls)


def _prepare(draft: Draft, replica: Replica, source: str, pulls: Counter[str]) -> None:
    wanted = replica.wanted
    if draft.tired() or wanted is None or wanted.node != source or replica.ending or replica.failed:
        return
    if draft.get(Preparation, replica.id) is not None:
        return
    revision = draft.revision(replica.id.project, replica.revision)
    spec = draft.spec(replica.id, replica.revision)
    if revision is None or spec is None or not spec.may_move or jobs.at_rest(spec, wanted):
        return
    if spec.failover.mode != "auto" or spec.failover.after_s > PREPARE_AFTER_S:
        return  # it does not move now
    placed = assigning.choose(draft, replica, fixed_required=False, prefer=wanted.ports, avoid=frozenset({source}))
    if not isinstance(placed, Placed):
        draft.put(Preparation(replica=replica.id, source=source, target="", revision=replica.revision))
        return
    image = revision.pins.get(spec.name, spec.image)
    task = _pull(draft, replica, placed.node, image, pulls)
    draft.put(
        Preparation(
            replica=replica.id,
            source=source,
            target=placed.node,
            revision=replica.revision,
            ports=placed.ports,
            task=task,
            candidates=placed.candidates,
        )
    )


def _pull(draft: Draft, replica: Replica, target: str, image: str, pulls: Counter[str]) -> str:
    """Order the pull unless one for the same image is under way there or the bounds are reached; "" = none ordered."""
    if "@" not in image or any(t.node == target and t.image == image for t in draft.open_tasks()):
        return ""  # an image id cannot be pulled: it is there, or nothing helps
    if pulls[target] >= PULLS_PER_TARGET or pulls.total() >= PULLS_MAX:
        return ""
    pulls[target] += 1
    task: Task = tasks.begin(draft, "pull", target, project=replica.id.project, image=image)
    return task.id


def _useful(draft: Draft, prepared: Preparation) -> bool:
    """True while the replica it is for is still where it was, and of the same revision."""
    replica = draft.replica(prepared.replica)
    return (
        replica is not None
        and replica.wanted is not None
        and replica.wanted.node == prepared.source
        and replica.revision == prepared.revision
    )


def _lost(draft: Draft, name: str) -> bool:
    node = draft.get(Node, name)
    return node is None or node.lost
