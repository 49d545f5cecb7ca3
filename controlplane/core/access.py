"""API tokens: a program's own credential, made and revoked by people, kept as the hash of its secret.

Who may do what with one is decided in `web/policy.py`. A token does all that the admin token does but make and revoke
API tokens, so that one that leaked ends when it is revoked.
"""

from controlplane.core.api_token import ApiToken
from controlplane.core.command import CreateApiToken, RevokeApiToken
from controlplane.core.draft import Draft
from controlplane.core.record import Refused
from protocol.names import PROJECT, is_legal

TOKENS_MAX = 200
TTL_MAX_S = 10 * 365 * 86400.0
RESERVED = frozenset({"admin"})
"""Names that are somebody else's in the journal."""


def create(draft: Draft, command: CreateApiToken) -> ApiToken:
    """Remember an API token. A name is given once, so that the journal says which it was."""
    name = command.name
    if not is_legal(PROJECT, name) or name in RESERVED:
        raise Refused("invalid", f"{name[:80]!r} cannot be a token's name: it must match {PROJECT.pattern}", "name")
    if not 0 <= command.ttl_s <= TTL_MAX_S:
        raise Refused("invalid", f"an API token lives up to {TTL_MAX_S:.0f} s, or for ever with 0", "ttl_s")
    known = list(draft.all(ApiToken))
    if any(token.name == name for token in known):
        raise Refused("conflict", f"there is an API token {name!r} already; revoke it first", "name")
    if len(known) >= TOKENS_MAX:
        raise Refused("busy", f"there are {TOKENS_MAX} API tokens; revoke some first")
    wall = draft.now.wall
    made = ApiToken(
        id=command.id,
        name=name,
        secret_hash=command.secret_hash,
        created_at=wall,
        expires_at=wall + command.ttl_s if command.ttl_s else 0.0,
        actor=command.actor,
    )
    draft.put(made)
    draft.event("token.created", f"API token {name} made by {command.actor}")
    return made


def revoke(draft: Draft, command: RevokeApiToken) -> None:
    """Forget an API token: nobody gets in with it any more."""
    found = draft.get(ApiToken, command.id)
    if found is None:
        raise Refused("not_found", f"there is no API token {command.id!r}", "id")
    draft.drop(found)
    draft.event("token.revoked", f"API token {found.name} revoked by {command.actor}")
