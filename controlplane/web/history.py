"""Reading the journal: forward from a sequence number, and its newest lines. Used by the events handler and stream."""

from collections import deque
from collections.abc import Sequence

import msgspec

from controlplane.core.journal import Event
from controlplane.web.door import Journal

_PAGE = 1000
SCAN_MAX = 64_000
"""Lines looked at for a kind that is rare: the journal is not searched by kind, and a page must not take seconds."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; "" and 0 = all."""

    project: str = ""
    node: str = ""
    cause: int = 0
    by_people: bool = False
    kind: str = ""
    """The word before the dot: `node`, `replica`, `deployment` …; only `newest` looks at it."""


def is_kind(kind: str, group: str) -> bool:
    """True when the kind of an event is of this group; all are of ""."""
    return not group or kind.partition(".")[0] == group


def fits(event: Event, wanted: Wanted) -> bool:
    """True when the event is one of these."""
    return (
        wanted.project in ("", event.project)
        and wanted.node in ("", event.node)
        and wanted.cause in (0, event.cause)
        and (bool(event.actor) or not wanted.by_people)
    )


async def following(journal: Journal, after: int, limit: int, wanted: Wanted) -> Sequence[Event]:
    """The first `limit` (at most 1000) events after `after`, in order."""
    return await journal.events(after, limit, wanted.project, wanted.node, wanted.cause, by_people=wanted.by_people)


async def newest(journal: Journal, last: int, limit: int, wanted: Wanted) -> Sequence[Event]:
    """The last `limit` events up to `last`, in order. `last`: a sequence number; that of the newest for the newest.

    The store reads forward only, so the window before `last` is widened until it holds enough, or, for a kind that is
    rare, is `SCAN_MAX` lines.
    """
    window = limit
    while True:
        after = max(0, last - window)
        found: deque[Event] = deque(maxlen=limit)
        cursor = after
        while page := await following(journal, cursor, _PAGE, wanted):
            found.extend(e for e in page if e.seq <= last and is_kind(e.kind, wanted.kind))
            cursor = page[-1].seq
            if len(page) < _PAGE or cursor >= last:
                break
        if len(found) == limit or after == 0 or window >= SCAN_MAX:
            return tuple(found)
        window *= 4
