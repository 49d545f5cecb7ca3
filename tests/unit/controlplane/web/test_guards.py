"""Limits on bodies, driven as raw ASGI so that each chunk is in the test's hand."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controlplane.web.guards import BODY_MAX, OPENER, BodyLimits, ErrorShape, SecurityHeaders


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


async def answer(
    app: ASGIApp, chunks: Iterable[bytes], headers: dict[str, str], *, hang: bool = False
) -> list[Message]:
    """What `app` sends for a POST with these chunks; `hang`: the last of them never comes."""
    waiting = [*chunks]

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting) or hang}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("chunks", "declared", "status"),
    [
        ([b"x" * BODY_MAX], str(BODY_MAX), 200),
        ([b"x" * BODY_MAX], "", 200),
        ([b"x"], str(BODY_MAX + 1), 413),
        ([b"x"], "9" * 400, 413),
        ([b"x"], "-1", 413),
        ([b"x" * BODY_MAX, b"x"], "", 413),
        ([b"x" * 1000] * 1100, "", 413),
    ],
)
async def test_a_body_may_be_one_mebibyte(chunks: list[bytes], declared: str, status: int) -> None:
    headers = {"content-length": declared} if declared else {}
    sent = await answer(ErrorShape(BodyLimits(count)), chunks, headers)
    assert sent[0]["status"] == status
    if status == 413:
        assert b'"too_large"' in sent[1]["body"]


async def test_a_body_that_does_not_arrive_is_408_and_the_connection_closes() -> None:
    sent = await answer(ErrorShape(BodyLimits(count, receive_s=0.02)), [b"x"], {}, hang=True)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_the_deadline_ends_with_the_body() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await asyncio.sleep(0.05)
        await PlainTextResponse("done")(scope, receive, send)

    sent = await answer(ErrorShape(BodyLimits(slow, receive_s=0.02)), [b"x"], {})
    assert sent[0]["status"] == 200


async def test_a_failure_after_the_answer_began_is_not_answered_twice() -> None:
    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("late")

    with pytest.raises(RuntimeError, match="late"):
        await answer(ErrorShape(breaks), [b""], {})


@pytest.mark.parametrize("plain", [False, True])
async def test_over_plain_http_from_other_machines_nothing_is_sent_that_browsers_complain_about(plain: bool) -> None:
    sent = await answer(SecurityHeaders(count, plain=plain), [b""], {})
    names = {name.decode() for name, _ in sent[0]["headers"]}
    assert "content-security-policy" in names and (OPENER[0] in names) != plain
