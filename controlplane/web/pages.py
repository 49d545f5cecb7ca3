"""The pages, one handler each: ask the live view, draw. What they show is in `views.py`, how in `templates/`."""

from starlette.responses import Response

from controlplane.web.dashboard import Dashboard
from controlplane.web.visit import Visit


class Pages:
    """Handlers of pages for people who are signed in."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    async def overview(self, visit: Visit) -> Response:
        """`GET /`."""
        sheet = await self._dashboard.live.sheet("overview", visit.language.code)
        return visit.page(self._dashboard.draw(visit, "overview", view="overview", section=sheet.section))
