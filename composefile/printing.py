"""A tree of nodes -> YAML text that reads back as the same tree, with the place each of its lines came from.

Block style, one key or item a line. Texts that another YAML reader could take for something else are in quotes.
Called by `resolving`.
"""

import re

from composefile.errors import Mark
from composefile.yamltext import Listing, Mapping, Node, Scalar, kind_of
from protocol.api import SourceMap

_PLAIN = re.compile(r"[A-Za-z_./$][A-Za-z0-9_./$@+=-]*(?:[ :][A-Za-z0-9_./$@+=-]+)*")
_WORDS = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|~|=")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_STEP = 2


def print_tree(root: Mapping) -> tuple[str, SourceMap]:
    """(text, source map)."""
    printer = _Printer()
    printer.mapping(root, 0)
    return "\n".join([*printer.lines, ""]), SourceMap(files=tuple(printer.files), places=tuple(printer.places))


class _Printer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.files: dict[str, int] = {}
        self.places: list[tuple[int, int, int, int, int]] = []

    def mapping(self, node: Mapping, indent: int, head: str = "") -> None:
        """`head`: the `- ` before the first key, for an item of a list."""
        for entry in node.entries:
            start = head or " " * indent
            self._note(indent + 1, entry.mark)
            self._value(f"{start}{quote(entry.key)}:", entry.value, indent)
            head = ""

    def _value(self, start: str, node: Node, indent: int) -> None:
        match node:
            case Scalar():
                self.lines.append(start if node.kind == "null" else f"{start} {_written(node)}")
            case Mapping(entries=()):
                self.lines.append(f"{start} {{}}")
            case Listing(items=()):
                self.lines.append(f"{start} []")
            case Mapping():
                self.lines.append(start)
                self.mapping(node, indent + _STEP)
            case Listing():
                self.lines.append(start)
                self._listing(node, indent + _STEP)

    def _listing(self, node: Listing, indent: int) -> None:
        for item in node.items:
            head = " " * indent + "- "
            self._note(indent + 3, item.mark)
            match item:
                case Scalar():
                    self.lines.append(head + ("null" if item.kind == "null" else _written(item)))
                case Mapping() if item.entries:
                    self.mapping(item, indent + _STEP, head)
                case Mapping():
                    self.lines.append(head + "{}")
                case Listing():
                    self.lines.append(head + "[]" if not item.items else head.rstrip())
                    self._listing(item, indent + _STEP)

    def _note(self, column: int, mark: Mark) -> None:
        """The next line has something at `column` that stands at `mark` in a file."""
        number = self.files.setdefault(mark.file, len(self.files))
        self.places.append((len(self.lines) + 1, column, number, mark.line, mark.column))


def _written(node: Scalar) -> str:
    return quote(node.text) if node.kind == "text" else node.text


def quote(text: str) -> str:
    """`text` as a YAML scalar that is read as this text: as it is where no reader can mistake it, else in quotes."""
    plain = _PLAIN.fullmatch(text) and kind_of(text) == "text" and not _WORDS.fullmatch(text) and len(text) <= 200
    if plain and ": " not in text:
        return text
    return '"' + "".join(_ESCAPES.get(char) or _printed(char) for char in text) + '"'


def _printed(char: str) -> str:
    if char == " " or (char.isprintable() and char != "\ufeff"):
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"
