"""Asking twice before many containers are stopped at once (DESIGN §3): >= 3 and >= 50 % of those that run here.

Pure. Decides which dropped containers may go; stopping them is for `replica` and `plan`. Guards against an empty or
wrong desired state, not against what a person stops one by one.
"""

from collections.abc import Iterable

import msgspec

from nodeagent.core.replica import Assignment
from protocol.messages import ContainerRef

ASK_FROM = 3
REFS_MAX = 400
"""Refs in one question, so that it fits a frame; the rest is asked for afterwards."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, under which authority. The answer must name the same authority, and counts for what is still
    unwanted by then: a Center that is busy changes more before it answers, and would be asked anew for ever.
    """

    authority: tuple[int, int]
    stop: tuple[ContainerRef, ...]


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """`clear`: may go now. `ask`: the question that must be asked first; None = none, or it is asked already."""

    clear: tuple[ContainerRef, ...] = ()
    ask: Question | None = None


def review(items: Iterable[Assignment], authority: tuple[int, int], asked: Question | None) -> Review:
    """Sort the dropped ones. What does not run any more may always go; what is being stopped counts along."""
    alive = stopping = 0
    pending: list[ContainerRef] = []
    clear: list[ContainerRef] = []
    for item in items:
        alive += item.alive
        if item.want is not None or item.have is None:
            continue
        if item.cleared:
            stopping += item.alive
        elif item.alive:
            pending.append(item.ref)
        else:
            clear.append(item.ref)
    count = len(pending) + stopping
    if not pending or count < ASK_FROM or 2 * count < alive:
        return Review(clear=(*clear, *pending))
    if asked is not None and asked.authority[0] == authority[0] and set(asked.stop).issuperset(pending[:REFS_MAX]):
        return Review(clear=tuple(clear))
    return Review(clear=tuple(clear), ask=Question(authority=authority, stop=tuple(pending[:REFS_MAX])))
