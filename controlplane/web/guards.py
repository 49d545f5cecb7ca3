"""What surrounds every request, as pure ASGI: one error shape, security headers, limits on size and time of a body.

Applied by `application`, to the routes of the web ring and of the link alike. Knows no route.
"""

import asyncio
import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controlplane.core.record import Refused
from controlplane.store.store import StoreError, StoreFull
from controlplane.web.answers import Rejected, failure, refusal

BODY_MAX = 1024 * 1024
"""Bytes of a request's body."""

RECEIVE_S = 10.0
"""Seconds from the head of a request to the end of its body; uvicorn has no such deadline (slowloris)."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""Set where the answer does not say otherwise (static files have a cache of their own)."""

OPENER = ("cross-origin-opener-policy", "same-origin")
"""Only where browsers take it, over TLS and on loopback; over plain HTTP they complain on every page."""

_CLOSE = {"connection": "close"}

log = logging.getLogger(__name__)


class ErrorShape:
    """Whatever goes wrong inside is answered in the one shape; a fault of ours is logged and answered 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; answer for an exception if nothing was answered yet."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except (Rejected, Refused) as error:
            if started:
                raise
            await refusal(error)(scope, receive, send)
        except StoreError as error:
            if started:
                raise
            code = "full" if isinstance(error, StoreFull) else "unavailable"
            await failure(code, f"nothing was changed: {error}")(scope, receive, send)
        except Exception:
            if started:
                raise
            log.exception("request failed", extra={"method": scope["method"], "path": scope["path"]})
            await failure("internal", "the Center made a mistake; its log says more")(scope, receive, send)


class SecurityHeaders:
    """Puts `HEADERS` on every answer, with `OPENER` unless `plain`."""

    def __init__(self, app: ASGIApp, plain: bool = False) -> None:
        self.app = app
        self._headers = HEADERS if plain else HEADERS | dict([OPENER])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the headers added."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, sending)


class BodyLimits:
    """Refuses a body that is too long (declared or chunked) or comes too slowly, by an exception in `receive`."""

    def __init__(self, app: ASGIApp, body_max: int = BODY_MAX, receive_s: float = RECEIVE_S) -> None:
        self.app = app
        self.body_max = body_max
        self.receive_s = receive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with a guarded `receive`. Must be inside `ErrorShape`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared[:20]) > self.body_max:
            raise self._too_large()
        deadline = asyncio.get_running_loop().time() + self.receive_s
        size, complete = 0, False

        async def receiving() -> Message:
            nonlocal size, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                text = f"the body did not arrive within {self.receive_s:g} s"
                raise Rejected("too_slow", text, headers=_CLOSE) from error
            size += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if size > self.body_max:
                raise self._too_large()
            return message

        await self.app(scope, receiving, send)

    def _too_large(self) -> Rejected:
        return Rejected("too_large", f"the body is larger than {self.body_max} bytes", headers=_CLOSE)
