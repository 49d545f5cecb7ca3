"""YAML text -> a tree of nodes that know their place. YAML 1.2 core rules, anchors and merge keys worked out.

Knows nothing of Compose. Bounded: text, depth, nodes and characters after aliases are expanded, so a file cannot grow
in memory (a YAML bomb is refused before anything big is built). Called by `read` only.
"""

import re
from collections.abc import Generator, Iterator
from typing import Any, Literal, cast, get_args

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner, ScannerError

from composefile.errors import ComposeError, Findings, Mark, printable, quoted
from protocol.api import Problem

TEXT_MAX = 1024 * 1024
"""Bytes of a file."""

DEPTH_MAX = 64
"""Levels of lists and mappings inside each other."""

NODES_MAX = 10_000
"""Nodes of a file, every alias counted as a copy of what it stands for."""

CHARACTERS_MAX = 2 * TEXT_MAX
"""Characters of all values, every alias counted as a copy."""

TAG_MAX = 128
"""Characters of an explicit tag."""

Kind = Literal["text", "int", "float", "bool", "null", "wrong"]
"""How YAML 1.2 reads a value. `wrong`: it could not be worked out, which has been noted; no reader takes it."""

Change = Literal["", "reset", "override"]
"""What a value does with the one it comes over when files are merged: `!reset` removes it, `!override` replaces it."""


class Scalar(msgspec.Struct, frozen=True, kw_only=True):
    """One value as written; `kind` is how YAML 1.2 reads it."""

    text: str
    kind: Kind
    mark: Mark
    change: Change = ""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A YAML sequence."""

    items: "tuple[Node, ...]"
    mark: Mark
    change: Change = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a mapping, where it stands, and its value."""

    key: str
    mark: Mark
    value: "Node"


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """A YAML mapping: each key once, merged keys after its own."""

    entries: tuple[Entry, ...]
    mark: Mark
    change: Change = ""


Node = Scalar | Listing | Mapping

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG_PREFIX = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, Kind] = {"str": "text", "int": "int", "float": "float", "bool": "bool", "null": "null"}
_TAB = "Indent with spaces; YAML does not take tabs."

# ruamel.yaml raises these on some malformed texts where a YAMLError would be right (a reserved construct, a code point
# beyond Unicode, an unfinished escape); for us each of them means "not YAML".
_NOT_YAML = (
    YAMLError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
)


def parse(text: str, findings: Findings, *, file: str = "", merging: bool = False) -> Node | None:
    """The tree of a file; None for a file without content.

    `file`: its name, in every mark ("" = there is one file only). `merging`: `!reset` and `!override` are taken.
    Keys given twice and tags we do not know are noted in `findings` and reading goes on; everything that leaves no
    tree (syntax, limits) raises ComposeError.
    """
    findings.follow(file)
    try:
        _check_text(text)
    except ComposeError as error:
        raise ComposeError([_in_file(p, file) for p in error.problems]) from error
    events = _events(text)
    try:
        return _Composer(events, findings, file, merging).document()
    except _Refusal as error:
        problem = error.problem
    except MarkedYAMLError as error:
        problem = _syntax_problem(error)
    except ReaderError as error:
        problem = _character_problem(text, error)
    except _NOT_YAML as error:
        problem = Problem(message=f"not YAML: {printable(str(error))}", line=1, column=1)
    finally:
        events.close()
    raise ComposeError((*findings.errors, _in_file(problem, file)), findings.warnings)


def _in_file(problem: Problem, file: str) -> Problem:
    return msgspec.structs.replace(problem, file=file)


class _Refusal(Exception):
    """No tree can be made of this file; becomes a ComposeError in `parse`."""

    def __init__(self, event: Any, message: str, fix: str) -> None:
        super().__init__(message)
        mark = _mark(event.start_mark)
        self.problem = Problem(message=message, line=mark.line, column=mark.column, fix=fix)


