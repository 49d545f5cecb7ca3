"""What is in each live view: its sections in order, with the partial that draws each. Used by `live.py`."""

from collections.abc import Callable, Mapping

import msgspec

from controlplane.web import apitokens, overview
from controlplane.web.board import Board
from controlplane.web.card import key_of
from controlplane.web.filtering import Filter
from controlplane.web.overview import Totals
from controlplane.web.sheet import Many, Piece, Pieces
from controlplane.web.story import Story, story
from controlplane.web.tokens import view_of
from protocol.api import NodeTask, NodeView, ReplicaView
from protocol.messages import Versions


class MapHead(msgspec.Struct, frozen=True, kw_only=True):
    """The head of the map. `hidden`: nodes that are not drawn, for there are too many."""

    totals: Totals
    hidden: int


def overview_pieces(board: Board, _: str) -> Pieces:
    """`/`: what is wrong first, then the map, the projects, deployments and events."""
    cards, rows = board.cards, board.rows
    totals = overview.totals(cards, rows)
    shown = cards[: overview.NODES_SHOWN]
    return {
        "attention": Piece("_attention", (overview.troubles(board.faults, cards, rows, board.setbacks), totals)),
        "map-head": Piece("_map_head", MapHead(totals=totals, hidden=len(cards) - len(shown))),
        "map": Many("_node", "_no_nodes", {c.key: c for c in shown}),
        "projects-head": Piece("_projects_head", (totals, max(0, len(rows) - overview.PROJECTS_SHOWN))),
        "projects": Many("_project", "_no_projects", {r.key: r for r in rows[: overview.PROJECTS_SHOWN]}),
        "deployments": Piece("_deployments", tuple(board.works)),
        "events": Piece("_events", tuple(board.events)),
    }


def projects_pieces(board: Board, _: str) -> Pieces:
    """`/projects`: all of them."""
    rows = board.rows
    totals = overview.totals((), rows)
    return {
        "projects-head": Piece("_projects_head", (totals, 0)),
        "projects": Many("_project", "_no_projects", {r.key: r for r in rows}),
    }


def project_pieces(board: Board, code: str) -> Pieces:
    """`/projects/CODE`: the state in a sentence, then services, replicas, deployments, events."""
    found = board.project(code)
    replicas = found.replicas if found else ()
    kept = tuple(Kept(number=r.number, at=r.created_at, actor=r.actor) for r in board.revisions(code))
    back = found is not None and any(k.number < found.revision for k in kept)
    return {
        "state": Piece("_project_state", (found.state, found.message, found.revision) if found else None),
        "choices": Piece("_project_choices", (code, found.state, back) if found else None),
        "undo": Piece("_undo", board.last_undo(code)),
        "revisions": Piece("_revisions", (found.revision, kept) if found else (0, ())),
        "services": Piece("_services", found.services if found else ()),
        "charts": Piece("_charts", board.charts.hour(("project", code))),
        "replicas": Many("_replica", "_no_replicas", {_replica_key(r): (code, r) for r in replicas}),
        "deployments": Piece("_deployments", tuple(board.works_of(code))),
        "events": Piece("_events", tuple(board.events_of(project=code))),
    }


def node_pieces(board: Board, name: str) -> Pieces:
    """`/nodes/NAME`: its card, what it runs, what happened."""
    found, card = board.node(name), board.card(name)
    tasks = found.tasks if found else ()
    return {
        "card": Many("_node", "_gone", {card.key: card} if card else {}),
        "choices": Piece("_node_choices", (name, found.state, found.draining) if found else None),
        "drain": Piece("_drain", found.drain if found else None),
        "charts": Piece("_charts", board.charts.hour(("node", name))),
        "facts": Piece("_node_facts", _facts(found) if found else None),
        "tasks": Many("_task", "_no_replicas", {_task_key(t): t for t in tasks}),
        "events": Piece("_events", tuple(board.events_of(node=name))),
    }


