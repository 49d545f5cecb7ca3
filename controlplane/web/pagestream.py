"""`WebSocket /stream?lang=`: what the pages of logs and of terminals talk over. The same `multiplex` as the API's.

The API's own stream takes bearer tokens and no cookie. This one is for browsers and guarded like every unsafe form, for
a command runs through it: the cookie of a session (SameSite=Lax), the exact `Origin` of the Center's own pages, which
must be said, and the secret of the session (CSRF). The secret is offered as a second subprotocol, since a page can put
no header on a socket and an address would be logged; a page of another site can neither read it nor lie about `Origin`.
"""

import hmac

import msgspec
from starlette.websockets import WebSocket

from controlplane.web.answers import Rejected, refusal
from controlplane.web.dashboard import Dashboard
from controlplane.web.language import Language
from controlplane.web.multiplex import OVER, Multiplex
from controlplane.web.policy import admin, check_origin
from controlplane.web.stream import Streams
from protocol.live import LIVE, FromCenter, Over, Source, SourceOver

BEAT_S = 5.0
"""The page greys when it hears nothing for longer (`talk.js`)."""
SOCKETS_MAX = 64
"""Open at one time."""
LATER = 1013

TICKET = "ticket."
"""Before the session's secret in the second subprotocol that is offered."""


class PageStreams:
    """The sockets of pages that show logs and terminals."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self._streams = Streams(dashboard.door, SOCKETS_MAX)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one page until it is left or its session ends. Refused before it is accepted: from elsewhere (403), or
        not a socket of ours (404). Closed at once with `OVER`: not signed in; the page then goes to sign in.
        """
        try:
            language = self._checked(socket)
        except Rejected as error:
            await socket.send_denial_response(refusal(error))
            return
        await socket.accept(LIVE)
        session = self._dashboard.session(socket)
        if session is None or not _ticket_fits(socket, session.csrf):
            await socket.close(OVER)
            return
        admin(session.who)
        try:
            with self._streams.place():
                await Multiplex(
                    self._dashboard.door,
                    socket,
                    session.who,
                    lasts=lambda: self._dashboard.signed_in(socket),
                    tells=lambda frame: in_words(frame, language),
                    beat_s=BEAT_S,
                ).run()
        except Rejected:
            await socket.close(LATER)

    def _checked(self, socket: WebSocket) -> Language:
        if not socket.headers.get("origin"):
            raise Rejected("forbidden", "this socket is for the Center's own pages")
        check_origin(socket, self._dashboard.door.settings.public_url)
        language = self._dashboard.languages.get(socket.query_params.get("lang", ""))
        if language is None or LIVE not in socket.scope.get("subprotocols", ()):
            raise Rejected("not_found", "there is no such stream or language")
        return language


def in_words(frame: FromCenter, language: Language) -> FromCenter:
    """What the Center says about a stream, in the reader's language; what containers say is left alone."""
    match frame:
        case Source(note=note) if note:
            return msgspec.structs.replace(frame, note=language.sentence(note))
        case SourceOver(reason=reason) if reason:
            return msgspec.structs.replace(frame, reason=language.sentence(reason))
        case Over(message=message) if message:
            return msgspec.structs.replace(frame, message=language.sentence(message))
        case _:
            return frame


def _ticket_fits(socket: WebSocket, secret: str) -> bool:
    offered = [p.removeprefix(TICKET) for p in socket.scope.get("subprotocols", ()) if p.startswith(TICKET)]
    return len(offered) == 1 and hmac.compare_digest(offered[0].encode(), secret.encode())
