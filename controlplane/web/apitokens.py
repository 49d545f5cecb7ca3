"""Handlers for API tokens: made, listed and revoked. A secret is shown once. Rules: `core/access.py`."""

import re
import secrets

from starlette.responses import Response

from controlplane.core.api_token import ApiToken
from controlplane.core.command import CreateApiToken, RevokeApiToken
from controlplane.core.views import iso, iso_or_none
from controlplane.web.answers import answer
from controlplane.web.call import Call
from controlplane.web.policy import API_TOKEN
from protocol.api import ApiTokenAnswer, ApiTokenRequest, ApiTokenView
from protocol.handshake import secret_hash

_ID = re.compile(r"[0-9a-f]{1,64}")


async def tokens(call: Call) -> Response:
    """`GET api-tokens`, by name."""
    found = sorted(call.cluster.api_tokens.values(), key=lambda t: t.name)
    return answer([view_of(token, call.now.wall) for token in found])


async def create(call: Call) -> Response:
    """`POST api-tokens`: the secret is made here and shown once; only its hash goes further."""
    wanted = await call.body(ApiTokenRequest)
    token, command = fresh(wanted.name, wanted.ttl_s, call.who.name)
    made: ApiToken = await call.ask(command)
    view = ApiTokenAnswer(id=made.id, name=made.name, token=token, expires_at=iso_or_none(made.expires_at))
    return answer(view, 201)


async def revoke(call: Call) -> Response:
    """`DELETE api-tokens/{id}`."""
    await call.ask(RevokeApiToken(actor=call.who.name, id=call.name("id", _ID)))
    return Response(status_code=204)


def fresh(name: str, ttl_s: float, actor: str) -> tuple[str, CreateApiToken]:
    """A new token, to be shown once, and the command that makes the Center take it."""
    number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    command = CreateApiToken(actor=actor, id=number, secret_hash=secret_hash(secret), name=name, ttl_s=ttl_s)
    return f"{API_TOKEN}_{number}_{secret}", command


def view_of(token: ApiToken, wall: float) -> ApiTokenView:
    """A token as people see it at `wall`, Unix seconds."""
    return ApiTokenView(
        id=token.id,
        name=token.name,
        state="open" if token.lasts(wall) else "expired",
        created_at=iso(token.created_at),
        expires_at=iso_or_none(token.expires_at),
        actor=token.actor,
    )