def deployment_pieces(board: Board, number: str) -> Pieces:
    """`/deployments/N`: every step, and what happened."""
    found = board.whole_work(int(number)) if number.isascii() and number.isdigit() else None
    return {
        "work": Piece("_deployments", (found,) if found else ()),
        "choices": Piece("_choices", found),
        "undo": Piece("_undo", board.undo(found.id) if found and found.state == "succeeded" else None),
        "changes": Piece("_changes", tuple(board.changes(found.id)) if found else ()),
        "events": Piece("_events", tuple(board.events_of(deployment=found.id)) if found else ()),
    }


def events_pieces(board: Board, _: str) -> Pieces:
    """`/events` without a filter."""
    return {"events": Piece("_events", tuple(board.all_events))}


def fresh_pieces(board: Board, query: str) -> Pieces:
    """`/events` with a filter: what has come since the page was made, above what the journal had."""
    wanted = Filter.of_query(query)
    return {"fresh": Piece("_fresh", tuple(board.newer(wanted.after, wanted.fits)))}


def story_pieces(board: Board, cause: str) -> Pieces:
    """`/events?cause=`: the story goes on while it is read. Nothing when its beginning is too long ago."""
    lines = board.stories(int(cause)) if cause.isascii() and cause.isdigit() else ()
    return told(story(lines)) if lines else {}


def told(found: Story) -> Pieces:
    """A story's pieces, for the first paint from the journal too."""
    return {
        "phases": Piece("_phases", found.phases),
        "story": Many("_chapter", "_no_story", {c.key: c for c in found.chapters}),
    }


def settings_pieces(board: Board, _: str) -> Pieces:
    """`/settings`: the tokens."""
    wall = board.wall
    joins = {f"token-{t.id}": view_of(t, wall) for t in board.tickets}
    programs = {f"api-token-{t.id}": apitokens.view_of(t, wall) for t in board.api_tokens}
    return {
        "tokens": Many("_token", "_no_tokens", joins),
        "api-tokens": Many("_api_token", "_no_api_tokens", programs),
    }


def join_pieces(board: Board, number: str) -> Pieces:
    """`/join`: has the node that the token was made for come?"""
    found = board.ticket(number)
    if found is None:
        return {"joined": Piece("_joined", None)}
    ticket, node = found
    view = view_of(ticket, board.wall)
    return {"joined": Piece("_joined", (view, node.name if node else "", node.state if node else ""))}


def nodes_pieces(board: Board, _: str) -> Pieces:
    """`/nodes`, and the page that waits for a node to join."""
    return {"map": Many("_node", "_no_nodes", {c.key: c for c in board.cards})}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A revision that a project can go back to. `at`: wall seconds, 0 = not known."""

    number: int
    at: float
    actor: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What of a node is not on its card."""

    name: str
    address: str
    labels: tuple[tuple[str, str], ...]
    weight: float
    versions: Versions
    cpus: float
    disk_total_gb: float
    registered_at: str
    state: str
    draining: bool
    held: bool


def _facts(view: NodeView) -> Facts:
    return Facts(
        name=view.name,
        address=view.address,
        labels=tuple(sorted(view.labels.items())),
        weight=view.weight,
        versions=view.versions,
        cpus=view.resources.cpus,
        disk_total_gb=view.resources.disk_total_gb,
        registered_at=view.registered_at,
        state=view.state,
        draining=view.draining,
        held=view.held,
    )


def _replica_key(replica: ReplicaView) -> str:
    return key_of("replica", f"{replica.service}_{replica.replica}")


def _task_key(task: NodeTask) -> str:
    return key_of("task", f"{task.project_code}_{task.service}_{task.replica}_{task.epoch}")


VIEWS: Mapping[str, Callable[[Board, str], Pieces]] = {
    "overview": overview_pieces,
    "project": project_pieces,
    "node": node_pieces,
    "deployment": deployment_pieces,
    "events": events_pieces,
    "nodes": nodes_pieces,
    "projects": projects_pieces,
    "fresh": fresh_pieces,
    "story": story_pieces,
    "settings": settings_pieces,
    "join": join_pieces,
}
"""`?view=` of `/live`."""

ABOUT = frozenset({"project", "node", "deployment", "fresh", "story", "join"})
"""Views that are about one thing, `?of=`."""
