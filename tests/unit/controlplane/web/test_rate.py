"""How often one caller may ask."""

from collections.abc import Callable

import pytest
from starlette.types import Message, Receive, Scope, Send

from controlplane.web.answers import Rejected
from controlplane.web.rate import Buckets, RateLimit


def test_a_bucket_fills_again() -> None:
    buckets = Buckets(per_second=2.0, burst=3.0)
    assert [buckets.wait_s(b"a", 10.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.wait_s(b"a", 10.25) == 0.25
    assert buckets.wait_s(b"a", 10.5) == 0.0
    assert [buckets.wait_s(b"a", 1000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_callers_do_not_share_and_are_forgotten_in_the_end() -> None:
    buckets = Buckets(per_second=1.0, burst=1.0, callers_max=2)
    assert buckets.wait_s(b"a", 0.0) == 0.0 and buckets.wait_s(b"a", 0.0) == 1.0
    assert buckets.wait_s(b"b", 0.0) == 0.0
    assert buckets.wait_s(b"c", 0.0) == 0.0  # "a" was seen longest ago
    assert buckets.wait_s(b"b", 0.0) == 1.0 and buckets.wait_s(b"a", 0.0) == 0.0


def limited(clock: Callable[[], float]) -> tuple[RateLimit, list[str]]:
    served: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        served.append(scope["path"])

    return RateLimit(app, Buckets(per_second=1.0, burst=2.0), clock), served


def request(path: str, token: bytes = b"", host: str = "10.0.0.9") -> Scope:
    headers = [(b"authorization", b"Bearer " + token)] if token else []
    return {"type": "http", "path": path, "headers": headers, "client": (host, 4711)}


async def nothing() -> Message:
    raise AssertionError("not to be read")


async def ignore(message: Message) -> None:
    raise AssertionError("not to be answered")


async def test_too_many_requests_are_refused_with_the_time_to_come_back() -> None:
    guard, served = limited(lambda: 5.0)
    for _ in range(2):
        await guard(request("/api/v1/nodes", b"right"), nothing, ignore)
    with pytest.raises(Rejected) as refused:
        await guard(request("/api/v1/nodes", b"right"), nothing, ignore)
    assert refused.value.code == "busy" and refused.value.headers == {"retry-after": "1"}
    await guard(request("/api/v1/nodes", b"wrong"), nothing, ignore)
    await guard(request("/api/v1/nodes", b"right", "10.0.0.10"), nothing, ignore)
    assert len(served) == 4


async def test_what_is_not_the_api_is_not_counted() -> None:
    guard, served = limited(lambda: 5.0)
    for path in ("/api/agent/register", "/healthz", "/", "/static/app.css") * 3:
        await guard(request(path), nothing, ignore)
    await guard({"type": "websocket", "path": "/api/v1/stream", "headers": []}, nothing, ignore)
    assert len(served) == 13
