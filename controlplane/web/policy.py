"""Who asks, and who may: one policy function per route (DESIGN §8). Users and roles come later, in this module.

The only credential today is the admin token, as `Authorization: Bearer …`. An agent's key and a join token are none.
"""

import hmac
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
from starlette.requests import HTTPConnection

from controlplane.web.answers import Rejected
from protocol.handshake import secret_hash

_TOKEN_MAX = 512
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Who(msgspec.Struct, frozen=True):
    """The one who asks. `name` "" = nobody known. `wrong`: a credential was shown and does not fit."""

    name: str = ""
    wrong: bool = False


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
    """Only with the admin token."""
    if who == ADMIN:
        return
    message = "the token is not valid" if who.wrong else "a token is needed: send Authorization: Bearer TOKEN"
    raise Rejected("unauthorized", message, headers={"WWW-Authenticate": 'Bearer realm="ropeteam"'})


def identify(connection: HTTPConnection, admin_token_hash: str) -> Who:
    """Who sent this request, by its bearer token. Compares hashes in constant time."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if not scheme:
        return NOBODY
    return ADMIN if scheme.lower() == "bearer" and token_fits(token.strip(), admin_token_hash) else Who(wrong=True)


def token_fits(token: str, admin_token_hash: str) -> bool:
    """True when this is the admin token. Compares hashes in constant time."""
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
