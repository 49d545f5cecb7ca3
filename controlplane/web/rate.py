"""How often one caller may ask the API: a bucket for each credential and address, as pure ASGI. Knows no route.

Only paths below `/api/v1/` count; agents, pages and files have limits of their own. Applied by `application`.
"""

import asyncio
import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from controlplane.web.answers import Rejected

PER_SECOND = 100.0
"""Requests a second that one caller may go on with."""

BURST = 400.0
"""Requests at once after a quiet time."""

CALLERS_MAX = 4096
"""Callers remembered; the one seen longest ago is forgotten, and begins anew."""

PREFIX = "/api/v1/"


class Buckets:
    """Callers and what each has left: (requests, when it was counted)."""

    def __init__(self, per_second: float = PER_SECOND, burst: float = BURST, callers_max: int = CALLERS_MAX) -> None:
        self._per_second, self._burst, self._callers_max = per_second, burst, callers_max
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def wait_s(self, caller: bytes, now: float) -> float:
        """Take one request. 0.0 when there was one, else seconds until there is; `now` in monotonic seconds."""
        left, counted = self._left.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - counted) * self._per_second)
        served = left >= 1.0
        self._left[caller] = (left - 1.0 if served else left, now)
        if len(self._left) > self._callers_max:
            self._left.popitem(last=False)
        return 0.0 if served else (1.0 - left) / self._per_second


class RateLimit:
    """Refuses with 429 and `Retry-After` what comes too often. Must be inside `ErrorShape`."""

    def __init__(self, app: ASGIApp, buckets: Buckets | None = None, clock: Callable[[], float] | None = None) -> None:
        self.app = app
        self._buckets = buckets or Buckets()
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, if the caller may."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            now = self._clock() if self._clock else asyncio.get_running_loop().time()
            wait_s = self._buckets.wait_s(_caller(scope), now)
            if wait_s:
                after = {"retry-after": str(math.ceil(wait_s))}
                raise Rejected("busy", f"too many requests; try again in {wait_s:.2f} s", headers=after)
        await self.app(scope, receive, send)


def _caller(scope: Scope) -> bytes:
    """Who asks, without keeping a credential: a wrong token shares no bucket with the right one."""
    shown = Headers(scope=scope).get("authorization", "")
    host = scope["client"][0] if scope.get("client") else ""
    return hashlib.blake2b(f"{host}\0{shown}".encode(), digest_size=16).digest()
