"""What every HTTP body is made from, and the one shape of a thing that is wrong. Part of `protocol.api`."""

import msgspec


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every body; unknown fields of requests are refused by the types that say so."""


class Problem(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One thing wrong with a request: where and why, and how to mend it."""

    message: str
    field: str = ""
    line: int = 0
    column: int = 0
    fix: str = ""
    file: str = ""
    """The user's file that `line` counts in; "" = the one that was sent."""
