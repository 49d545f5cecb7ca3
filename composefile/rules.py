"""The class of a key: supported, needs permission, accepted with a warning, or refused with reason and fix.

The type and its short constructors only; the tables are in `keys` and `inner`.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

KeyClass = Literal["supported", "permission", "warning", "refused"]

NOT_YET = "not supported yet"
NO_PERMISSION = "needs permission, which this release cannot give"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a key. `text`: for a supported key which forms are taken, else the reason; `fix`: what to do."""

    kind: KeyClass
    text: str
    fix: str = ""
    by_rope: bool = False
    """Supported by the command line, which works it out; an error in a file that comes to the Center without it."""


Rules = Mapping[str, Rule]


def supported(text: str) -> Rule:
    """A key that is read. `text`: the forms it takes and what differs from Compose, for the documentation."""
    return Rule(kind="supported", text=text)


def by_rope(text: str) -> Rule:
    """A key that the command line works out before the file is sent."""
    return Rule(kind="supported", text=f"{text}; worked out by `rope`", by_rope=True)


def permission(text: str, fix: str) -> Rule:
    """A key that gives a container power over its node; refused until roles and node policies exist."""
    return Rule(kind="permission", text=text, fix=fix)


def ignored(text: str, fix: str = "Remove it.") -> Rule:
    """A key that changes nothing here and is harmless: a warning."""
    return Rule(kind="warning", text=text, fix=fix)


def refused(text: str, fix: str = "Remove it.") -> Rule:
    """A key that is an error for a reason that will stay."""
    return Rule(kind="refused", text=text, fix=fix)


def not_yet(fix: str = "Remove it.") -> Rule:
    """A key this release does not do."""
    return Rule(kind="refused", text=NOT_YET, fix=fix)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known key that `word` most likely means, "" when none is near."""
    if len(word) > 64:
        return ""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.72)
    return found[0] if found else ""
