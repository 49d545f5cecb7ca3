"""Signing in with the admin token and out again. Users come later. Sessions: `session.py`; checks of forms: `forms.py`.

A form that is refused is shown again with the reason. Five failures a minute from one address, then it has to wait.
"""

import logging
import math
import secrets
from urllib.parse import urlsplit

from starlette.responses import Response

from controlplane.web.answers import STATUS, Rejected
from controlplane.web.attempts import Attempts
from controlplane.web.dashboard import Dashboard
from controlplane.web.forms import FIELD, check_sender, check_token
from controlplane.web.policy import ADMIN, token_fits
from controlplane.web.visit import Visit, cookie

log = logging.getLogger(__name__)


class Login:
    """The handlers of `/login` and `/logout`."""

    def __init__(self, dashboard: Dashboard, attempts: Attempts) -> None:
        self._dashboard = dashboard
        self._attempts = attempts

    async def form(self, visit: Visit) -> Response:
        """`GET /login`."""
        return visit.redirect("/") if visit.session else self._form(visit)

    async def sign_in(self, visit: Visit) -> Response:
        """`POST /login`."""
        settings, request = self._dashboard.door.settings, visit.request
        address = request.client.host if request.client else ""
        try:
            check_sender(request, settings.public_url)
            fields = await visit.form()
            check_token(fields.get(FIELD, ""), request.cookies.get(self._page_cookie, ""))
        except Rejected as error:
            return self._form(visit, error.message, status=STATUS[error.code])
        if wait_s := self._attempts.wait_s(address):
            return self._form(visit, "", wait_s, 429)
        if not token_fits(fields.get("token", "").strip(), settings.admin_token_hash):
            self._attempts.failed(address)
            log.warning("a sign-in failed", extra={"address": address})
            return self._form(visit, "the token is not valid", status=403)
        self._attempts.succeeded(address)
        if visit.value:
            self._dashboard.sessions.end(visit.value)
        value = self._dashboard.sessions.begin(ADMIN)
        return visit.redirect("/", [self._cookie(value), cookie(self._page_cookie, "", secure=visit.secure, max_age=0)])

    async def sign_out(self, visit: Visit) -> Response:
        """`POST /logout`."""
        check_sender(visit.request, self._dashboard.door.settings.public_url)
        if visit.session is not None:
            check_token((await visit.form()).get(FIELD, ""), visit.session.csrf)
            self._dashboard.sessions.end(visit.value)
        return visit.redirect("/login", [self._cookie("", max_age=0)])

    def _form(self, visit: Visit, error: str = "", wait_s: float = 0.0, status: int = 200) -> Response:
        """The form. Its secret is a cookie of this browser too: nobody can sign others in with a form of their own."""
        page_secret = visit.request.cookies.get(self._page_cookie, "")
        if not 32 <= len(page_secret) <= 64:
            page_secret = secrets.token_urlsafe(24)
        html = self._dashboard.draw(
            visit,
            "login",
            csrf=page_secret,
            error=error,
            wait_s=math.ceil(wait_s),
            own_url=self._dashboard.door.settings.public_url,
            elsewhere=_elsewhere(visit, self._dashboard.door.settings.public_url),
        )
        response = visit.page(html, status, [cookie(self._page_cookie, page_secret, secure=visit.secure, strict=True)])
        if wait_s:
            response.headers["retry-after"] = str(math.ceil(wait_s))
        return response

    @property
    def _page_cookie(self) -> str:
        return self._dashboard.cookie_name("rope-form")

    def _cookie(self, value: str, max_age: int | None = None) -> str:
        return cookie(self._dashboard.session_cookie, value, secure=self._dashboard.secure, max_age=max_age)


def _elsewhere(visit: Visit, public_url: str) -> bool:
    """True when the page was opened at another address than the Center's own: its forms will be refused."""
    return visit.request.headers.get("host", "").lower() != urlsplit(public_url).netloc.lower()
