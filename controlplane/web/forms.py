"""Whether an unsafe request really comes from one of our own pages (CSRF). Used by every handler of a form."""

import hmac

from starlette.requests import Request

from controlplane.web.answers import Rejected
from controlplane.web.policy import check_origin

FIELD = "csrf"


def check_sender(request: Request, public_url: str) -> None:
    """The browser must say that the form is ours, by `Sec-Fetch-Site` or `Origin`. Raises Rejected(forbidden)."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        raise Rejected("forbidden", "the browser does not say where this form comes from")
    if site not in (None, "same-origin"):
        raise Rejected("forbidden", "this form comes from another site")
    check_origin(request, public_url)


def check_token(given: str, expected: str) -> None:
    """The form must carry the secret of its page. Raises Rejected(forbidden)."""
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Rejected("forbidden", "this form is out of date; load the page again")
