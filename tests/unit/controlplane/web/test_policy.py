"""Credentials and origins."""

import pytest
from starlette.requests import HTTPConnection

from controlplane.core.api_token import ApiToken
from controlplane.web.answers import Rejected
from controlplane.web.policy import ADMIN, NOBODY, Who, admin, check_origin, identify, owner, still_in
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


CI = ApiToken(id="ab", name="ci", secret_hash=secret_hash("x_y-z"), created_at=0.0, expires_at=50.0)


@pytest.mark.parametrize(
    ("token", "wall", "who"),
    [
        ("rope_ab_x_y-z", 49.0, Who("ci", token="ab")),
        ("rope_ab_x_y-z", 50.0, Who(wrong=True)),
        ("rope_ab_x_y-Z", 49.0, Who(wrong=True)),
        ("rope_cd_x_y-z", 49.0, Who(wrong=True)),
        ("grope_ab_x_y-z", 49.0, Who(wrong=True)),
        ("rope_ab_", 49.0, Who(wrong=True)),
        ("rope__", 49.0, Who(wrong=True)),
        ("x_y-z", 49.0, Who(wrong=True)),
        ("s3cret", 99.0, ADMIN),
    ],
)
def test_an_api_token_says_who_while_it_lasts(token: str, wall: float, who: Who) -> None:
    found = identify(connection(("authorization", f"Bearer {token}")), secret_hash("s3cret"), {"ab": CI}, wall)
    assert found == who


def test_an_api_token_may_all_but_make_others() -> None:
    ci = Who("ci", token="ab")
    admin(ci)
    owner(ADMIN)
    for who, said in ((ci, "may not make"), (NOBODY, "is needed"), (Who(wrong=True), "not valid")):
        with pytest.raises(Rejected, match=said):
            owner(who)


def test_a_revoked_token_is_out() -> None:
    ci = Who("ci", token="ab")
    assert still_in(ci, {"ab": CI}, 49.0) and still_in(ADMIN, {}, 99.0)
    assert not still_in(ci, {}, 49.0) and not still_in(ci, {"ab": CI}, 50.0)


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
