"""The settings page: language and theme of this browser, join tokens, and how people and programs sign in.

Join tokens are made on the page that adds a node (`joining.py`). Users and their API tokens come later (DESIGN §8).
"""

from starlette.responses import Response

from controlplane.core.command import RevokeTicket
from controlplane.core.record import Refused
from controlplane.web.answers import STATUS, Rejected
from controlplane.web.dashboard import Dashboard
from controlplane.web.deeds import Deeds, who
from controlplane.web.pages import Pages
from controlplane.web.visit import Visit


class SettingsPage:
    """Handlers of the page."""

    def __init__(self, dashboard: Dashboard, pages: Pages, deeds: Deeds) -> None:
        self._dashboard = dashboard
        self._pages = pages
        self._deeds = deeds

    async def show(self, visit: Visit, said: str = "", status: int = 200) -> Response:
        """`GET /settings`."""
        return await self._pages.show(
            visit, "settings", said=said, status=status, sessions=len(self._dashboard.sessions)
        )

    async def revoke(self, visit: Visit) -> Response:
        """`POST /settings/revoke`: nobody joins with this token any more."""
        fields = await self._deeds.fields(visit)
        try:
            await self._deeds.ask(RevokeTicket(id=fields.get("id", "")[:64], actor=who(visit)))
        except Refused as error:
            return await self.show(visit, error.message, STATUS.get(error.code, 400))
        return visit.redirect("/settings")

    async def sign_out_others(self, visit: Visit) -> Response:
        """`POST /settings/sessions`: end every session but this one."""
        await self._deeds.fields(visit)
        if not visit.value:
            raise Rejected("unauthorized", "nobody is signed in")
        self._dashboard.sessions.end_others(visit.value)
        return visit.redirect("/settings")