def _check_text(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        line, column = _place(text, error.start)
        raise ComposeError(
            [Problem(message="not Unicode text", line=line, column=column, fix="Save the file as UTF-8.")]
        ) from error
    if size > TEXT_MAX:
        raise ComposeError([Problem(message=f"{size} bytes; a file has at most {TEXT_MAX}", line=1, column=1)])


class _Scanner(Scanner):
    """ruamel's, with a limit on tags: it takes quadratic time (14 s for 1 MiB) to read a long one."""

    def scan_tag(self) -> Any:
        if not any(c in "\0 \t\r\n\x85\u2028\u2029" for c in self.reader.prefix(TAG_MAX + 1)):
            raise ScannerError(None, None, f"a tag of more than {TAG_MAX} characters", self.reader.get_mark())
        return super().scan_tag()


def _events(text: str) -> Generator[Any, None, None]:
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _Scanner
    yield from yaml.parse(text)


def _place(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1


def _syntax_problem(error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    what = str(error.problem or error.context or error)
    message = "not YAML: " + " ".join(part for part in (str(error.context or ""), what) if part)
    place = _mark(mark) if mark is not None else Mark()
    fix = _TAB if r"\t" in what else ""
    if "could not find expected ':'" in what or "mapping values are not allowed" in what:
        fix = "Check the indentation, and quote a value that contains ': '."
    return Problem(message=message[:300], line=place.line, column=place.column, fix=fix)


def _character_problem(text: str, error: ReaderError) -> Problem:
    line, column = _place(text, error.position)
    message = f"not YAML: unacceptable character #x{int(error.character):04x}"
    return Problem(message=message, line=line, column=column, fix="Remove it.")


def _mark(mark: Any, file: str = "") -> Mark:
    return Mark(line=mark.line + 1, column=mark.column + 1, file=file)


class _Anchored(msgspec.Struct, frozen=True, kw_only=True):
    node: Node
    nodes: int
    characters: int


class _Composer:
    """Events -> nodes. One per file."""

    def __init__(self, events: Iterator[Any], findings: Findings, file: str, merging: bool) -> None:
        self._events = events
        self._file = file
        self._merging = merging
        self._findings = findings
        self._anchors: dict[str, _Anchored | None] = {}
        self._nodes = 0
        self._characters = 0
        self._depth = 0

    def document(self) -> Node | None:
        """The root node; None when the file has no content."""
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Refusal(event, "a second document", "Keep one document: remove '---' and what follows.")
                if event.version is not None or event.tags:
                    raise _Refusal(event, "a directive", "Remove the line that starts with '%'.")
            elif isinstance(event, NodeEvent):
                root = self._node(event, "")
        return None if isinstance(root, Scalar) and root.kind == "null" else root

    def _node(self, event: Any, path: str) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event)
        nodes, characters = self._nodes, self._characters
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._count(event, 1, 0)
        node: Node
        if isinstance(event, ScalarEvent):
            node = self._scalar(event, path)
        elif isinstance(event, SequenceStartEvent):
            node = self._listing(event, path)
        else:
            node = self._mapping(event, path)
        if event.anchor is not None:
            size = _Anchored(node=node, nodes=self._nodes - nodes, characters=self._characters - characters)
            self._anchors[event.anchor] = size
        return node

    def _count(self, event: Any, nodes: int, characters: int) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > NODES_MAX:
            raise _Refusal(event, f"more than {NODES_MAX} values once aliases are expanded", "Split the project.")
        if self._characters > CHARACTERS_MAX:
            raise _Refusal(event, f"more than {CHARACTERS_MAX} characters once aliases are expanded", "Repeat less.")

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise _Refusal(event, f"the alias *{printable(event.anchor)} has no anchor", "Define it above its use.")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise _Refusal(event, f"the anchor &{printable(event.anchor)} contains itself", "Remove the alias.")
        self._count(event, anchored.nodes, anchored.characters)
        return anchored.node

    def _scalar(self, event: Any, path: str) -> Scalar:
        self._count(event, 0, len(event.value))
        mark = self._at(event)
        if not event.value.isascii():
            try:
                event.value.encode()
            except UnicodeEncodeError as error:
                raise _Refusal(event, "half of a surrogate pair", r"Write the character itself, or \U.") from error
        tag, change = self._tag(event, path)
        written = "text" if event.style else kind_of(event.value)
        kind = _SCALAR_TAGS.get(tag, written)
        if kind not in ("text", written):
            self._error(mark, path, f"{quoted(event.value)} is not of the type {tag}", "Remove the tag.")
            kind = "text"
        return Scalar(text=event.value, kind=kind, mark=mark, change=change)

    def _tag(self, event: Any, path: str) -> tuple[str, Change]:
        """Short name of an explicit tag ("" when there is none), and what it changes; unknown ones are an error."""
        if event.ctag is None:
            return "", ""
        handle, suffix = event.ctag.handle or "", event.ctag.suffix
        short = suffix if handle == "!!" else suffix.removeprefix(_TAG_PREFIX) if not handle else ""
        if short == "!" and not handle:  # the non-specific tag "! x": text
            return "str", ""
        if self._merging and handle == "!" and suffix in get_args(Change):
            return "", cast(Change, suffix)
        if short not in _SCALAR_TAGS and short not in ("map", "seq"):
            fix = "Deploy with rope, which merges files." if suffix in get_args(Change) else "Remove it."
            self._error(self._at(event), path, f"the tag {quoted(handle + suffix)} is not supported", fix)
        return str(short), ""

    def _at(self, event: Any) -> Mark:
        return _mark(event.start_mark, self._file)

    def _listing(self, event: Any, path: str) -> Listing:
        _, change = self._tag(event, path)
        self._enter(event)
        items: list[Node] = []
        for inner in self._events:
            if isinstance(inner, SequenceEndEvent):
                break
            items.append(self._node(inner, f"{path}[{len(items)}]"))
        self._depth -= 1
        return Listing(items=tuple(items), mark=self._at(event), change=change)

    def _mapping(self, event: Any, path: str) -> Mapping:
        _, change = self._tag(event, path)
        self._enter(event)
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        merge_seen = False
        for inner in self._events:
            if isinstance(inner, MappingEndEvent):
                break
            plain = isinstance(inner, ScalarEvent) and not inner.style
            mark = self._at(inner)
            key = self._key(inner, path)
            at = f"{path}.{printable(key)}" if path else printable(key)
            value = self._node(next(self._events), at)
            if key == "<<" and plain:
                if merge_seen:
                    self._error(mark, at, "<< is given twice", "Write it once: <<: [*a, *b].")
                merge_seen = True
                for entry in self._merge(value, mark, at):
                    merged.setdefault(entry.key, entry)
            elif key in own:
                first = own[key].mark.line
                self._error(mark, at, f"given twice; first in line {first}", "Keep one of them.")
            else:
                own[key] = Entry(key=key, mark=mark, value=value)
        self._depth -= 1
        entries = tuple(own.values()) + tuple(e for k, e in merged.items() if k not in own)
        return Mapping(entries=entries, mark=self._at(event), change=change)

    def _key(self, event: Any, path: str) -> str:
        node = self._node(event, path)
        if isinstance(node, Scalar) and node.kind != "null":
            return node.text
        raise _Refusal(event, "a key must be plain text", "Quote the key, or remove it.")

    def _merge(self, value: Node, mark: Mark, path: str) -> Iterator[Entry]:
        """The entries that `<<: value` brings, the first mapping of a list winning (YAML merge rules)."""
        for part in value.items if isinstance(value, Listing) else (value,):
            if isinstance(part, Mapping):
                yield from part.entries
            else:
                self._error(mark, path, "<< takes a mapping or a list of mappings", "Write <<: *anchor.")

    def _enter(self, event: Any) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _Refusal(event, f"nested deeper than {DEPTH_MAX} levels", "Flatten it.")

    def _error(self, mark: Mark, path: str, message: str, fix: str) -> None:
        problem = Problem(message=message, field=path, line=mark.line, column=mark.column, fix=fix, file=mark.file)
        self._findings.error(problem)


def kind_of(text: str) -> Kind:
    """How YAML 1.2 reads `text` where it stands without quotes."""
    if _NULL.fullmatch(text):
        return "null"
    if _BOOL.fullmatch(text):
        return "bool"
    if _INT.fullmatch(text):
        return "int"
    return "float" if _FLOAT.fullmatch(text) else "text"
