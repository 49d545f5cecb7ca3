"""Join tokens: made and revoked by people, kept as the hash of their secret. `nodes.register` takes them."""

from controlplane.core.command import CreateTicket, RevokeTicket
from controlplane.core.draft import Draft
from controlplane.core.node import JoinTicket
from controlplane.core.record import Refused
from protocol.names import NODE, is_legal

TTL_MIN_S = 60.0
TTL_MAX_S = 86400.0


def create(draft: Draft, command: CreateTicket) -> JoinTicket:
    """Remember a join token. Those expired for a day are forgotten on the way."""
    if not TTL_MIN_S <= command.ttl_s <= TTL_MAX_S:
        raise Refused("invalid", f"a join token lives {TTL_MIN_S:.0f} s to {TTL_MAX_S:.0f} s", "ttl_s")
    if command.name and not is_legal(NODE, command.name):
        raise Refused("invalid", f"{command.name!r} is not a node name", "name")
    for old in list(draft.all(JoinTicket)):
        if old.expires_at + TTL_MAX_S < draft.now.wall:
            draft.drop(old)
    expires_at = draft.now.wall + command.ttl_s
    made = JoinTicket(id=command.id, secret_hash=command.secret_hash, expires_at=expires_at, name=command.name)
    draft.put(made)
    draft.event("token.created", f"join token {made.id} made by {command.actor}", node=made.name)
    return made


def revoke(draft: Draft, command: RevokeTicket) -> None:
    """Forget a join token: nobody joins with it any more. A node that joined with it stays."""
    found = draft.get(JoinTicket, command.id)
    if found is None:
        raise Refused("not_found", f"there is no join token {command.id!r}", "id")
    draft.drop(found)
    draft.event("token.revoked", f"join token {found.id} revoked by {command.actor}", node=found.name)
