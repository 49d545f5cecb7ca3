"""HTTP bodies about API tokens. Part of `protocol.api`."""

from protocol.body import Body


class ApiTokenRequest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/api-tokens`. `name`: who asks, in the journal. `ttl_s`: 0 = for ever."""

    name: str
    ttl_s: float = 0.0


class ApiTokenView(Body, frozen=True, kw_only=True):
    """`GET /api/v1/api-tokens`: one of them, without its secret. `state`: `open` or `expired`."""

    id: str
    name: str
    state: str
    created_at: str
    expires_at: str | None
    """null = never."""
    actor: str
    """Who made it."""


class ApiTokenAnswer(Body, frozen=True, kw_only=True):
    """The token, shown once."""

    id: str
    name: str
    token: str
    expires_at: str | None
