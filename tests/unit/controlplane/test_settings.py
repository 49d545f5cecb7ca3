"""Flags win over variables; what cannot be is explained; nothing is opened to the world by accident."""

from pathlib import Path

import pytest

from controlplane.settings import Settings, SettingsError, netloc, read_settings


def test_flags_win_over_variables_and_defaults_are_safe() -> None:
    assert read_settings(["--data", "/d"], {}) == Settings(data=Path("/d"), host="127.0.0.1", port=8080)
    variables = {
        "ROPE_DATA": "/v",
        "ROPE_LISTEN": "0.0.0.0:9000",
        "ROPE_PUBLIC_URL": "https://rope.example.com/",
        "ROPE_INSECURE": "1",
        "ROPE_ADMIN_TOKEN": "0123456789abcdef",
        "ROPE_METRICS_REPLICAS": "0",
    }
    found = read_settings([], variables)
    assert found == Settings(
        data=Path("/v"),
        host="0.0.0.0",
        port=9000,
        public_url="https://rope.example.com",
        insecure=True,
        admin_token="0123456789abcdef",
        metrics_replicas=0,
    )
    flags = ["--data", "/f", "--listen", "[::1]:0", "--public-url", "http://10.0.0.5:8080"]
    found = read_settings(flags, variables)
    assert (found.data, found.host, found.port, found.public_url) == (Path("/f"), "::1", 0, "http://10.0.0.5:8080")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "[::1]", "localhost"])
def test_loopback_needs_no_permission(host: str) -> None:
    read_settings(["--data", "/d", "--listen", f"{host}:1"], {})


@pytest.mark.parametrize("host", ["0.0.0.0", "", "10.0.0.5", "[::]", "example.com"])
def test_plain_http_beyond_loopback_needs_a_word(host: str) -> None:
    with pytest.raises(SettingsError, match="--insecure"):
        read_settings(["--data", "/d", "--listen", f"{host}:1"], {})
    assert read_settings(["--data", "/d", "--listen", f"{host}:1", "--insecure"], {}).insecure


@pytest.mark.parametrize(
    "arguments, variables, message",
    [
        ([], {}, "where shall the data go"),
        (["--data", "/d", "--listen", "localhost"], {}, "HOST:PORT"),
        (["--data", "/d", "--listen", "localhost:99999"], {}, "HOST:PORT"),
        (["--data", "/d", "--listen", "::1:80"], {}, "in brackets"),
        (["--data", "/d", "--public-url", "rope.example.com"], {}, "the form is"),
        (["--data", "/d", "--public-url", "https://x/path"], {}, "the form is"),
        (["--data", "/d", "--public-url", "https://u@x"], {}, "the form is"),
        (["--data", "/d", "--public-url", "https://x:0"], {}, "the form is"),
        (["--data", "/d", "--image", "ropeteam:1; reboot"], {}, "--image"),
        (["--data", "/d"], {"ROPE_IMAGE": "-v/:/host"}, "--image"),
        (["--data", "/d"], {"ROPE_INSECURE": "maybe"}, "ROPE_INSECURE=maybe"),
        (["--data", "/d"], {"ROPE_ADMIN_TOKEN": "short"}, "at least 16"),
        (["--data"], {}, "expected one argument"),
        (["--data", "/d", "--metrics-replicas", "all"], {}, "--metrics-replicas all: a number from 0"),
        (["--data", "/d", "--metrics-replicas", "100001"], {}, "to 100000 is due"),
    ],
)
def test_what_cannot_be_is_explained(arguments: list[str], variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_settings(arguments, variables)


@pytest.mark.parametrize(
    "host, text", [("0.0.0.0", "127.0.0.1:1"), ("::", "[::1]:1"), ("", "127.0.0.1:1"), ("10.0.0.5", "10.0.0.5:1")]
)
def test_an_address_that_can_be_opened_is_shown(host: str, text: str) -> None:
    assert netloc(host, 1) == text


@pytest.mark.parametrize("reference", ["ropeteam", "r.example:5000/team/ropeteam:1.0", f"ropeteam@sha256:{'a' * 64}"])
def test_the_agents_image_is_any_reference(reference: str) -> None:
    assert read_settings(["--data", "/d"], {"ROPE_IMAGE": reference}).image == reference
