"""The text of an env file -> its variables, by the rules of Docker Compose. Pure; knows nothing of Compose files.

Called by `loading` (`.env`, `--env-file`) and `envfiles` (`env_file:`, `label_file:`).
"""

import re
from collections.abc import Callable, Iterator

import msgspec

from composefile.errors import printable
from composefile.variables import BadVariable, Lookup, fill

_KEY = re.compile(r"(?:export[ \t]+)?([^\s=:#'\"]+)[ \t]*([=:]?)[ \t]*")
_NAME = re.compile(r"[\w.\-\[\]]+")
_RAW = re.compile(r"[ \t]*([^\s=]+)(?:(=)(.*)|[ \t]*)")
_ESCAPE = re.compile(r'\\([abcfnrtv$"\\]|0[0-7]{0,3})')
_ESCAPED = {"a": "\a", "b": "\b", "c": "\\c", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "$": "$$"}


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One variable and the line it stands in."""

    name: str
    value: str
    line: int


Unset = Callable[[int, str], None]
"""Is told the line and the name of a variable that has no value and is filled in as ""."""


class BadEnvFile(Exception):
    """A text that is no env file: where, why, and how to mend it."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.fix = fix


def parse_raw(text: str, lookup: Lookup) -> Iterator[Variable]:
    """The variables of a file in `format: raw`: everything after `=` is the value, quotes and dollars too.

    A name alone has the value that `lookup` gives, and is left out when it gives none. Raises BadEnvFile.
    """
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _RAW.fullmatch(line)
        if match is None:
            raise BadEnvFile(number, f"{printable(line)} is no variable", "Write NAME=value; a name has no spaces.")
        value = match[3] if match[2] else lookup(match[1])
        if value is not None:
            yield Variable(name=match[1], value=value, line=number)


def parse(text: str, lookup: Lookup, unset: Unset) -> Iterator[Variable]:
    """The variables of an env file: `NAME=value`, quotes, comments, `export`, variables in values.

    `lookup` is asked before the variables above in the same file. A name alone has the value that `lookup` gives, and
    is left out when it gives none; a variable without a value is empty. Raises BadEnvFile.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found: dict[str, str] = {}
    at = 0
    while (at := _statement(text, at)) < len(text):
        line = text.count("\n", 0, at) + 1
        name, assigned, at = _name(text, at, line)
        if not assigned:
            value = lookup(name)
        else:
            value, at = _value(text, at, line, lambda key: _first(lookup(key), found.get(key)), unset)
        if value is not None:
            found[name] = value
            yield Variable(name=name, value=value, line=line)


def _first(one: str | None, other: str | None) -> str | None:
    return other if one is None else one


def _statement(text: str, at: int) -> int:
    """Where the next statement begins; the length of the text when there is none."""
    while at < len(text):
        if text[at] == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif not text[at].isspace():
            return at
        else:
            at += 1
    return at


def _name(text: str, at: int, line: int) -> tuple[str, bool, int]:
    """(name, whether a value follows, where)."""
    match = _KEY.match(text, at)
    if match is None or not _NAME.fullmatch(match[1]):
        raise BadEnvFile(line, f"{printable(_line(text, at))} is no variable", "Write NAME=value.")
    if not match[2] and match.end() < len(text) and text[match.end()] != "\n":
        raise BadEnvFile(line, f"{printable(_line(text, at))}: a name has no spaces", "Write NAME=value.")
    return match[1], bool(match[2]), match.end()


def _line(text: str, at: int) -> str:
    end = text.find("\n", at)
    return text[at:] if end < 0 else text[at:end]


def _value(text: str, at: int, line: int, lookup: Lookup, unset: Unset) -> tuple[str, int]:
    """(value, where it ends)."""
    quote = text[at : at + 1]
    try:
        if quote == "'":
            return _quoted(text, at, line)
        if quote == '"':
            inside, end = _quoted(text, at, line)
            return fill(_ESCAPE.sub(_unescaped, inside), lookup, lambda name: unset(line, name)), end
        written = _line(text, at)
        value = written.partition(" #")[0].rstrip()  # a # right after the = begins the value, as in Compose
        return fill(value, lookup, lambda name: unset(line, name)), at + len(written)
    except BadVariable as error:
        raise BadEnvFile(line, error.message, error.fix) from error


def _quoted(text: str, at: int, line: int) -> tuple[str, int]:
    """The text between the quote at `at` and the next one without a backslash before it, and where it ends."""
    quote = text[at]
    parts: list[str] = []
    index = at + 1
    while index < len(text):
        char = text[index]
        if char == quote:
            return "".join(parts), index + 1
        if char == "\\" and index + 1 < len(text):
            index += 1
            parts.append(quote if text[index] == quote else char + text[index])
        else:
            parts.append(char)
        index += 1
    raise BadEnvFile(line, f"{printable(_line(text, at))}: the quote is not closed", f"Add {quote} at the end.")


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if escape.startswith("0"):
        return chr(int(escape, 8) & 0xFF)
    return _ESCAPED.get(escape, escape)
