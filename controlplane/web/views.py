"""What is in each live view: its sections in order, with the partial that draws each. Used by `live.py`."""

from collections.abc import Callable, Mapping

import msgspec

from controlplane.web import overview
from controlplane.web.board import Board
from controlplane.web.overview import Totals
from controlplane.web.sheet import Many, Piece, Pieces


class MapHead(msgspec.Struct, frozen=True, kw_only=True):
    """The head of the map. `hidden`: nodes that are not drawn, for there are too many."""

    totals: Totals
    hidden: int


def overview_pieces(board: Board) -> Pieces:
    """`/`: what is wrong first, then the map, the projects, deployments and events."""
    cards, rows = board.cards, board.rows
    totals = overview.totals(cards, rows)
    shown = cards[: overview.NODES_SHOWN]
    return {
        "attention": Piece("_attention", (overview.troubles(board.faults, cards, rows), totals)),
        "map-head": Piece("_map_head", MapHead(totals=totals, hidden=len(cards) - len(shown))),
        "map": Many("_node", "_no_nodes", {c.key: c for c in shown}),
        "projects-head": Piece("_projects_head", (totals, max(0, len(rows) - overview.PROJECTS_SHOWN))),
        "projects": Many("_project", "_no_projects", {r.key: r for r in rows[: overview.PROJECTS_SHOWN]}),
        "deployments": Piece("_deployments", tuple(board.works)),
        "events": Piece("_events", tuple(board.events)),
    }


VIEWS: Mapping[str, Callable[[Board], Pieces]] = {"overview": overview_pieces}
"""`?view=` of `/live`."""
