"""The base of everything the Center remembers: frozen data with a key, kept in the store as one row.

A record never changes; a new one takes its place (`msgspec.structs.replace`). No rules here.
"""

from typing import NamedTuple

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something the Center remembers."""


class Now(NamedTuple):
    """The time, given by the caller: `mono` monotonic seconds for liveness, `wall` Unix seconds for what is stored."""

    mono: float
    wall: float


class Refused(Exception):
    """A command that is not obeyed, and why. `code` is the API's word; `fix`: a way out. Nothing of it was applied."""

    def __init__(self, code: str, message: str, field: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.fix = fix
