"""Who asks, and who may: one policy function per route (DESIGN §8). Users and roles come later, in this module.

Credentials are the admin token and API tokens, as `Authorization: Bearer …`. An agent's key and a join token are none.
An API token may do what the admin token may, but make and revoke API tokens.
"""

import hmac
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import msgspec
from starlette.requests import HTTPConnection

from controlplane.core.api_token import ApiToken
from controlplane.web.answers import Rejected
from protocol.handshake import secret_hash

_TOKEN_MAX = 512
API_TOKEN = "rope"  # noqa: S105 - no secret, but what every token begins with
"""What an API token begins with, so that scanners for leaked secrets know it: `rope_ID_SECRET`."""

_NONE: Mapping[str, ApiToken] = {}
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Who(msgspec.Struct, frozen=True):
    """The one who asks. `name` "" = nobody known. `wrong`: a credential was shown and does not fit. `token`: id of the
    API token that was shown.
    """

    name: str = ""
    wrong: bool = False
    token: str = ""


NOBODY = Who()
ADMIN = Who("admin")

Policy = Callable[[Who], None]
"""Raises Rejected unless this person may."""


def anyone(who: Who) -> None:
    """Open to all: nothing but health and counts."""


def anyone_truly(who: Who) -> None:
    """Open to all, but who shows a token must be who it says: else a wrong one would only look like few figures."""
    if who.wrong:
        admin(who)


def admin(who: Who) -> None:
    """Only with the admin token or an API token."""
    if who == ADMIN or who.token:
        return
    message = "the token is not valid" if who.wrong else "a token is needed: send Authorization: Bearer TOKEN"
    raise Rejected("unauthorized", message, headers={"WWW-Authenticate": 'Bearer realm="ropeteam"'})


def owner(who: Who) -> None:
    """Only with the admin token itself: an API token must not make others that outlive it."""
    if who.token:
        raise Rejected("forbidden", "an API token may not make or revoke API tokens; use the admin token")
    admin(who)


def identify(
    connection: HTTPConnection, admin_token_hash: str, tokens: Mapping[str, ApiToken] = _NONE, wall: float = 0.0
) -> Who:
    """Who sent this request, by its bearer token. `wall`: now, Unix seconds. Compares hashes in constant time."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if not scheme:
        return NOBODY
    if scheme.lower() != "bearer":
        return Who(wrong=True)
    if token_fits(token.strip(), admin_token_hash):
        return ADMIN
    return _by_api_token(token.strip(), tokens, wall) or Who(wrong=True)


def still_in(who: Who, tokens: Mapping[str, ApiToken], wall: float) -> bool:
    """False when the API token of this person was revoked or has expired meanwhile."""
    found = tokens.get(who.token)
    return not who.token or (found is not None and found.lasts(wall))


def _by_api_token(token: str, tokens: Mapping[str, ApiToken], wall: float) -> Who | None:
    """`rope_ID_SECRET` of a token that lasts."""
    prefix, _, rest = token.partition("_")
    number, _, secret = rest.partition("_")
    found = tokens.get(number)
    if prefix != API_TOKEN or found is None or not found.lasts(wall) or not token_fits(secret, found.secret_hash):
        return None
    return Who(found.name, token=found.id)


def token_fits(token: str, admin_token_hash: str) -> bool:
    """True when the hash is that of this token. Compares hashes in constant time."""
    if not token or len(token) > _TOKEN_MAX:
        return False
    return hmac.compare_digest(secret_hash(token).encode(), admin_token_hash.encode())


def check_origin(connection: HTTPConnection, public_url: str) -> None:
    """A socket that a browser opened must come from the Center's own pages. No `Origin`: not a browser."""
    shown = connection.headers.getlist("origin")
    if shown and (len(shown) > 1 or _origin(shown[0]) is None or _origin(shown[0]) != _origin(public_url)):
        raise Rejected("forbidden", f"sockets from this origin are refused; the Center's own is {public_url}")


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname.lower(), port or _PORTS[parts.scheme]
