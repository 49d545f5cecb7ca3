"""`$NAME` and `${NAME:-default}` in a text -> their values, by the rules of the Compose specification. Pure.

Called by `filling` (values of a Compose file) and `dotenv` (values of an env file).
"""

import re
from collections.abc import Callable

from composefile.errors import printable

DEPTH_MAX = 32
"""Variables inside the defaults of variables."""

Lookup = Callable[[str], str | None]
"""Name -> value; None when it is not set."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class BadVariable(Exception):
    """A text whose variables cannot be filled in: why, and how to mend it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def fill(text: str, lookup: Lookup, unset: Callable[[str], None], depth: int = 0) -> str:
    """`text` with its variables filled in, `$$` as `$`.

    `unset` is told each name that has no value and no default; it is filled in as "". A `$` that begins no variable
    stays as it is. Raises BadVariable for `${…` that is none, and for one that is required and has no value.
    """
    if "$" not in text:
        return text
    if depth > DEPTH_MAX:
        raise BadVariable("variables are nested too deeply", "Write the value.")
    parts: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        at = dollar + 1
        if text.startswith("$", at):
            parts.append("$")
            at += 1
        elif text.startswith("{", at):
            end = _closing(text, dollar)
            parts.append(_braced(text[at + 1 : end], lookup, unset, depth))
            at = end + 1
        elif match := _NAME.match(text, at):
            parts.append(_plain(match.group(), lookup, unset))
            at = match.end()
        else:
            parts.append("$")
    return "".join(parts) + text[at:]


def _closing(text: str, start: int) -> int:
    """Index of the brace that closes the `${` at `start`; every brace inside counts, as in Compose.

    Where braces do not match, the last one of the text closes it, as there too.
    """
    depth = 0
    for at in range(start + 1, len(text)):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
    last = text.rfind("}", start)
    if last > 0:
        return last
    raise BadVariable(f"{printable(text[start:])} is not closed", "Add '}', or write $$ for a literal dollar.")


def _braced(inside: str, lookup: Lookup, unset: Callable[[str], None], depth: int) -> str:
    match = _NAME.match(inside)
    name = match.group() if match else ""
    rest = inside[len(name) :]
    operator = next((o for o in _OPERATORS if rest.startswith(o)), "")
    if not name or (rest and not operator):
        fix = "Use ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+other}, or $$ for a literal dollar."
        raise BadVariable("${" + printable(inside) + "} is no variable", fix)
    if not operator:
        return _plain(name, lookup, unset)
    value = lookup(name)
    there = bool(value) if operator.startswith(":") else value is not None
    other = rest[len(operator) :]
    match operator[-1]:
        case "-":
            return value or "" if there else fill(other, lookup, unset, depth + 1)
        case "+":
            return fill(other, lookup, unset, depth + 1) if there else ""
        case _:
            if there:
                return value or ""
            raise _missing(name, value, fill(other, lookup, unset, depth + 1))


def _missing(name: str, value: str | None, message: str) -> BadVariable:
    how = "is not set" if value is None else "is empty"
    said = f": {printable(message)}" if message else ""
    return BadVariable(f"{name} {how}{said}", f"Set {name} in the environment, in .env or with --env-file.")


def _plain(name: str, lookup: Lookup, unset: Callable[[str], None]) -> str:
    value = lookup(name)
    if value is None:
        unset(name)
    return value or ""
