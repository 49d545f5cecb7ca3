"""The ranks of the nodes for one service's next replicas, kept between placements: only what changed is looked at anew.

Gives what `placement.place` gives, for wants whose rank on a node depends on that node alone. A room that is the same
object is the same room, so what is kept is never taken for more than it is. Called by `assigning`.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from controlplane.core import placement
from controlplane.core.placement import Candidate, Placed, Unplaced
from controlplane.core.ports import plenty
from controlplane.core.room import Room, Want
from controlplane.core.strategies import appraise, neighbours

KEPT = 2
"""Shortlists that are kept; each has an entry for every node."""

NODES_A_LOOK = 100
"""Nodes that are told among the candidates for the price of one look at a room."""


class _Entry(NamedTuple):
    """A node. `refused`: why it will not do, or None. `key`: its place among those that fit."""

    room: Room
    refused: str | None
    sure: bool
    """Neither time nor the replica's number change what is said here."""
    near: frozenset[str]
    """Other services of the project on the node."""
    key: tuple[Any, ...] = ()
    candidate: Candidate | None = None


def is_plain(want: Want) -> bool:
    """True when nodes can be ranked one by one: what a placement changes elsewhere changes nothing here."""
    spec = want.spec
    ports_anywhere = all(port.host_from is None for port in spec.ports)
    return ports_anywhere and not (
        spec.placement.spread or want.company or want.data_node or want.strategy == "affinity"
    )


class Shortlist:
    """For the wants of one service that differ in nothing but the replica and the time."""

    def __init__(self, want: Want) -> None:
        self._want = want
        self._entries: list[_Entry] = []
        self._order: list[tuple[Any, ...]] = []
        """Keys of those that fit, each with its place in `_entries` at the end; best first."""
        self._unsure: set[int] = set()
        self._weights: Counter[float] = Counter()
        self._near: Counter[str] = Counter()
        self._scene = (0.0, 0)
        self._left_out: tuple[Candidate, ...] | None = None

    def fits(self, want: Want) -> bool:
        """True when this was made for wants like this one."""
        mine = self._want
        return (
            mine.spec is want.spec
            and mine.strategy == want.strategy
            and mine.stay == want.stay
            and mine.avoid == want.avoid
            and mine.fixed_required == want.fixed_required
            and mine.linked == want.linked
        )

    def place(self, want: Want, rooms: Sequence[Room]) -> tuple[Placed | Unplaced, int]:
        """As `placement.place`, and how many rooms were looked at for it."""
        changed = self._changed(rooms)
        for at in changed:
            self._take_out(at)
            self._entries[at] = self._looked(want, rooms[at])
            self._note(at, 1)
        looks = len(changed) + len(rooms) // NODES_A_LOOK
        scene = (max(self._weights, default=1.0), len(self._near))
        if scene != self._scene:
            self._scene = scene
            self._order.clear()
            changed, looks = range(len(self._entries)), looks + len(rooms) // 2
        for at in changed:
            self._rank(want, at)
        return self._chosen(want), looks

    # -- inside -----------------------------------------------------------------------------------------------------

    def _changed(self, rooms: Sequence[Room]) -> Sequence[int]:
        entries = self._entries
        if len(rooms) == len(entries):
            found = [at for at, room in enumerate(rooms) if entries[at].room is not room]
            if all(entries[at].room.node.name == rooms[at].node.name for at in found):
                return sorted(self._unsure.union(found)) if self._unsure else found
        self.__init__(self._want)  # type: ignore[misc]  # other nodes: from the beginning
        blank = frozenset[str]()
        self._entries = [_Entry(room, "", True, blank) for room in rooms]
        return range(len(rooms))

    def _looked(self, want: Want, room: Room) -> _Entry:
        refused = placement.refusal(want, room)
        return _Entry(room, refused, plenty(want, room), frozenset(neighbours(want, room)))

    def _take_out(self, at: int) -> None:
        entry = self._entries[at]
        if entry.key:
            del self._order[bisect_left(self._order, (*entry.key, at))]
        self._note(at, -1)

    def _note(self, at: int, count: int) -> None:
        """Count an entry in, or out."""
        entry = self._entries[at]
        if entry.refused is None:
            _add(self._weights, entry.room.node.weight, count)
        else:
            self._left_out = None
        for name in entry.near:
            _add(self._near, name, count)
        (self._unsure.discard if entry.sure else self._unsure.add)(at)

    def _rank(self, want: Want, at: int) -> None:
        entry = self._entries[at]
        if entry.refused is not None:
            return
        heaviest, others = self._scene
        together = len(entry.near) / others if entry.near else 0.0
        key, score = appraise(want, entry.room, heaviest=heaviest if heaviest > 0 else 1.0, together=together)
        candidate = Candidate(node=entry.room.node.name, score=score, reason="")
        self._entries[at] = entry._replace(key=key, candidate=candidate)
        insort(self._order, (*key, at))

    def _chosen(self, want: Want) -> Placed | Unplaced:
        if self._left_out is None:
            refused = sorted((e.room.node.name, e.refused) for e in self._entries if e.refused is not None)
            self._left_out = tuple(Candidate(node=name, score=None, reason=reason) for name, reason in refused)
        entries = self._entries
        fit: list[Any] = [entries[key[-1]].candidate for key in self._order]
        if not fit:
            return placement.nowhere(self._left_out)
        return placement.settled(want, entries[self._order[0][-1]].room, (*fit, *self._left_out))


def kept(shortlists: dict[tuple[str, str], Shortlist], want: Want) -> Shortlist:
    """The shortlist for this want: the one of its service's last placement, or a new one."""
    service = (want.replica.project, want.replica.service)
    found = shortlists.pop(service, None)
    if found is None or not found.fits(want):
        found = Shortlist(want)
    shortlists[service] = found  # the newest at the end
    while len(shortlists) > KEPT:
        del shortlists[next(iter(shortlists))]
    return found


def _add(counts: Counter[Any], key: Any, count: int) -> None:
    counts[key] += count
    if not counts[key]:
        del counts[key]
