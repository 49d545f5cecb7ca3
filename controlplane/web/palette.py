"""The palette (Ctrl K): pages, projects, nodes, deployments and actions that fit what is typed, best first.

Answers a fragment of HTML, drawn in the reader's language; nothing is changed here. An action is a form of its own
page's address, and is offered only when its word was typed, so that Enter on a name never stops anything.
"""

from collections.abc import Callable, Iterator

import msgspec
from starlette.responses import Response

from controlplane.core.cluster import Cluster
from controlplane.web.card import in_order
from controlplane.web.dashboard import Dashboard
from controlplane.web.visit import Visit

QUERY_MAX = 80
SHOWN = 12
DEPLOYMENTS_MAX = 200
"""The newest that are searched."""

PAGES: tuple[tuple[str, str], ...] = (
    ("/", "Overview"),
    ("/projects", "Projects"),
    ("/nodes", "Nodes"),
    ("/events", "Events"),
    ("/new", "Deploy a project"),
    ("/join", "Add a node"),
    ("/settings", "Settings"),
    ("/api/v1/docs", "API"),
)
"""Address and text, which is one of the templates'."""

LINKS: tuple[tuple[str, str, str], ...] = (
    ("project", "edit", "Edit and deploy"),
    ("project", "logs", "Logs"),
    ("project", "#services", "Scale"),
    ("node", "drain", "Drain"),
)
"""About what, the rest of the address, text."""

DEEDS: tuple[tuple[str, str, str], ...] = (
    ("project", "restart", "Restart"),
    ("project", "rollback", "Roll back"),
    ("project", "stop", "Stop"),
    ("project", "start", "Start"),
    ("node", "resume", "Take work again"),
)
"""As `LINKS`; these are posted. What can be taken back, or harms nothing; what cannot needs its own page."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something to go to or to do. `post`: it changes something. `state`: the word on its pill."""

    path: str
    text: str
    kind: str
    state: str = ""
    post: bool = False


class Palette:
    """The handler."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    async def find(self, visit: Visit) -> Response:
        """`GET /palette?q=`."""
        asked = visit.request.query_params.get("q", "")[:QUERY_MAX]
        found = search(self._dashboard.door.controller.cluster, asked, visit.language.message)
        return visit.page(self._dashboard.drawing(visit)("_palette", found))


def search(cluster: Cluster, asked: str, say: Callable[[str], str]) -> tuple[Entry, ...]:
    """What fits every word that was typed, in the reader's words or in English. `say` translates."""
    words = asked.lower().split()
    found = [
        (_rank(entry, words), entry)
        for verb, entry in _entries(cluster, say)
        if _fits(f"{entry.text} {verb}".lower(), words) and (entry.kind != "action" or _names(verb.lower(), words))
    ]
    return tuple(entry for _, entry in sorted(found, key=lambda f: f[0])[:SHOWN])


def _fits(text: str, words: list[str]) -> bool:
    return all(word in text for word in words)


def _names(verb: str, words: list[str]) -> bool:
    """True when a word of the action itself was typed."""
    return any(word in verb for word in words)


def _rank(entry: Entry, words: list[str]) -> tuple[int, int]:
    """What begins with the first word comes first; of equals, in the order in which they were found."""
    begins = bool(words) and entry.text.lower().startswith(words[0])
    return (0 if begins else 1, ("page", "project", "node", "deployment", "action").index(entry.kind))


def _entries(cluster: Cluster, say: Callable[[str], str]) -> Iterator[tuple[str, Entry]]:
    """Everything, with the other words that find it: English, and of an action its own."""
    for path, text in PAGES:
        yield text, Entry(path=path, text=say(text), kind="page")
    names = {"project": sorted(cluster.projects), "node": in_order(cluster.nodes)}
    for name in names["project"]:
        yield "project", Entry(path=f"/projects/{name}", text=name, kind="project")
    for name in names["node"]:
        yield "node", Entry(path=f"/nodes/{name}", text=name, kind="node", state=cluster.nodes[name].state)
    for number in sorted(cluster.deployments, reverse=True)[:DEPLOYMENTS_MAX]:
        made = cluster.deployments[number]
        text = f"#{number} {made.project}"
        yield "deployment", Entry(path=f"/deployments/{number}", text=text, kind="deployment", state=made.state)
    for posted, table in ((False, LINKS), (True, DEEDS)):
        for kind, rest, text in table:
            for name in names[kind]:
                if kind == "project" and rest == ("start" if _runs(cluster, name) else "stop"):
                    continue
                path = f"/{kind}s/{name}{'' if rest.startswith('#') else '/'}{rest}"
                yield f"{say(text)} {text}", Entry(path=path, text=f"{say(text)} {name}", kind="action", post=posted)


def _runs(cluster: Cluster, project: str) -> bool:
    """True when replicas of it are wanted."""
    found = cluster.revisions.get((project, cluster.projects[project].revision))
    return found is not None and any(spec.replicas for spec in found.spec.services.values())
