"""Image references: the grammar of distribution."""

import pytest

from composefile.images import fault_in
from tests.unit.composefile.sample import errors, service

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    "text",
    [
        "nginx",
        "nginx:1.27",
        "library/nginx",
        "a/b/c:d_E-1.0",
        f"nginx@{DIGEST}",
        f"nginx:1@{DIGEST}",
        "localhost/x",
        "localhost:5000/x",
        "registry.example.com/team/app:v1",
        "10.0.0.1:5000/app",
        "[fd00::1]:5000/app:v1",
        "Registry/app",
        "a__b/c.d---e",
        "x:" + "t" * 128,
        "a" * 255,
        "x@sha512:" + "0" * 128,
    ],
)
def test_legal(text: str) -> None:
    assert fault_in(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Nginx", "lower case"),
        ("team/App", "lower case"),
        ("", "no name"),
        (":tag", "no name"),
        ("nginx:", "tag"),
        ("nginx:-a", "tag"),
        ("x:" + "t" * 129, "tag"),
        ("nginx@sha256:abc", "digest"),
        ("nginx@" + DIGEST.upper(), "digest"),
        ("nginx@sha256:" + "0A" * 32, "digest"),
        ("a//b", "malformed"),
        ("a/", "malformed"),
        ("-a", "malformed"),
        ("a..b", "malformed"),
        ("a b", "malformed"),
        ("http://x.io/a", "registry"),
        ("-x.io/a", "registry"),
        ("0a" * 32, "image id"),
        ("a" * 256, "255"),
        ("a" * 1000, "too long"),
    ],
)
def test_illegal(text: str, why: str) -> None:
    wrong = fault_in(text)
    assert wrong is not None and why in wrong[0]


def test_a_service_without_image_says_what_is_missing() -> None:
    (bare,) = errors("services: {web: {init: true}}")
    assert (bare.field, bare.message) == ("services.web", "a service needs image")
    (builds,) = errors("services: {web: {build: .}}")
    assert "never builds" in builds.message and "push" in builds.fix


def test_the_error_is_at_the_key() -> None:
    (problem,) = errors(service("").replace("nginx", "Nginx"))
    assert (problem.line, problem.column, problem.field) == (3, 5, "services.web.image")
    assert problem.fix == "Write nginx."
