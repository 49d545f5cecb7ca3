"""Image references: `registry:5000/team/app:1.2`, `app@sha256:…`, `sha256:…`. Pure.

What Docker's `distribution/reference` accepts, and nothing else, so that a reference can be put into a URL.
"""

import re

import msgspec

from nodeagent.core.container import DockerFault
from nodeagent.docker.text import clean

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}(?::[0-9]{{1,5}})?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_REFERENCE_MAX = 600


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A reference taken apart. `name` as the user wrote it, without tag; empty for an image id in `digest`."""

    name: str
    tag: str = ""
    digest: str = ""

    @property
    def pinned(self) -> str:
        """`name@sha256:…` or the id `sha256:…`; empty when there is no digest."""
        return f"{self.name}@{self.digest}" if self.name and self.digest else self.digest

    @property
    def repository(self) -> str:
        """The name in full: `docker.io/library/nginx` for `nginx`, so that two spellings compare equal."""
        first, _, rest = self.name.partition("/")
        if not rest:
            return f"docker.io/library/{self.name}"
        is_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
        if not is_host:
            return f"docker.io/{self.name}"
        if first in ("docker.io", "index.docker.io"):
            return f"docker.io/{rest}" if "/" in rest else f"docker.io/library/{rest}"
        return self.name


def parse(image: str) -> Reference:
    """Read a reference. Raises DockerFault `refused` when it is none."""
    if _ID.fullmatch(image):
        return Reference(name="", digest=image)
    found = _REFERENCE.fullmatch(image) if len(image) <= _REFERENCE_MAX else None
    if found is None:
        raise DockerFault("refused", f"{clean(image, 80)!r} is not an image reference")
    return Reference(name=found["name"], tag=found["tag"] or "", digest=found["digest"] or "")


def parse_pinned(image: str) -> Reference:
    """Read a pinned reference. Raises DockerFault `refused` when it is none or has no digest."""
    reference = parse(image)
    if not reference.digest:
        raise DockerFault("refused", f"image {clean(image, 80)!r} is not pinned to a digest")
    return reference
