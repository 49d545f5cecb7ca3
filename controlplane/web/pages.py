"""The pages that show, one handler each: ask the live view, draw. What they show is in `views.py`, how in `templates/`.

Forms that change something are in `deeds.py`; the page of a Compose file is in `composing.py`.
"""

from urllib.parse import urlencode

from starlette.responses import Response

from controlplane.core.views import event_view
from controlplane.store.ring_file import Subject
from controlplane.web.answers import Rejected
from controlplane.web.call import whole_number
from controlplane.web.chart import Charts
from controlplane.web.dashboard import Dashboard
from controlplane.web.history import Wanted, following, newest
from controlplane.web.visit import Visit
from controlplane.web.work import Line, line
from protocol.names import NODE, PROJECT, is_legal

EVENTS_SHOWN = 100
STORY_MAX = 500
"""Lines of one story that are shown."""


class Pages:
    """Handlers of pages for people who are signed in."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self._charts = Charts(dashboard.door)

    async def overview(self, visit: Visit) -> Response:
        """`GET /`."""
        return await self.show(visit, "overview")

    async def nodes(self, visit: Visit) -> Response:
        """`GET /nodes`."""
        return await self.show(visit, "nodes", line="", until="")

    async def node(self, visit: Visit, said: str = "", status: int = 200) -> Response:
        """`GET /nodes/{name}`."""
        name = self.known_node(visit)
        return await self.show(
            visit, "node", name, said=said, status=status, week=await self._week(visit, ("node", name))
        )

    async def project(self, visit: Visit, said: str = "", status: int = 200) -> Response:
        """`GET /projects/{code}`."""
        code = self.known_project(visit)
        week = await self._week(visit, ("project", code))
        return await self.show(visit, "project", code, said=said, status=status, week=week)

    async def deployment(self, visit: Visit, said: str = "", status: int = 200) -> Response:
        """`GET /deployments/{id}`."""
        number = self.known_deployment(visit)
        return await self.show(visit, "deployment", str(number), said=said, status=status)

    async def events(self, visit: Visit) -> Response:
        """`GET /events?project=&node=&cause=&before=`: live without a filter; the whole story with `cause`."""
        query = visit.request.query_params
        wanted = Wanted(
            project=_name(query.get("project", "")),
            node=_name(query.get("node", "")),
            cause=whole_number("cause", query.get("cause", "")) or 0,
        )
        before = whole_number("before", query.get("before", ""))
        filtered = wanted != Wanted() or before is not None
        found = await self._found(wanted, before) if filtered else ()
        older = {"project": wanted.project, "node": wanted.node, "before": found[-1].seq if found else 0}
        draw = self._dashboard.drawing(visit)
        return await self.show(
            visit,
            "events",
            filtered=filtered,
            found=draw("_events", found) if filtered else "",
            cause=wanted.cause,
            project=wanted.project,
            node=wanted.node,
            older=urlencode(older) if len(found) == EVENTS_SHOWN and not wanted.cause else "",
        )

    async def _found(self, wanted: Wanted, before: int | None) -> tuple[Line, ...]:
        door = self._dashboard.door
        if wanted.cause:
            return tuple(line(event_view(e)) for e in await following(door.journal, 0, STORY_MAX, wanted))
        last = door.controller.cluster.meta.event_seq if before is None else max(0, before - 1)
        found = await newest(door.journal, last, EVENTS_SHOWN, wanted)
        return tuple(line(event_view(e)) for e in reversed(found))

    async def _week(self, visit: Visit, subject: Subject) -> str:
        """The charts of the last seven days; they do not change while the page is open."""
        return self._dashboard.drawing(visit)("_charts", await self._charts.week(subject))

    async def show(
        self, visit: Visit, view: str, of: str = "", *, said: str = "", status: int = 200, **more: object
    ) -> Response:
        """A live page. `said`: why what was asked for was not done."""
        sheet = await self._dashboard.live.sheet(view, of, visit.language.code)
        html = self._dashboard.draw(visit, view, view=view, of=of, section=sheet.section, said=said, **more)
        return visit.page(html, status)

    def known_project(self, visit: Visit) -> str:
        """The project in the path. Raises Rejected(not_found)."""
        code: str = visit.request.path_params["code"]
        if code not in self._dashboard.door.controller.cluster.projects:
            raise Rejected("not_found", f"there is no project {code[:80]!r}")
        return code

    def known_node(self, visit: Visit) -> str:
        """The node in the path. Raises Rejected(not_found)."""
        name: str = visit.request.path_params["name"]
        if name not in self._dashboard.door.controller.cluster.nodes:
            raise Rejected("not_found", f"there is no node {name[:80]!r}")
        return name

    def known_deployment(self, visit: Visit) -> int:
        """The deployment in the path. Raises Rejected(not_found)."""
        text: str = visit.request.path_params["id"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
        if number not in self._dashboard.door.controller.cluster.deployments:
            raise Rejected("not_found", f"there is no deployment {text[:40]!r}")
        return number


def _name(text: str) -> str:
    """A name to filter by; what is no name finds nothing, so it is left out."""
    return text if is_legal(NODE, text) or is_legal(PROJECT, text) else ""
