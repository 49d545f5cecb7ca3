"""A service's networks."""

import pytest

from tests.unit.composefile.sample import compose, errors, service, web, web_error

FRONT = "networks: {front: }\n"


@pytest.mark.parametrize(
    ("written", "networks"),
    [
        ("[front, default]", {"front": (), "default": ()}),
        ("{front: , default: {}}", {"front": (), "default": ()}),
        ("{front: {aliases: [www, api.local]}}", {"front": ("www", "api.local")}),
        ("[]", {"default": ()}),
        ("", {"default": ()}),
    ],
)
def test_forms(written: str, networks: dict[str, tuple[str, ...]]) -> None:
    assert web(f"networks: {written}", FRONT).networks == networks


def test_the_default_network_is_there_when_used() -> None:
    assert compose(service("")).spec.networks == ("default",)
    assert compose(service("networks: [front]", FRONT)).spec.networks == ("front",)


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ("[back]", "networks[0]"),
        ("[$x, front]", "networks[0]"),
        ("{back: }", "networks.back"),
        ("{front: {ipv4_address: 10.0.0.1}}", "networks.front.ipv4_address"),
        ("{front: {aliases: ['a b']}}", "networks.front.aliases[0]"),
        ("front", "networks"),
    ],
)
def test_errors(written: str, field: str) -> None:
    assert web_error(f"networks: {written}", FRONT).field == f"services.web.{field}"


def test_one_wrong_item_hides_no_other() -> None:
    found = errors(service("networks: [$x, back]", FRONT))
    assert [p.field for p in found] == ["services.web.networks[0]", "services.web.networks[1]"]


def test_a_name_is_checked() -> None:
    assert web_error("", "networks: {'a b': }\n").field == "networks.a b"
