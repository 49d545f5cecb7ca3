"""The pages that show, one handler each: ask the live view, draw. What they show is in `views.py`, how in `templates/`.

Forms that change something are in `deeds.py`; the page of a Compose file is in `composing.py`.
"""

import asyncio

import msgspec
from starlette.responses import Response

from controlplane.core.command import Command, PlanDrain
from controlplane.core.views import event_view
from controlplane.store.ring_file import Subject
from controlplane.web.answers import Rejected
from controlplane.web.call import ASK_S, whole_number
from controlplane.web.chart import Charts
from controlplane.web.dashboard import Dashboard
from controlplane.web.door import Door
from controlplane.web.filtering import KINDS, Filter
from controlplane.web.history import Wanted, following, newest
from controlplane.web.sheet import Sheet
from controlplane.web.story import story
from controlplane.web.views import told
from controlplane.web.visit import Visit
from controlplane.web.work import line

EVENTS_SHOWN = 100
STORY_MAX = 500
"""Lines of one story that are shown."""
NEVER = 1 << 60
"""No line is after it: a page of older events stays as it is."""


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
        return await self.show(visit, "nodes")

    async def projects(self, visit: Visit) -> Response:
        """`GET /projects`."""
        return await self.show(visit, "projects")

    async def node(self, visit: Visit, said: str = "", status: int = 200) -> Response:
        """`GET /nodes/{name}`."""
        name = self.known_node(visit)
        return await self.show(
            visit, "node", name, said=said, status=status, week=await self._week(visit, ("node", name))
        )

    async def project(self, visit: Visit, said: str = "", status: int = 200) -> Response:
        """`GET /projects/{code}`."""
        code = self.known_project(visit)
        cluster = self._dashboard.door.controller.cluster
        revision = cluster.revisions.get((code, cluster.projects[code].revision))
        source = revision.source if revision else ""
        week = await self._week(visit, ("project", code))
        return await self.show(visit, "project", code, said=said, status=status, week=week, source=source)

    async def deployment(self, visit: Visit, said: str = "", status: int = 200) -> Response:
        """`GET /deployments/{id}`."""
        number = self.known_deployment(visit)
        return await self.show(visit, "deployment", str(number), said=said, status=status)

    async def events(self, visit: Visit) -> Response:
        """`GET /events?project=&node=&kind=&people=&before=`, newest first and live; the whole story with `cause`."""
        query = visit.request.query_params
        if cause := whole_number("cause", query.get("cause", "")):
            return await self._story(visit, cause)
        wanted, before = Filter.of(query), whole_number("before", query.get("before", ""))
        if wanted == Filter() and before is None:
            return await self.show(visit, "events", found="", older="", kinds=KINDS, wanted=wanted)
        last = self._dashboard.door.controller.cluster.meta.event_seq if before is None else max(0, before - 1)
        found = await newest(self._dashboard.door.journal, last, EVENTS_SHOWN, wanted.wanted)
        lines = tuple(line(event_view(e)) for e in reversed(found))
        older = f"{wanted.query}&before={lines[-1].seq}" if len(lines) == EVENTS_SHOWN else ""
        live = msgspec.structs.replace(wanted, after=last if before is None else NEVER).query
        drawn = self._dashboard.drawing(visit)("_events", lines) if lines else ""
        return await self.show(
            visit, "fresh", live, page="events", found=drawn, older=older, kinds=KINDS, wanted=wanted
        )

    async def _story(self, visit: Visit, cause: int) -> Response:
        found = await following(self._dashboard.door.journal, 0, STORY_MAX, Wanted(cause=cause))
        sheet = Sheet(self._dashboard.drawing(visit))
        sheet.update(told(story([line(event_view(e)) for e in found])))
        first = found[0].text if found else ""
        more = len(found) == STORY_MAX
        return await self.show(visit, "story", str(cause), page="story", first=first, more=more, told=sheet.section)

    async def drain(self, visit: Visit, said: str = "", status: int = 200) -> Response:
        """`GET /nodes/{name}/drain`: what a drain would move, and where to."""
        name = self.known_node(visit)
        plan = await ask(self._dashboard.door, PlanDrain(node=name))
        return await self.show(visit, "node", name, page="drain", said=said, status=status, plan=plan)

    async def _week(self, visit: Visit, subject: Subject) -> str:
        """The charts of the last seven days; they do not change while the page is open."""
        return self._dashboard.drawing(visit)("_charts", await self._charts.week(subject))

    async def show(
        self,
        visit: Visit,
        view: str,
        of: str = "",
        *,
        page: str = "",
        said: str = "",
        status: int = 200,
        **more: object,
    ) -> Response:
        """A live page. `page`: its template, where it is not named like the view. `said`: why what was asked for was
        not done.
        """
        sheet = await self._dashboard.live.sheet(view, of, visit.language.code)
        html = self._dashboard.draw(visit, page or view, view=view, of=of, section=sheet.section, said=said, **more)
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


async def ask(door: Door, command: Command) -> object:
    """Ask the one writer. Raises Refused; Rejected(timeout)."""
    try:
        async with asyncio.timeout(ASK_S):
            return await door.controller.ask(command)
    except TimeoutError as error:
        raise Rejected("timeout", f"no answer within {ASK_S:.0f} s; whether it was done is not known") from error
