"""The Center's address."""

import pytest

from nodeagent.addresses import checked_center, is_loopback, session_url


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8300", "http://localhost:1", "http://[::1]:2", "https://c.example/x"]
)
def test_safe_addresses_are_taken(url: str) -> None:
    assert checked_center(url + "/", insecure=False) == url


def test_plain_http_elsewhere_must_be_asked_for() -> None:
    with pytest.raises(ValueError, match="--insecure"):
        checked_center("http://10.77.0.1:8300", insecure=False)
    assert checked_center("http://10.77.0.1:8300", insecure=True) == "http://10.77.0.1:8300"


@pytest.mark.parametrize("url", ["", "center:8300", "ftp://x", "https://", "https://x/?a=b", "https://x/#y"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="--center"):
        checked_center(url, insecure=True)


def test_the_session_is_below_the_center() -> None:
    assert session_url("http://127.0.0.1:8300", "/api/agent/session") == "ws://127.0.0.1:8300/api/agent/session"
    assert session_url("https://c.example/rope/", "/s") == "wss://c.example/rope/s"
    for odd in ("", "s", "//evil.example/s", "/\\evil"):
        with pytest.raises(ValueError, match="session path"):
            session_url("https://c.example", odd)


def test_loopback() -> None:
    assert (
        is_loopback("127.8.9.1") and is_loopback("::1") and not is_loopback("10.0.0.1") and not is_loopback("c.example")
    )
