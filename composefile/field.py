"""A value of the file with its path and place: typed reading, child fields, and errors that say where.

A reader function takes a `Field`, returns a value, or raises `field.fault(...)`. `collect` turns a fault into a noted
error and goes on with a default, so that one pass finds every error. Called by every reader of this package.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from composefile.errors import Fault, Findings, Mark, printable, quoted
from composefile.rules import NO_PERMISSION, Rules, nearest
from composefile.yamltext import Listing, Mapping, Node, Scalar
from protocol.api import Problem

VALUE_MAX = 32 * 1024
"""Bytes of one value; what an environment variable may hold, and more than any other value needs."""

T = TypeVar("T")
D = TypeVar("D")

_DOLLAR = re.compile(r"\$(?:\$|(\{[^}]*\}?|[A-Za-z_][A-Za-z0-9_]*)|)")
_TRUE = ("true", "yes", "on", "y")
_FALSE = ("false", "no", "off", "n")


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One value: `path` as people write it (`services.web.ports[0]`), `mark` is where its key (or item) stands."""

    path: str
    name: str
    node: Node
    mark: Mark
    findings: Findings

    # -- findings ---------------------------------------------------------------------------------------------------

    def problem(self, message: str, fix: str = "") -> Problem:
        """A Problem at this place."""
        mark = self.mark
        return Problem(message=message, field=self.path, line=mark.line, column=mark.column, fix=fix, file=mark.file)

    def fault(self, message: str, fix: str = "") -> Fault:
        """What a reader raises when it cannot make a value of this field."""
        return Fault(self.problem(message, fix))

    def error(self, message: str, fix: str = "") -> None:
        """Note an error here and go on."""
        self.findings.error(self.problem(message, fix))

    def warn(self, message: str, fix: str = "") -> None:
        """Note a warning here."""
        self.findings.warn(self.problem(message, fix))

    def collect(self, read: "Callable[[Field], T]", default: D) -> T | D:
        """`read(self)`, or `default` with the error noted."""
        try:
            return read(self)
        except Fault as fault:
            if fault.problem is not None:
                self.findings.error(fault.problem)
            return default

    # -- shape ------------------------------------------------------------------------------------------------------

    @property
    def is_null(self) -> bool:
        """True when nothing is written after the key."""
        return isinstance(self.node, Scalar) and self.node.kind == "null"

    @property
    def is_scalar(self) -> bool:
        """True for a single value."""
        return isinstance(self.node, Scalar)

    @property
    def is_list(self) -> bool:
        """True for a list."""
        return isinstance(self.node, Listing)

    @property
    def is_map(self) -> bool:
        """True for a mapping."""
        return isinstance(self.node, Mapping)

    def items(self) -> "Iterator[Field]":
        """The items of a list. Raises Fault when it is none."""
        if not isinstance(self.node, Listing):
            raise self.fault("must be a list", "Write each item on a line of its own after '- '.")
        for index, node in enumerate(self.node.items):
            name = f"[{index}]"
            yield Field(path=self.path + name, name=name, node=node, mark=node.mark, findings=self.findings)

    def pairs(self) -> "Iterator[Field]":
        """The values of a mapping with free keys; `name` is the key. Raises Fault when it is none."""
        if not isinstance(self.node, Mapping):
            raise self.fault("must be a mapping", "Write 'key: value' lines below it.")
        for entry in self.node.entries:
            path = f"{self.path}.{printable(entry.key)}" if self.path else printable(entry.key)
            yield Field(path=path, name=entry.key, node=entry.value, mark=entry.mark, findings=self.findings)

    def entries(self, rules: Rules) -> "Entries":
        """The values of a mapping with known keys. Keys that `rules` do not support are noted as they say."""
        return Entries({f.name: f for f in self.pairs() if _admit(f, rules)})

    def with_text(self, text: str) -> "Field":
        """A part of this field's value, at the same place. `text` has been through `written` or `text` already."""
        node = Scalar(text=text.replace("$", "$$"), kind="text", mark=self.mark)
        return msgspec.structs.replace(self, node=node)

    # -- values -----------------------------------------------------------------------------------------------------

    def written(self) -> str:
        """Any single value as it is written, `$$` read as `$`. Raises Fault for a list, a mapping, null or `$NAME`."""
        if not isinstance(self.node, Scalar):
            raise self.fault("must be a single value, not a list or mapping")
        if self.node.kind == "null":
            raise self.fault("has no value", "Write a value, or remove the key.")
        if self.node.kind == "wrong":
            raise Fault(None)
        return self._plain(self.node.text)

    def text(self) -> str:
        """A string. Numbers and true/false are refused, as in Compose: they would be read as something else."""
        value = self.written()
        if isinstance(self.node, Scalar) and self.node.kind != "text":
            raise self.fault(f"must be text, not {value}", f'Quote it: "{value}".')
        return value

    def scalar(self) -> Scalar:
        """The scalar node with `$` worked out in its text. Raises Fault for a list or mapping."""
        if not isinstance(self.node, Scalar):
            raise self.fault("must be a single value, not a list or mapping")
        if self.node.kind == "wrong":
            raise Fault(None)
        return msgspec.structs.replace(self.node, text=self._plain(self.node.text))

    def _plain(self, text: str) -> str:
        if len(text) > VALUE_MAX or (not text.isascii() and len(text.encode()) > VALUE_MAX):
            raise self.fault(f"longer than {VALUE_MAX} bytes", "Mount a file instead.")
        if "\0" in text:
            raise self.fault("contains a NUL character", "Remove it.")
        return _DOLLAR.sub(self._dollar, text) if "$" in text else text

    def _dollar(self, match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        if match.group() == "$":
            raise self.fault('a single "$" is not a value', "Write $$ for a literal dollar.")
        message = f"{printable(match.group())}: variables are not filled in; the Center has no shell environment"
        raise self.fault(message, "Deploy with rope, which fills them in, or write $$ for a literal dollar.")

    def boolean(self) -> bool:
        """True or False. The YAML 1.1 words (yes, on, …) are taken with a warning, as Compose does."""
        value = self.written().lower()
        if value not in _TRUE + _FALSE:
            raise self.fault(f"must be true or false, not {quoted(self.written())}")
        if value not in ("true", "false"):
            self.warn(f"{quoted(value)} is no boolean in YAML 1.2", "Write true or false.")
        return value in _TRUE

    def integer(self, lowest: int, highest: int) -> int:
        """A whole number in `lowest..highest`, written as a number or as text."""
        value = self.written()
        if not re.fullmatch(r"[-+]?[0-9]{1,18}", value):
            raise self.fault(f"must be a whole number, not {quoted(value)}")
        number = int(value)
        if not lowest <= number <= highest:
            raise self.fault(f"must be between {lowest} and {highest}, not {number}")
        return number

    def number(self, lowest: float, highest: float) -> float:
        """A number in `lowest..highest`, written as a number or as text."""
        value = self.written()
        try:
            number = float(value) if len(value) <= 40 and "_" not in value else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.fault(f"must be a number, not {quoted(value)}")
        if not lowest <= number <= highest:
            raise self.fault(f"must be between {lowest:g} and {highest:g}, not {number:g}")
        return number

    def choice(self, *allowed: str) -> str:
        """One of the words `allowed`."""
        value = self.written()
        if value not in allowed:
            raise self.fault(f"must be {_either(allowed)}, not {quoted(value)}")
        return value


class Entries:
    """The supported keys of one mapping. An absent key and a key without a value both read as the default."""

    def __init__(self, fields: dict[str, Field]) -> None:
        self._fields = fields

    def has(self, key: str) -> bool:
        """True when the key is there with a value."""
        return key in self._fields and not self._fields[key].is_null

    def get(self, key: str) -> Field | None:
        """The field of a key that has a value."""
        return self._fields[key] if self.has(key) else None

    def read(self, key: str, read: Callable[[Field], T], default: D) -> T | D:
        """The key's value, or `default` when it is absent or wrong (then noted)."""
        field = self.get(key)
        return default if field is None else field.collect(read, default)


def _admit(field: Field, rules: Rules) -> bool:
    rule = rules.get(field.name)
    if rule is None:
        _unknown(field, rules)
        return False
    match rule.kind:
        case "supported" if rule.by_rope and not field.is_null:
            field.error(
                "worked out by rope before a file is sent; the Center has no files and variables",
                "Deploy with rope, or send what rope compose config prints.",
            )
        case "supported":
            return True
        case "warning":
            field.warn(f"ignored: {rule.text}", rule.fix)
        case "permission":
            field.error(f"{NO_PERMISSION}: {rule.text}", rule.fix)
        case "refused":
            field.error(rule.text if rule.text.startswith("not supported") else f"not supported: {rule.text}", rule.fix)
    return False


def _unknown(field: Field, rules: Rules) -> None:
    close = "" if field.findings.many else _closest(field.name, rules)
    if field.name == "x-rope":
        field.error("x-rope has no meaning here", "Put it in a service, or at the top level.")
    elif field.name.startswith("x-"):  # Compose's own rule: extension fields are for other tools
        if field.name.startswith("x-rop"):
            field.warn(f"{quoted(field.name)} is left to other tools", 'Did you mean "x-rope"?')
    elif close:
        field.error("unknown key", f'Did you mean "{close}"?')
    else:
        field.error("unknown key", "Remove it, or name it x-… when another tool reads it.")


def _closest(name: str, rules: Rules) -> str:
    usable = [key for key, rule in rules.items() if rule.kind in ("supported", "warning")]
    return nearest(name, usable) or nearest(name, rules)


def _either(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
