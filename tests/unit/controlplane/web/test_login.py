"""Signing in and out: what is let in, what is refused, and what the cookies allow."""

import pytest

from controlplane.web.attempts import FAILURES_MAX
from tests.unit.controlplane.web.fake_center import TOKEN, URL, FakeCenter
from tests.unit.controlplane.web.surfer import Surfer

TLS = "https://center.example"


def test_the_token_opens_a_session_and_signing_out_ends_it(center: FakeCenter) -> None:
    surfer = Surfer(center)
    assert surfer.http.get("/").headers["location"] == "/login"
    assert surfer.sign_in() == 303
    assert surfer.http.get("/").status_code == 200
    assert surfer.http.get("/login").headers["location"] == "/", "who is signed in need not again"
    csrf = surfer.csrf("/")
    assert surfer.http.post("/logout", data={"csrf": "wrong"}).status_code == 403
    assert surfer.http.get("/").status_code == 200
    assert surfer.http.post("/logout", data={"csrf": csrf}).headers["location"] == "/login"
    assert surfer.http.get("/").status_code == 303


def test_the_server_forgets_a_session_that_was_signed_out(center: FakeCenter) -> None:
    surfer = Surfer(center)
    surfer.sign_in()
    value = surfer.http.cookies["rope"]
    surfer.http.post("/logout", data={"csrf": surfer.csrf("/")})
    surfer.http.cookies.set("rope", value)
    assert surfer.http.get("/").status_code == 303


@pytest.mark.parametrize("token", ["wrong", "", " ", TOKEN + "x", "x" * 600, "\u4e2d"])
def test_another_token_does_not(token: str, center: FakeCenter) -> None:
    surfer = Surfer(center)
    assert surfer.sign_in(token) == 403
    assert "rope" not in surfer.http.cookies


def test_spaces_around_a_pasted_token_do_not_matter(center: FakeCenter) -> None:
    assert Surfer(center).sign_in(f" {TOKEN}\n") == 303


def test_after_five_failures_even_the_right_token_waits(center: FakeCenter) -> None:
    surfer = Surfer(center)
    for _ in range(FAILURES_MAX):
        assert surfer.sign_in("wrong") == 403
    csrf = surfer.csrf("/login")
    got = surfer.http.post("/login", data={"token": TOKEN, "csrf": csrf})
    assert got.status_code == 429 and int(got.headers["retry-after"]) == 60
    assert "Try again in 60 s" in got.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": URL, "Sec-Fetch-Site": "cross-site"},
        {"Origin": URL, "Sec-Fetch-Site": "same-site"},
        {"Origin": URL, "Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_from_elsewhere_is_refused(headers: dict[str, str], center: FakeCenter) -> None:
    surfer = Surfer(center)
    form = {"token": TOKEN, "csrf": surfer.csrf("/login")}
    assert surfer.http.post("/login", data=form, headers=headers).status_code == 403
    assert "rope" not in surfer.http.cookies
    assert surfer.http.post("/login", data=form).status_code == 303, "the same form from here is taken"
    out = {"csrf": surfer.csrf("/")}
    assert surfer.http.post("/logout", data=out, headers=headers).status_code == 403
    assert surfer.http.get("/").status_code == 200


def test_a_form_must_say_where_it_comes_from(center: FakeCenter) -> None:
    surfer = Surfer(center)
    csrf = surfer.csrf("/login")
    del surfer.http.headers["origin"]
    assert surfer.http.post("/login", data={"token": TOKEN, "csrf": csrf}).status_code == 403
    same = {"Sec-Fetch-Site": "same-origin"}
    assert surfer.http.post("/login", data={"token": TOKEN, "csrf": csrf}, headers=same).status_code == 303


def test_the_form_of_another_browser_is_refused(center: FakeCenter) -> None:
    other = Surfer(center).csrf("/login")
    surfer = Surfer(center)
    surfer.csrf("/login")
    for csrf in (other, ""):
        assert surfer.http.post("/login", data={"token": TOKEN, "csrf": csrf}).status_code == 403
    assert surfer.sign_in() == 303


@pytest.mark.parametrize("body", [b"x" * 9000, b"\xff\xfe", b"&".join(b"a=1" for _ in range(50))])
def test_what_is_no_small_form_is_refused(body: bytes, center: FakeCenter) -> None:
    surfer = Surfer(center)
    surfer.csrf("/login")
    got = surfer.http.post("/login", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert got.status_code in (400, 403, 413)
    assert "rope" not in surfer.http.cookies


def test_cookies_over_plain_http_and_over_tls(center: FakeCenter) -> None:
    plain = Surfer(center)
    got = plain.http.post("/login", data={"token": TOKEN, "csrf": plain.csrf("/login")})
    line = next(v for v in got.headers.get_list("set-cookie") if v.startswith("rope="))
    assert "HttpOnly" in line and "SameSite=Lax" in line and "Path=/" in line and "Secure" not in line
    center.public_url = TLS
    safe = Surfer(center)
    got = safe.http.post("/login", data={"token": TOKEN, "csrf": safe.csrf("/login")})
    line = next(v for v in got.headers.get_list("set-cookie") if v.startswith("__Host-rope="))
    assert "Secure" in line and "HttpOnly" in line and "Domain" not in line
    assert safe.http.get("/").status_code == 200


def test_a_session_is_no_key_to_the_api(center: FakeCenter) -> None:
    surfer = Surfer(center)
    surfer.sign_in()
    assert surfer.http.get("/api/v1/nodes").status_code == 401
    assert surfer.http.post("/api/v1/nodes/node-1/drain").status_code == 401
    assert not center.asked


@pytest.mark.parametrize(
    ("url", "base", "warned"),
    [(URL, URL, True), (TLS, TLS, False), ("http://127.0.0.1:8080", "http://127.0.0.1:8080", False)],
)
def test_a_red_banner_over_plain_http_beyond_loopback(url: str, base: str, warned: bool, center: FakeCenter) -> None:
    center.public_url = url
    assert ('class="banner"' in Surfer(center).http.get("/login").text) == warned


def test_the_form_says_when_it_was_opened_at_another_address(center: FakeCenter) -> None:
    surfer = Surfer(center)
    assert 'class="hint"' not in surfer.http.get("/login").text
    assert f'<a href="{URL}/login">' in surfer.http.get("/login", headers={"host": "localhost:8080"}).text
