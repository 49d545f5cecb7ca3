"""One request and its typed answer."""

import pytest

from protocol.api import ScaleRequest
from ropeteam.client import Client, Refusal
from ropeteam.fault import Exit, Fault, Unreachable
from tests.unit.ropeteam.fake_api import FakeApi


def test_the_token_goes_in_the_header(api: FakeApi) -> None:
    api.on("GET nodes", [])
    assert Client(api.url, "s3cret").get("nodes", list[str], limit=3, node="") == []
    (asked,) = api.asked
    assert asked.headers["authorization"] == "Bearer s3cret"
    assert asked.query == "limit=3"
    assert "idempotency-key" not in asked.headers


def test_a_broken_connection_is_tried_again_with_the_same_key(api: FakeApi) -> None:
    api.cuts["POST projects/shop/scale"] = 1
    api.on("POST projects/shop/scale", {})
    Client(api.url).send("POST", "projects/shop/scale", dict, ScaleRequest(services={"web": 2}))
    first, second = api.asked
    assert first.body == second.body == b'{"services":{"web":2}}'
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_a_center_that_keeps_breaking_is_unreachable(api: FakeApi) -> None:
    api.cuts["GET nodes"] = 99
    with pytest.raises(Unreachable, match="cannot reach the Center"):
        Client(api.url).get("nodes", list[str])
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, Exit.ERROR), (401, Exit.SIGNED_OUT), (404, Exit.NOT_FOUND), (409, Exit.CONFLICT), (507, Exit.ERROR)],
)
def test_a_refusal_has_its_exit_code(status: int, code: Exit, api: FakeApi) -> None:
    api.refuse("GET nodes", status, "no")
    with pytest.raises(Refusal, match="no") as refused:
        Client(api.url).get("nodes", list[str])
    assert refused.value.code == code


@pytest.mark.parametrize("content", [b"<html>", b'{"nodes": 1}', b""])
def test_something_that_is_no_center_is_told(content: bytes, api: FakeApi) -> None:
    api.on("GET nodes", content)
    with pytest.raises(Fault, match="not as a Center"):
        Client(api.url).get("nodes", list[str])


def test_a_path_is_quoted(api: FakeApi) -> None:
    with pytest.raises(Refusal):
        Client(api.url).get("nodes/a b?c=d", dict)
    assert api.asked[0].path == "nodes/a%20b%3Fc%3Dd"


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:99999999", "http://x:y"])
def test_what_is_no_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(Fault) as wrong:
        Client(url)
    assert wrong.value.code == Exit.USAGE


def test_a_url_may_lack_its_scheme_and_have_a_path(api: FakeApi) -> None:
    assert Client("10.0.0.9:8080").url == "http://10.0.0.9:8080"
    assert Client("https://example.com/rope/").url == "https://example.com/rope"


def test_a_token_with_line_breaks_never_becomes_a_header() -> None:
    with pytest.raises(Fault):
        Client("http://127.0.0.1:1", "a\r\nX: y")
