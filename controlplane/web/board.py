"""The cluster as the pages show it: structs kept up to date piece by piece, so that a change costs what it touches.

Told of commits by `live.py`, which also makes it look at what changes by itself (heartbeats, the passing of time).
Knows no language, template or socket.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from controlplane.core.adoption import ADOPTING
from controlplane.core.api_token import ApiToken
from controlplane.core.cluster import Changes, Cluster
from controlplane.core.deployment import RELEASES, Deployment
from controlplane.core.history import history_entry
from controlplane.core.node import JoinTicket, Node
from controlplane.core.project import Project, Revision
from controlplane.core.record import Now
from controlplane.core.replica import Replica
from controlplane.core.task import Task
from controlplane.core.views import MIB, KnownReplicas, event_view, node_view, project_view
from controlplane.web.card import Card, Row, card, in_order, row
from controlplane.web.chart import Charts
from controlplane.web.door import Door
from controlplane.web.history import Wanted, newest
from controlplane.web.progress import work_of
from controlplane.web.trend import Lines, Trend
from controlplane.web.undo import Undo, last_asked, undo_of
from controlplane.web.work import Line, Work, line
from protocol.api import Change, NodeView, ProjectView
from protocol.messages import Heartbeat

EVENTS_SHOWN = 16
EVENTS_KEPT = 400
"""Lines in memory, of which the page of a project or node shows its own."""
OWN_EVENTS = 30
OWN_WORKS = 8
REVISIONS_SHOWN = 20
ALL_STEPS = 100_000
WORKS_SHOWN = 6
ENDED_SHOWN = 3
REPLICAS_A_STRUCT = 5
"""So many replicas of a project are as much work as one struct."""
SEEN_SLACK_S = 2.0
"""A node's last frame is dated anew at each look; less than this is no news."""

K = TypeVar("K")
V = TypeVar("V")

_SETBACKS = frozenset({"failed", "rolled_back"})
_WELL = frozenset({"running", "stopped"})


class _Heard(NamedTuple):
    """What of a node comes past the journal: when it is another, its card is made anew."""

    beat: Heartbeat | None
    connected: bool

    def differs(self, other: "_Heard | None") -> bool:
        return other is None or self.beat is not other.beat or self.connected != other.connected


class _Round(NamedTuple):
    """What one round of looking is about."""

    nodes: dict[str, None]
    projects: dict[str, None]
    works: dict[int, None]


