"""The page of a Compose file: paste or change it, see its errors at their lines or the plan, then deploy it."""

import asyncio
import difflib

from starlette.responses import Response

from composefile.errors import ComposeError
from composefile.read import Compose, read
from controlplane.core.command import Accepted, Deploy, Plan
from controlplane.core.record import Refused
from controlplane.web.answers import STATUS
from controlplane.web.dashboard import Dashboard
from controlplane.web.deeds import Deeds
from controlplane.web.pages import Pages
from controlplane.web.samples import SAMPLES
from controlplane.web.visit import Visit
from protocol.api import PlanAnswer, Problem

FILE_MAX = 256 * 1024
"""Bytes of the form with the file in it."""

DIFF_LINES_MAX = 5000
"""Longer files are not compared: it would take too long."""
DIFF_CONTEXT = 2

Diff = tuple[tuple[str, str], ...]
"""Mark (`+`, `-`, `@` or a space) and text of each line."""


class Composing:
    """Handlers of the page."""

    def __init__(self, dashboard: Dashboard, pages: Pages, deeds: Deeds) -> None:
        self._dashboard = dashboard
        self._pages = pages
        self._deeds = deeds

    async def new(self, visit: Visit) -> Response:
        """`GET /new?sample=`: a sample to begin with."""
        name = visit.request.query_params.get("sample", "")
        return await self._page(visit, "", SAMPLES.get(name, next(iter(SAMPLES.values()))))

    async def edit(self, visit: Visit) -> Response:
        """`GET /projects/{code}/edit`: the file of the present revision."""
        code = self._pages.known_project(visit)
        return await self._page(visit, code, self._present(code), fixed=True)

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
        diff = await asyncio.to_thread(difference, self._present(code), source) if fixed else ()
        return await self._page(visit, code, source, plan=plan, warnings=compose.warnings, fixed=fixed, diff=diff)

    def _present(self, code: str) -> str:
        """The file of the project's present revision, "" when it is not kept."""
        cluster = self._dashboard.door.controller.cluster
        found = cluster.revisions.get((code, cluster.projects[code].revision))
        return found.source if found else ""

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
        diff: Diff = (),
    ) -> Response:
        html = self._dashboard.draw(
            visit,
            "compose",
            view="nodes",
            of="",
            said="",
            samples=tuple(SAMPLES),
            diff=diff,
            code=code,
            source=source,
            problems=problems,
            plan=plan,
            warnings=(*warnings, *(plan.warnings if plan else ())),
            fixed=fixed,
        )
        return visit.page(html, status)


def difference(before: str, after: str) -> Diff:
    """What a person changed in a file, with the lines around it; empty when nothing did, or it is too long."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > DIFF_LINES_MAX:
        return ()
    lines = difflib.unified_diff(old, new, lineterm="", n=DIFF_CONTEXT)
    return tuple((line[:1], line if line.startswith("@@") else line[1:]) for line in list(lines)[2:])
