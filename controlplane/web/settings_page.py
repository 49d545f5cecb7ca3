"""The settings page: language and theme of this browser, join tokens and API tokens, and who is signed in.

Join tokens are made on the page that adds a node (`joining.py`). Users come later (DESIGN §8).
"""

from starlette.responses import Response

from controlplane.core.command import Command, RevokeApiToken, RevokeTicket
from controlplane.core.record import Refused
from controlplane.web.answers import STATUS, Rejected
from controlplane.web.apitokens import fresh
from controlplane.web.dashboard import Dashboard
from controlplane.web.deeds import Deeds, who
from controlplane.web.pages import Pages
from controlplane.web.visit import Visit

LIVES_S = {"0": 0.0, "2592000": 2_592_000.0, "31536000": 31_536_000.0}
"""What the form for an API token offers, in seconds; 0 = for ever."""


class SettingsPage:
    """Handlers of the page."""

    def __init__(self, dashboard: Dashboard, pages: Pages, deeds: Deeds) -> None:
        self._dashboard = dashboard
        self._pages = pages
        self._deeds = deeds

    async def show(self, visit: Visit, said: str = "", status: int = 200, token: str = "") -> Response:
        """`GET /settings`. `token`: an API token that was just made, shown this once."""
        count = len(self._dashboard.sessions)
        return await self._pages.show(visit, "settings", said=said, status=status, sessions=count, token=token)

    async def revoke(self, visit: Visit) -> Response:
        """`POST /settings/revoke`: nobody joins with this token any more."""
        fields = await self._deeds.fields(visit)
        return await self._obeyed(visit, RevokeTicket(id=fields.get("id", "")[:64], actor=who(visit)))

    async def make_token(self, visit: Visit) -> Response:
        """`POST /settings/api-tokens`: shown once, in the answer."""
        fields = await self._deeds.fields(visit)
        ttl_s = LIVES_S.get(fields.get("life", ""), LIVES_S["2592000"])
        token, command = fresh(fields.get("name", "").strip(), ttl_s, who(visit))
        try:
            await self._deeds.ask(command)
        except Refused as error:
            return await self.show(visit, error.message, STATUS.get(error.code, 400))
        return await self.show(visit, token=token)

    async def revoke_token(self, visit: Visit) -> Response:
        """`POST /settings/api-tokens/revoke`: no program gets in with this token any more."""
        fields = await self._deeds.fields(visit)
        return await self._obeyed(visit, RevokeApiToken(id=fields.get("id", "")[:64], actor=who(visit)))

    async def _obeyed(self, visit: Visit, command: Command) -> Response:
        try:
            await self._deeds.ask(command)
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
