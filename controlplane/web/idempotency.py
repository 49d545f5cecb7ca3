"""`Idempotency-Key`: the same request sent again gets the same answer, and is done once.

In memory: the last 1000 keys of this process's life. After a restart of the Center a repeated request is obeyed anew;
what it asks for is level-triggered, so a repeated deploy is `unchanged`. Answers of 500 and above are not kept.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from controlplane.web.answers import Rejected
from protocol.api import Problem

KEYS_MAX = 1000
HEADER = "idempotency-key"

_LEGAL = re.compile(r"[\x21-\x7e]{1,128}")


class _Kept(msgspec.Struct):
    """A request that came with a key, and its answer; None while it is under way."""

    digest: bytes
    response: Response | None = None


class Idempotency:
    """The keys seen, oldest forgotten first."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def once(self, actor: str, request: Request, serve: Callable[[], Awaitable[Response]]) -> Response:
        """`serve()`, or the answer kept for this key. Raises Rejected(conflict) when the key was used otherwise."""
        key = request.headers.get(HEADER)
        if key is None:
            return await serve()
        if not _LEGAL.fullmatch(key):
            message = "must be 1 to 128 visible ASCII characters"
            raise Rejected("bad_request", f"Idempotency-Key: {message}", Problem(field=HEADER, message=message))
        digest = _digest(request, await request.body())
        kept = self._kept.get((actor, key))
        if kept is not None:
            return _again(kept, digest)
        mine = self._kept[actor, key] = _Kept(digest)
        if len(self._kept) > self._keys_max:
            self._kept.popitem(last=False)
        try:
            response = await serve()
            mine.response = response if response.status_code < 500 else None
        finally:
            if mine.response is None:
                self._forget((actor, key), mine)
        return response

    def _forget(self, key: tuple[str, str], mine: _Kept) -> None:
        if self._kept.get(key) is mine:
            del self._kept[key]


def _again(kept: _Kept, digest: bytes) -> Response:
    if kept.digest != digest:
        raise Rejected("conflict", "this Idempotency-Key was used for another request")
    if kept.response is None:
        raise Rejected("conflict", "the first request with this Idempotency-Key is still under way")
    return kept.response


def _digest(request: Request, body: bytes) -> bytes:
    head = f"{request.method} {request.url.path}?{request.url.query} {request.headers.get('content-type', '')}"
    return hashlib.sha256(head.encode() + b"\0" + body).digest()
