"""The same request sent again is done once."""

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from controlplane.web.answers import Rejected
from controlplane.web.idempotency import Idempotency


def request(key: str | None, body: bytes = b"{}", path: str = "/a") -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [] if key is None else [(b"idempotency-key", key.encode())]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    return Request({**scope, "server": ("center", 80), "scheme": "http"}, receive)


class Server:
    """Counts how often it served; each answer is another."""

    def __init__(self, status: int = 202) -> None:
        self.served = 0
        self.status = status

    async def __call__(self) -> Response:
        self.served += 1
        return Response(str(self.served), self.status)


async def test_the_same_request_gets_the_same_answer() -> None:
    kept, server = Idempotency(), Server()
    first = await kept.once("admin", request("k"), server)
    assert (await kept.once("admin", request("k"), server)).body == first.body
    assert server.served == 1


async def test_without_a_key_each_request_is_obeyed() -> None:
    kept, server = Idempotency(), Server()
    await kept.once("admin", request(None), server)
    await kept.once("admin", request(None), server)
    assert server.served == 2


@pytest.mark.parametrize(("body", "path"), [(b"other", "/a"), (b"{}", "/b")])
async def test_a_key_used_for_another_request_is_a_conflict(body: bytes, path: str) -> None:
    kept, server = Idempotency(), Server()
    await kept.once("admin", request("k"), server)
    with pytest.raises(Rejected) as refused:
        await kept.once("admin", request("k", body, path), server)
    assert refused.value.code == "conflict"


async def test_keys_of_two_actors_are_apart() -> None:
    kept, server = Idempotency(), Server()
    await kept.once("ann", request("k"), server)
    await kept.once("bob", request("k"), server)
    assert server.served == 2


async def test_a_request_under_way_is_not_begun_again() -> None:
    kept = Idempotency()

    async def again() -> Response:
        with pytest.raises(Rejected, match="under way"):
            await kept.once("admin", request("k"), Server())
        return Response("first")

    assert (await kept.once("admin", request("k"), again)).body == b"first"


async def test_our_own_failure_may_be_tried_again() -> None:
    kept, server = Idempotency(), Server(503)

    async def fail() -> Response:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await kept.once("admin", request("k"), fail)
    await kept.once("admin", request("k"), server)
    await kept.once("admin", request("k"), server)
    assert server.served == 2


async def test_the_oldest_key_is_forgotten_first() -> None:
    kept, server = Idempotency(keys_max=2), Server()
    for key in ("a", "b", "c", "b", "a"):
        await kept.once("admin", request(key), server)
    assert server.served == 4


@pytest.mark.parametrize("key", ["", "a b", "k" * 129, "\x07"])
async def test_a_key_is_visible_ascii(key: str) -> None:
    with pytest.raises(Rejected) as refused:
        await Idempotency().once("admin", request(key), Server())
    assert refused.value.code == "bad_request"
