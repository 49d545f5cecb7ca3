"""The page of a Compose file: paste or change it, see its errors at their lines or the plan, then deploy it."""

import asyncio

from starlette.responses import Response

from composefile.errors import ComposeError
from composefile.read import Compose, read
from controlplane.core.command import Accepted, Deploy, Plan
from controlplane.core.record import Refused
from controlplane.web.answers import STATUS
from controlplane.web.dashboard import Dashboard
from controlplane.web.deeds import Deeds
from controlplane.web.pages import Pages
from controlplane.web.visit import Visit
from protocol.api import PlanAnswer, Problem

FILE_MAX = 256 * 1024
"""Bytes of the form with the file in it."""

SAMPLE = """services:
  web:
    image: nginx:1.29-alpine
    ports: ["80"]
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1/"]
      interval: 5s
    deploy:
      replicas: 2
"""


class Composing:
    """Handlers of the page."""

    def __init__(self, dashboard: Dashboard, pages: Pages, deeds: Deeds) -> None:
        self._dashboard = dashboard
        self._pages = pages
        self._deeds = deeds

    async def new(self, visit: Visit) -> Response:
        """`GET /new`: a sample to begin with."""
        return await self._page(visit, "", SAMPLE)

    async def edit(self, visit: Visit) -> Response:
        """`GET /projects/{code}/edit`: the file of the present revision."""
        code = self._pages.known_project(visit)
        cluster = self._dashboard.door.controller.cluster
        found = cluster.revisions.get((code, cluster.projects[code].revision))
        return await self._page(visit, code, found.source if found else "", fixed=True)

    async def submit(self, visit: Visit) -> Response:
        """`POST /new`: `do` is `plan` or `deploy`."""
        fields = await self._deeds.fields(visit, FILE_MAX)
        code, source = fields.get("code", "").strip(), fields.get("compose", "").replace("\r\n", "\n")
        fixed = code in self._dashboard.door.controller.cluster.projects
        try:
            compose = await asyncio.to_thread(read, source, project=code, file="compose.yaml")
        except ComposeError as error:
            return await self._page(visit, code, source, problems=error.problems, status=422, fixed=fixed)
        try:
            if fields.get("do") == "deploy":
                return await self._deploy(visit, compose, source)
            plan = await self._deeds.ask(Plan(spec=compose.spec))
        except Refused as error:
            problem = Problem(message=error.message, field=error.field)
            status = STATUS.get(error.code, 400)
            return await self._page(visit, code, source, problems=(problem,), status=status, fixed=fixed)
        assert isinstance(plan, PlanAnswer)
        return await self._page(visit, code, source, plan=plan, warnings=compose.warnings, fixed=fixed)

    async def _deploy(self, visit: Visit, compose: Compose, source: str) -> Response:
        assert visit.session is not None
        accepted = await self._deeds.ask(Deploy(spec=compose.spec, source=source, actor=visit.session.who.name))
        assert isinstance(accepted, Accepted)
        where = f"/deployments/{accepted.deployment}" if accepted.deployment else f"/projects/{accepted.project}"
        return visit.redirect(where)

    async def _page(
        self,
        visit: Visit,
        code: str,
        source: str,
        *,
        problems: tuple[Problem, ...] = (),
        plan: PlanAnswer | None = None,
        warnings: tuple[Problem, ...] = (),
        status: int = 200,
        fixed: bool = False,
    ) -> Response:
        html = self._dashboard.draw(
            visit,
            "compose",
            view="nodes",
            of="",
            said="",
            code=code,
            source=source,
            problems=problems,
            plan=plan,
            warnings=(*warnings, *(plan.warnings if plan else ())),
            fixed=fixed,
        )
        return visit.page(html, status)
