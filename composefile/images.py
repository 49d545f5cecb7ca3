"""Image references, checked against the grammar of github.com/distribution/reference. Does not resolve anything.

Called by `service`.
"""

import re

from composefile.errors import quoted
from composefile.field import Field

NAME_MAX = 255
"""Characters of the name, registry included."""

_REFERENCE_MAX = 600
_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")


def read_image(field: Field) -> str:
    """The reference as written. Raises Fault that says which part is wrong."""
    text = field.text()
    wrong = fault_in(text)
    if wrong is not None:
        message, fix = wrong
        raise field.fault(f"{quoted(text)} is no image reference: {message}", fix)
    return text


def fault_in(text: str) -> tuple[str, str] | None:
    """(message, fix) for a text that is no image reference, None for one that is."""
    if len(text) > _REFERENCE_MAX:
        return "it is too long", ""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        return "the digest is malformed", "A digest is sha256: and 64 hex digits."
    name, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        return "the tag is malformed", "A tag has letters, digits, '_', '.', '-', at most 128."
    if len(name) > NAME_MAX:
        return f"the name is longer than {NAME_MAX} characters", ""
    return _fault_in_name(name)


def _split_tag(text: str) -> tuple[str, str | None]:
    head, colon, tail = text.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (text, None)


def _fault_in_name(name: str) -> tuple[str, str] | None:
    if not name:
        return "it has no name", "Write name:tag."
    if _IDENTIFIER.fullmatch(name):
        return "64 hex digits could be an image id", "Write name:tag."
    domain, slash, path = name.partition("/")
    if slash and ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        if not _DOMAIN.fullmatch(domain):
            return "the registry's name is malformed", "Write registry.example.com/name:tag."
    else:
        path = name
    if path != path.lower():
        return "names are in lower case", f"Write {name.lower()}."
    if not _PATH.fullmatch(path):
        return "the name is malformed", "A name has a-z, 0-9, and '.', '_', '-' between them."
    return None