class Board:
    """Everything the pages show, as of the last `look`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._cards: dict[str, Card] = {}
        self._rows: dict[str, Row] = {}
        self._works: dict[int, Work] = {}
        self._events: deque[Line] = deque(maxlen=EVENTS_KEPT)
        self._projects: dict[str, ProjectView] = {}
        self._nodes: dict[str, NodeView] = {}
        self._known: dict[str, KnownReplicas] = {}
        self._loaded = False
        self._trends: dict[str, Trend] = {}
        self.charts = Charts(door)
        """Of the last hour."""
        self._heard: dict[str, _Heard] = {}
        self._unswept: list[str] = []
        self._dirty_nodes: dict[str, None] = {}
        self._dirty_projects: dict[str, None] = {}
        self._dirty_works: dict[int, None] = {}
        self._round = _Round({}, {}, {})
        self._touched: dict[tuple[str, str], int] = {}
        self._order: list[str] = []
        self._dismissed: set[int] = set()
        self._in_order: list[Card] = []
        self.skipped()

    # -- told -------------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the newest events, once. Those that are committed meanwhile are not lost."""
        if self._loaded:
            return
        found = await newest(self._door.journal, self._cluster.meta.event_seq, EVENTS_KEPT, Wanted())
        known = {e.seq: line(event_view(e)) for e in found} | {e.seq: e for e in self._events}
        self._events.clear()
        self._events.extend(shown for _, shown in sorted(known.items()))
        self._loaded = True

    def put(self, changes: Changes) -> None:
        """Note what a commit changed. Call after it was applied."""
        for record in (*changes.puts, *changes.drops):
            match record:
                case Node():
                    self._dirty_nodes[record.name] = None
                    held = self._cluster.on_node.get(record.name, ())
                    self._dirty_projects.update((i.project, None) for i in held)
                case Project() | Revision():
                    self._dirty_projects[record.code if isinstance(record, Project) else record.project] = None
                case Replica():
                    self._dirty_projects[record.id.project] = None
                    self._dirty_nodes.update((a.node, None) for a in record.assignments)
                case Deployment():
                    self._dirty_works[record.id] = None
                    self._dirty_projects[record.project] = None
                case Task() if record.deployment:
                    self._dirty_works[record.deployment] = None
                case _:
                    pass
        for told in changes.events:
            self._events.append(line(event_view(told)))
            self._touch("project", told.project)
            self._touch("node", told.node)

    def touched(self, view: str, of: str) -> int | None:
        """A number that grows with what a view about one project or node shows, but for what depends on the time alone;
        None for all other views.
        """
        return self._touched.get((view, of), 0) if view in ("project", "node") else None

    def _touch(self, kind: str, name: str) -> None:
        self._touched[kind, name] = self._touched.get((kind, name), 0) + 1

    def dismiss(self, number: int) -> None:
        """Somebody has seen that this deployment went wrong. Forgotten when the Center restarts."""
        self._dismissed.add(number)

    def skipped(self) -> None:
        """Commits were missed: look at everything, read the events anew."""
        cluster = self._cluster
        self._dirty_nodes.update(dict.fromkeys((*cluster.nodes, *self._cards)))
        self._dirty_projects.update(dict.fromkeys((*cluster.projects, *self._rows)))
        self._dirty_works.update(dict.fromkeys((*cluster.deployments, *self._works)))
        self._events.clear()
        self._loaded = False

    def sweep(self, now: Now, most: int = 1 << 30) -> bool:
        """Note what changes without a commit: heartbeats, and what becomes well or longer by the passing of time. Looks
        at up to `most` nodes, and goes on there; True when there is more to do.
        """
        self._unswept = self._unswept or list(self._cluster.nodes)
        names, self._unswept = self._unswept[:most], self._unswept[most:]
        for name in names:
            figures = self._door.figures.figures(name)
            beat = figures.heartbeat
            heard = _Heard(beat, figures.connected)
            trend = self._trends.setdefault(name, Trend())
            if heard.differs(self._heard.get(name)):
                if beat is not None and figures.connected:
                    trend.add(beat.cpu_usage, self._memory_used(name, beat.mem_free_mb), now.mono)
                self._heard[name] = heard
                self._dirty_nodes[name] = None
            elif trend.pass_by(now.mono):
                self._dirty_nodes[name] = None
        if self._unswept:
            return True
        self._dirty_projects.update((code, None) for code, row in self._rows.items() if row.state not in _WELL)
        self._dirty_works.update((number, None) for number in self._cluster.open_deployments)
        return False

    def look(self, now: Now, most: int = 1 << 30) -> bool:
        """Make up to `most` structs of what was noted when the round began; True when there is more to do in it. What
        is noted meanwhile is for the next round, so one ends however much changes. A project with many replicas is
        counted as several.
        """
        if not any(self._round):
            self._round = _Round(self._dirty_nodes, self._dirty_projects, self._dirty_works)
            self._dirty_nodes, self._dirty_projects, self._dirty_works = {}, {}, {}
        nodes, projects, works = self._round
        while most > 0 and any(self._round):
            most -= 1
            if nodes:
                self._look_at_node(nodes.popitem()[0], now)
            elif projects:
                code = projects.popitem()[0]
                most -= len(self._cluster.of_project.get(code, ())) // REPLICAS_A_STRUCT
                self._look_at_project(code, now)
            else:
                self._look_at_work(works.popitem()[0], now)
        return any(self._round)

    @property
    def behind(self) -> bool:
        """True when something is noted that was not looked at."""
        return any((*self._round, self._dirty_nodes, self._dirty_projects, self._dirty_works))

    # -- shown ------------------------------------------------------------------------------------------------------

    @property
    def cards(self) -> Sequence[Card]:
        """All nodes, in order."""
        if len(self._order) != len(self._cards):
            self._order = in_order(self._cards)
            self._in_order = []
        if not self._in_order:
            self._in_order = [self._cards[name] for name in self._order]
        return self._in_order

    @property
    def rows(self) -> Sequence[Row]:
        """All projects, by code."""
        return [self._rows[code] for code in sorted(self._rows)]

    @property
    def works(self) -> Sequence[Work]:
        """The deployments that are under way, newest first; then the last ones that ended."""
        newest_first = [w for _, w in sorted(self._works.items(), reverse=True)]
        is_open = self._cluster.open_deployments
        under_way = [w for w in newest_first if w.id in is_open][:WORKS_SHOWN]
        return [*under_way, *[w for w in newest_first if w.id not in is_open][:ENDED_SHOWN]]

    @property
    def setbacks(self) -> Sequence[Work]:
        """The last release of each project, where it failed or went back and nobody has dismissed that."""
        last = {w.project: w for _, w in sorted(self._works.items()) if w.kind in RELEASES}
        return [w for w in last.values() if w.state in _SETBACKS and w.id not in self._dismissed]

    @property
    def events(self) -> Sequence[Line]:
        """The newest of all, newest first."""
        return list(islice(reversed(self._events), EVENTS_SHOWN))

    @property
    def all_events(self) -> Sequence[Line]:
        """Those in memory, newest first."""
        return list(reversed(self._events))

    def events_of(self, *, project: str = "", node: str = "", deployment: int = 0) -> Sequence[Line]:
        """The newest about this one, newest first; of those in memory."""
        own = (
            e
            for e in reversed(self._events)
            if project in ("", e.project) and node in ("", e.node) and deployment in (0, e.deployment)
        )
        return list(islice(own, OWN_EVENTS))

    def project(self, code: str) -> ProjectView | None:
        """A project, whole."""
        return self._projects.get(code)

    def node(self, name: str) -> NodeView | None:
        """A node, whole."""
        return self._nodes.get(name)

    def card(self, name: str) -> Card | None:
        """A node as on the map."""
        return self._cards.get(name)

    def works_of(self, project: str) -> Sequence[Work]:
        """The last deployments of a project, newest first."""
        own = (w for _, w in sorted(self._works.items(), reverse=True) if w.project == project)
        return list(islice(own, OWN_WORKS))

    def whole_work(self, number: int) -> Work | None:
        """A deployment with all its steps."""
        deployment = self._cluster.deployments.get(number)
        return None if deployment is None else work_of(self._cluster, deployment, self.wall, ALL_STEPS)

    def changes(self, number: int) -> Sequence[Change]:
        """What a deployment changes in the project, field by field; secrets are not told."""
        found = self._cluster.deployments.get(number)
        return () if found is None else history_entry(self._cluster, found, self._door.now().wall).changes

    def undo(self, number: int) -> Undo | None:
        """How a deployment is undone now."""
        return undo_of(self._cluster, number)

    def last_undo(self, project: str) -> Undo | None:
        """How what was asked of a project last is undone now."""
        return undo_of(self._cluster, last_asked(self._cluster, project))

    def revisions(self, code: str) -> Sequence[Revision]:
        """The newest kept revisions of a project, newest first."""
        project = self._cluster.projects.get(code)
        numbers = range(project.last_revision, 0, -1) if project else ()
        kept = (found for n in numbers if (found := self._cluster.revisions.get((code, n))) is not None)
        return list(islice(kept, REVISIONS_SHOWN))

    def stories(self, cause: int) -> Sequence[Line]:
        """All lines of one cause, oldest first; none when its beginning is not in memory."""
        own = [e for e in self._events if e.cause == cause]
        return own if own and own[0].seq == cause else ()

    def newer(self, after: int, fits: Callable[[Line], bool]) -> Sequence[Line]:
        """The lines in memory after a sequence number that fit, newest first."""
        return [e for e in reversed(self._events) if e.seq > after and fits(e)]

    @property
    def tickets(self) -> Sequence[JoinTicket]:
        """All join tokens that are remembered, those that end first at the top."""
        return sorted(self._cluster.tickets.values(), key=lambda t: (t.expires_at, t.id))

    @property
    def api_tokens(self) -> Sequence[ApiToken]:
        """All API tokens, by name."""
        return sorted(self._cluster.api_tokens.values(), key=lambda t: t.name)

    def ticket(self, number: str) -> tuple[JoinTicket, NodeView | None] | None:
        """A join token, and the node that joined with it."""
        found = self._cluster.tickets.get(number)
        if found is None:
            return None
        joined = next((n.name for n in self._cluster.nodes.values() if n.public_key == found.used_by), "")
        return found, self._nodes.get(joined)

    @property
    def wall(self) -> float:
        """The Center's clock, Unix seconds."""
        return self._door.now().wall

    @property
    def faults(self) -> Sequence[str]:
        """Why the Center cannot do its work, or does not for now."""
        adopting = [ADOPTING] if self._cluster.meta.adopting else []
        return [*adopting, *self._door.faults()]

    # -- looking ----------------------------------------------------------------------------------------------------

    @property
    def _cluster(self) -> Cluster:
        return self._door.controller.cluster

    def _memory_used(self, name: str, free_mb: float) -> float:
        """In percent; no number when the node has not told how much there is, or has not measured it yet (0 free)."""
        total = self._cluster.nodes[name].capacity.memory / MIB
        return 100 * (1 - free_mb / total) if total and free_mb else math.nan

    def _look_at_node(self, name: str, now: Now) -> None:
        self._touch("node", name)
        self._in_order = []
        node = self._cluster.nodes.get(name)
        if node is None:
            for table in (self._cards, self._trends, self._heard, self._nodes):
                table.pop(name, None)
            self._order = []
            return
        if name not in self._cards:
            self._order = []
        figures = self._door.figures.figures(name)
        view = self._nodes[name] = node_view(self._cluster, node, figures, now)
        trend = self._trends.get(name)
        seen = _seen(view.last_seen_s, now.wall, self._cards.get(name))
        _keep(self._cards, name, card(view, trend.lines() if trend else Lines(), seen))

    def _look_at_project(self, code: str, now: Now) -> None:
        self._touch("project", code)
        project = self._cluster.projects.get(code)
        if project is None:
            for table in (self._rows, self._projects, self._known):
                table.pop(code, None)
            return
        _keep(self._projects, code, project_view(self._cluster, project, now, self._known.setdefault(code, {})))
        _keep(self._rows, code, row(self._projects[code]))

    def _look_at_work(self, number: int, now: Now) -> None:
        deployment = self._cluster.deployments.get(number)
        if deployment is None:
            self._works.pop(number, None)
            return
        _keep(self._works, number, work_of(self._cluster, deployment, now.wall))


def _keep(table: dict[K, V], key: K, value: V) -> None:
    """Put it in only when it differs: what is the same object needs no new rendering."""
    if table.get(key) != value:
        table[key] = value


def _seen(last_seen_s: float | None, wall: float, before: Card | None) -> float | None:
    if last_seen_s is None:
        return None
    found = float(round(wall - last_seen_s))
    if before is not None and before.seen is not None and abs(before.seen - found) < SEEN_SLACK_S:
        return before.seen
    return found
