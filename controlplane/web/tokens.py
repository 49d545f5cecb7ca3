"""Handlers for join tokens: made, listed and revoked. A secret is shown once, when it is made."""

import re
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import URL
from starlette.responses import Response

from controlplane.core.command import CreateTicket, RevokeTicket
from controlplane.core.node import JoinTicket
from controlplane.core.tickets import TTL_MAX_S, TTL_MIN_S
from controlplane.core.views import iso
from controlplane.web.answers import answer
from controlplane.web.call import Call, bad
from controlplane.web.nodes import is_address, is_loopback
from protocol.api import JoinTokenAnswer, JoinTokenRequest, JoinTokenView
from protocol.handshake import JoinToken, secret_hash
from protocol.names import NODE, is_legal

AGENT_DATA = "/var/lib/ropeteam-agent"
DOCKER_RUN = (
    "docker run -d --name ropeteam-agent --restart unless-stopped --network host --pid host --read-only --tmpfs /tmp"
    " -v /var/run/docker.sock:/var/run/docker.sock -v ropeteam-agent:/data"
)
"""How the agent's container is started: it reads the machine's figures, and writes to its volume only."""
TTL_S = 900.0
"""A join token's life unless told otherwise."""

_ID = re.compile(r"[0-9a-f]{1,64}")


async def tokens(call: Call) -> Response:
    """`GET join-tokens`, those that end first at the top."""
    found = sorted(call.cluster.tickets.values(), key=lambda t: (t.expires_at, t.id))
    return answer([view_of(ticket, call.now.wall) for ticket in found])


async def revoke(call: Call) -> Response:
    """`DELETE join-tokens/{id}`."""
    await call.ask(RevokeTicket(actor=call.who.name, id=call.name("id", _ID)))
    return Response(status_code=204)


def view_of(ticket: JoinTicket, wall: float) -> JoinTokenView:
    """A join token as people see it at `wall`, Unix seconds."""
    state = "used" if ticket.used_by else "open" if wall < ticket.expires_at else "expired"
    return JoinTokenView(id=ticket.id, name=ticket.name, state=state, expires_at=iso(ticket.expires_at))


async def create(call: Call) -> Response:
    """`POST join-tokens`: the secret is made here and shown once; only its hash goes further."""
    wanted = await call.body(JoinTokenRequest, optional=True)
    _check_wish(wanted)
    token, command = new_ticket(call.door.settings.fingerprint, wanted.name, wanted.ttl_s, call.who.name)
    ticket: JoinTicket = await call.ask(command)
    settings = call.door.settings
    made = JoinTokenAnswer(
        id=token.id,
        token=str(token),
        expires_at=iso(ticket.expires_at),
        join_command=join_line(settings.public_url, call.request.url, token, settings.image),
        process_command=join_line(settings.public_url, call.request.url, token),
    )
    return answer(made, 201)


def new_ticket(fingerprint: str, name: str, ttl_s: float, actor: str) -> tuple[JoinToken, CreateTicket]:
    """A fresh join token, and the command that makes the Center take it."""
    token = JoinToken(secrets.token_hex(6), secrets.token_urlsafe(32), fingerprint)
    hashed = secret_hash(token.secret)
    return token, CreateTicket(actor=actor, id=token.id, secret_hash=hashed, ttl_s=ttl_s, name=name)


def join_line(public_url: str, used: URL, token: JoinToken, image: str = "") -> str:
    """What to run on the machine that shall join; options of the agent may follow. `used`: the URL by which the asking
    person reached the Center. `image`: the agent's, "" = as a process.
    """
    url = _url_for_agents(public_url, used)
    plain = " --insecure" if url.startswith("http://") and not is_loopback(urlsplit(url).hostname or "") else ""
    if image:
        return f"{DOCKER_RUN} {image} agent --center {url} --join {token}{plain}"
    return f"rope agent --center {url} --join {token} --data {AGENT_DATA}{plain}"


def _check_wish(wanted: JoinTokenRequest) -> None:
    if not TTL_MIN_S <= wanted.ttl_s <= TTL_MAX_S:
        raise bad("ttl_s", f"must be from {TTL_MIN_S:.0f} to {TTL_MAX_S:.0f} seconds")
    if wanted.name and not is_legal(NODE, wanted.name):
        raise bad("name", f"must match {NODE.pattern}")


def _url_for_agents(public: str, used: URL) -> str:
    """The public URL; where that is this machine's own, the address that the asking person used instead."""
    if not is_loopback(urlsplit(public).hostname or "") or is_loopback(used.hostname or ""):
        return public
    return f"{used.scheme}://{used.netloc}" if is_address(used.hostname or "") else public
