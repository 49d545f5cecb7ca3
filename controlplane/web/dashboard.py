"""The dashboard's parts, joined: sessions, languages, templates, static files, live views. Made once by `routes`.

Handlers are in `pages.py` and `login.py`; the app runs `run` beside the server.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.requests import HTTPConnection, Request

from controlplane.web.assets import Assets
from controlplane.web.door import Door
from controlplane.web.language import chosen, languages
from controlplane.web.live import Live
from controlplane.web.session import Session, Sessions
from controlplane.web.templating import environment, renderer
from controlplane.web.views import VIEWS
from controlplane.web.visit import THEMES, Visit, theme_of

RESTART_S = 1.0

log = logging.getLogger(__name__)


class Dashboard:
    """Everything the pages share."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.sessions = Sessions(lambda: door.now().mono)
        self.assets = Assets()
        self.languages = languages()
        self._environments = {
            code: environment(language, self.assets.url, door.settings.public_url)
            for code, language in self.languages.items()
        }
        self._draws = {c: renderer(e) for c, e in self._environments.items()}
        self.live = Live(door, self._draws, VIEWS)
        address = urlsplit(door.settings.public_url)
        self.secure = address.scheme == "https"
        self.plain = not self.secure and not _is_loopback(address.hostname or "")
        """People come over plain HTTP from other machines."""
        self.session_cookie = self.cookie_name("rope")

    async def run(self) -> None:
        """Keep the live views, until cancelled. A mistake in them is logged and must not end the Center."""
        while True:
            try:
                await self.live.run()
            except Exception:
                log.exception("the live pages failed")
                await asyncio.sleep(RESTART_S)

    def cookie_name(self, name: str) -> str:
        """`__Host-` over TLS: then no other host and no plain HTTP can set it."""
        return f"__Host-{name}" if self.secure else name

    def session(self, connection: HTTPConnection) -> Session | None:
        """The session of this browser while it lasts; asking counts as using it."""
        return self.sessions.find(connection.cookies.get(self.session_cookie, ""))

    def signed_in(self, connection: HTTPConnection) -> bool:
        """True while the session of this browser lasts; asking counts as using it."""
        return self.session(connection) is not None

    def visit(self, request: Request) -> Visit:
        """Who comes, and what they want to read it in."""
        value = request.cookies.get(self.session_cookie, "")
        code = chosen(
            tuple(self.languages),
            request.query_params.get("lang", ""),
            request.cookies.get("lang", ""),
            request.headers.get("accept-language", ""),
        )
        return Visit(
            request=request,
            language=self.languages[code],
            theme=theme_of(request),
            secure=self.secure,
            session=self.sessions.find(value),
            value=value,
        )

    def drawing(self, visit: Visit) -> Callable[[str, object], Markup]:
        """Draws a partial in the visitor's language."""
        draw = self._draws[visit.language.code]
        return lambda name, value: Markup(draw(name, value))  # noqa: S704 - rendered by autoescaping templates

    def draw(self, visit: Visit, name: str, **context: Any) -> str:
        """A page's HTML, with what every page has."""
        request = visit.request
        return (
            self._environments[visit.language.code]
            .get_template(f"pages/{name}.html")
            .render(
                languages=self.languages.values(),
                theme=visit.theme,
                themes=THEMES,
                session=visit.session,
                path=request.url.path,
                plain=self.plain or not (self.secure or _is_loopback(request.url.hostname or "")),
                version=self.door.settings.version,
                host=request.url.hostname or "",
                **context,
            )
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
