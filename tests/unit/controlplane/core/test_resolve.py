"""Pins that an agent gives are checked before anybody runs them."""

import pytest

from controlplane.core.resolve import is_pin_of

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("pin", "image"),
    [
        (D, "web:1"),
        (f"web@{D}", "web:1"),
        (f"web@{D}", "web"),
        (f"10.0.0.1:5000/shop/web@{D}", "10.0.0.1:5000/shop/web:2"),
        (f"10.0.0.1:5000/web@{D}", "10.0.0.1:5000/web"),
        (f"docker.io/library/nginx@{D}", "nginx:1.27"),
        (f"nginx@{D}", "docker.io/library/nginx:1.27"),
    ],
)
def test_a_pin_of_the_image_asked_for(pin: str, image: str) -> None:
    assert is_pin_of(pin, image)


@pytest.mark.parametrize(
    "pin",
    ["", "web", "web:1", f"evil@{D}", f"evil/webx@{D}", "sha256:abc", f"xweb@{D}", f"web@{D} --privileged", f"@{D}"],
)
def test_anything_else_is_no_pin(pin: str) -> None:
    assert not is_pin_of(pin, "web:1")


@pytest.mark.parametrize(
    ("pin", "image"),
    [
        (f"evil.example/web@{D}", "web:1"),
        (f"evil.example/shop/web@{D}", "shop/web:1"),
        (f"shop/web@{D}", "registry.example:5000/shop/web:1"),
        (f"web@{D}", "shop/web:1"),
    ],
)
def test_an_agent_cannot_choose_another_registry_or_repository(pin: str, image: str) -> None:
    assert not is_pin_of(pin, image)
