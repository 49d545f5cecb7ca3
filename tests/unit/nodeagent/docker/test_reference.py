"""Image references: what is one, and what its repository is."""

import pytest

from nodeagent.core.container import DockerFault
from nodeagent.docker.reference import parse, parse_pinned

DIGEST = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    ("image", "name", "tag", "repository"),
    [
        ("nginx", "nginx", "", "docker.io/library/nginx"),
        ("nginx:1.25-alpine", "nginx", "1.25-alpine", "docker.io/library/nginx"),
        ("team/app:v1", "team/app", "v1", "docker.io/team/app"),
        ("docker.io/nginx:1", "docker.io/nginx", "1", "docker.io/library/nginx"),
        ("docker.io/library/nginx", "docker.io/library/nginx", "", "docker.io/library/nginx"),
        ("localhost/app", "localhost/app", "", "localhost/app"),
        ("localhost:5000/app", "localhost:5000/app", "", "localhost:5000/app"),
        ("10.77.0.1:5000/a/b_c:2", "10.77.0.1:5000/a/b_c", "2", "10.77.0.1:5000/a/b_c"),
        ("[2001:db8::1]:5000/app:1", "[2001:db8::1]:5000/app", "1", "[2001:db8::1]:5000/app"),
        ("app:5000", "app", "5000", "docker.io/library/app"),
    ],
)
def test_a_reference_is_taken_apart(image: str, name: str, tag: str, repository: str) -> None:
    reference = parse(image)
    assert (reference.name, reference.tag, reference.digest, reference.repository) == (name, tag, "", repository)


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        (f"nginx@{DIGEST}", f"nginx@{DIGEST}"),
        (f"nginx:1.25@{DIGEST}", f"nginx@{DIGEST}"),
        (f"r.test:5000/a/b@{DIGEST}", f"r.test:5000/a/b@{DIGEST}"),
        (DIGEST, DIGEST),
    ],
)
def test_a_pinned_reference_needs_no_tag(image: str, pinned: str) -> None:
    assert parse_pinned(image).pinned == pinned


@pytest.mark.parametrize(
    "image",
    [
        "",
        " nginx",
        "nginx ",
        "Nginx",
        "nginx:",
        "nginx@sha256:abc",
        f"nginx@md5:{'0' * 32}",
        "../info",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "a?b=c",
        "a#b",
        "a%2e",
        "a\nb",
        "-a",
        "http://r.test/app",
        "a:" + "t" * 129,
        "a/" * 300 + "a",
    ],
)
def test_what_is_no_reference_is_refused(image: str) -> None:
    with pytest.raises(DockerFault) as raised:
        parse(image)
    assert raised.value.kind == "refused"


def test_a_tag_is_no_pin() -> None:
    with pytest.raises(DockerFault, match="not pinned"):
        parse_pinned("nginx:1")


def test_the_longest_legal_reference_is_one() -> None:
    """255 characters of name, 128 of tag, and a digest: what the Center lets a Compose file say."""
    image = f"{'a' * 255}:{'t' * 128}@sha256:{'0' * 64}"
    assert parse(image).tag == "t" * 128
