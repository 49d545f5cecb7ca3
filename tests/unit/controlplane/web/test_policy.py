"""Credentials and origins."""

import pytest
from starlette.requests import HTTPConnection

from controlplane.web.answers import Rejected
from controlplane.web.policy import ADMIN, NOBODY, Who, admin, check_origin, identify
from protocol.handshake import secret_hash


def connection(*headers: tuple[str, str]) -> HTTPConnection:
    return HTTPConnection({"type": "http", "headers": [(k.encode(), v.encode("latin-1")) for k, v in headers]})


@pytest.mark.parametrize(
    ("value", "who"),
    [
        ("Bearer s3cret", ADMIN),
        ("bearer s3cret ", ADMIN),
        ("", NOBODY),
        ("Bearer", Who(wrong=True)),
        ("Bearer S3cret", Who(wrong=True)),
        ("Basic s3cret", Who(wrong=True)),
        ("Bearer " + "x" * 1000, Who(wrong=True)),
        ("Bearer \xe9", Who(wrong=True)),
    ],
)
def test_the_bearer_token_says_who(value: str, who: Who) -> None:
    assert identify(connection(("authorization", value)), secret_hash("s3cret")) == who


def test_no_stored_hash_lets_nobody_in() -> None:
    assert identify(connection(("authorization", "Bearer x")), "") == Who(wrong=True)


def test_the_answer_says_whether_a_token_is_missing_or_wrong() -> None:
    with pytest.raises(Rejected, match="is needed"):
        admin(NOBODY)
    with pytest.raises(Rejected, match="not valid"):
        admin(Who(wrong=True))


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("https://center.example", "https://center.example"),
        ("https://CENTER.example:443", "https://center.example"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_own_origin_passes(origin: str, url: str) -> None:
    check_origin(connection(("origin", origin)), url)


@pytest.mark.parametrize(
    "origins",
    [
        ["http://center.example"],
        ["https://center.example:444"],
        ["https://center.example.evil.example"],
        ["null"],
        ["https://center.example:x"],
        ["https://center.example", "https://evil.example"],
    ],
)
def test_any_other_origin_is_forbidden(origins: list[str]) -> None:
    with pytest.raises(Rejected) as refused:
        check_origin(connection(*(("origin", o) for o in origins)), "https://center.example")
    assert refused.value.code == "forbidden"
