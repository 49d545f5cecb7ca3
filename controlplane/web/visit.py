"""One request of a browser: who it is, which language and theme it wants, how a page answers it. Knows no page."""

import gzip
from collections.abc import Sequence
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from controlplane.web.answers import Rejected
from controlplane.web.assets import takes_gzip
from controlplane.web.language import Language
from controlplane.web.session import Session

THEMES = ("system", "light", "dark")
FORM_MAX = 8 * 1024
FIELDS_MAX = 200
"""The form of a project has a field for each of its services."""
PACK_MIN = 1024
"""Bytes of a page from which it is compressed."""

_YEAR_S = 365 * 86400


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A request on its way through a page's handler. `value`: of the session's cookie."""

    request: Request
    language: Language
    theme: str
    secure: bool
    """Cookies are for TLS only."""
    session: Session | None
    value: str = ""

    async def form(self, most: int = FORM_MAX) -> dict[str, str]:
        """The fields of an urlencoded form of at most so many bytes, each once. Raises Rejected."""
        body = await self.request.body()
        if len(body) > most:
            raise Rejected("too_large", f"the form is larger than {most} bytes")
        try:
            fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError as error:
            raise Rejected("bad_request", "this is not a form") from error
        return {name: values[-1] for name, values in fields.items()}

    def page(self, html: str, status: int = 200, cookies: Sequence[str] = ()) -> Response:
        """A page, compressed when it is worth it, and the choices of its query kept in cookies."""
        body = html.encode()
        headers = {"content-language": self.language.tag, "vary": "accept-encoding, accept-language, cookie"}
        if len(body) >= PACK_MIN and takes_gzip(self.request):
            body = gzip.compress(body, 5, mtime=0)
            headers["content-encoding"] = "gzip"
        return self._with(Response(body, status, headers, "text/html"), cookies)

    def redirect(self, path: str, cookies: Sequence[str] = ()) -> Response:
        """Go there with GET."""
        return self._with(Response(status_code=303, headers={"location": path}), cookies)

    def _with(self, response: Response, cookies: Sequence[str]) -> Response:
        response.headers["referrer-policy"] = "same-origin"  # with "no-referrer" a form's Origin would be "null"
        query = self.request.query_params
        chosen = [("lang", self.language.code), ("theme", self.theme)]
        kept = [cookie(k, v, secure=self.secure, max_age=_YEAR_S) for k, v in chosen if query.get(k) == v]
        for line in (*kept, *cookies):
            response.headers.append("set-cookie", line)
        return response


def cookie(name: str, value: str, *, secure: bool, max_age: int | None = None, strict: bool = False) -> str:
    """A `Set-Cookie` line: HttpOnly, for the whole site. `max_age` None: until the browser ends; 0: remove it."""
    made: SimpleCookie = SimpleCookie()
    made[name] = value
    made[name]["path"] = "/"
    made[name]["httponly"] = True
    made[name]["samesite"] = "Strict" if strict else "Lax"
    made[name]["secure"] = secure
    if max_age is not None:
        made[name]["max-age"] = str(max_age)
    return made[name].OutputString()


def theme_of(connection: HTTPConnection) -> str:
    """`?theme` before the cookie; `system` otherwise."""
    asked = (connection.query_params.get("theme", ""), connection.cookies.get("theme", ""))
    return next((t for t in asked if t in THEMES), THEMES[0])
