"""Which images no kept revision needs any more, so that a node that is short of disk may remove them. Pure.

Asked by the link for what an agent offers to remove. Costs what there is of revisions, so agents ask seldom. Also the
journal's lines on what was removed.
"""

import re
from collections.abc import Sequence

from controlplane.core import sessions
from controlplane.core.cluster import Cluster
from controlplane.core.draft import Draft
from controlplane.core.fact import ImagesRemoved

REMOVED_MAX = 16
"""Lines for one heartbeat."""

_PINNED = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,254}@sha256:[0-9a-f]{64}")


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


def removed(draft: Draft, fact: ImagesRemoved) -> None:
    """Write down what went. Agents are not trusted: no more than they may ask for, and no other text than a name."""
    if sessions.current(draft, fact.node, fact.session_epoch) is None:
        return
    for image in fact.images[:REMOVED_MAX]:
        if _PINNED.fullmatch(image):
            text = f"{fact.node} removed image {image}: no kept revision uses it, and its disk is short"
            draft.event("node.image", text, node=fact.node)


def _digest(image: str) -> str:
    return image.rpartition("@")[2]
