"""Which images no kept revision needs any more, so that a node that is short of disk may remove them. Pure.

Asked by the link for what an agent offers to remove. Costs what there is of revisions, so agents ask seldom.
"""

from collections.abc import Sequence

from controlplane.core.cluster import Cluster


def unused(cluster: Cluster, images: Sequence[str]) -> tuple[str, ...]:
    """Those of these pinned references that no kept revision and no open task names. Compared by digest alone: the same
    image may be known under two names. None while the Center takes over what runs after a restore: it may not know of
    revisions that were made since.
    """
    if cluster.meta.adopting:
        return ()
    left = {_digest(image) for image in images}
    for revision in cluster.revisions.values():
        if not left:
            break
        left.difference_update(map(_digest, revision.pins.values()))
        left.difference_update(_digest(service.image) for service in revision.spec.services.values())
    for number in cluster.open_tasks:
        left.discard(_digest(cluster.tasks[number].image))
    return tuple(image for image in images if _digest(image) in left)


def _digest(image: str) -> str:
    return image.rpartition("@")[2]
