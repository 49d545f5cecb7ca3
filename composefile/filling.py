"""Fills the variables of a parsed Compose file in, value by value, before files are merged. Keys are left alone.

What comes out is for the readers of this package: a literal dollar is `$$` in it. Called by `loading`.
"""

import msgspec

from composefile.errors import Findings, Mark, printable, quoted
from composefile.variables import BadVariable, Lookup, fill
from composefile.yamltext import Entry, Listing, Mapping, Node, Scalar
from protocol.api import Problem


def literal(text: str, mark: Mark) -> Scalar:
    """A text value that is taken as it is."""
    return Scalar(text=text.replace("$", "$$"), kind="text", mark=mark)


class Filler:
    """Fills in values from `lookup`. Notes what cannot be filled in, and once for each name what is not set."""

    def __init__(self, lookup: Lookup, findings: Findings) -> None:
        self._lookup = lookup
        self._findings = findings
        self._unset: set[str] = set()

    def file(self, root: Mapping) -> Mapping:
        """A whole file. Keys under `x-…` that are for other tools stay as they are."""
        entries = tuple(self._entry(entry, entry.key, leave=_is_foreign(entry.key)) for entry in root.entries)
        return msgspec.structs.replace(root, entries=entries)

    def _entry(self, entry: Entry, path: str, leave: bool) -> Entry:
        value = entry.value if leave else self._node(entry.value, entry.mark, path)
        return msgspec.structs.replace(entry, value=value)

    def _node(self, node: Node, mark: Mark, path: str) -> Node:
        match node:
            case Scalar():
                return self._scalar(node, mark, path) if "$" in node.text else node
            case Listing():
                items = (self._node(item, item.mark, f"{path}[{index}]") for index, item in enumerate(node.items))
                return msgspec.structs.replace(node, items=tuple(items))
            case Mapping():
                entries = (
                    self._entry(entry, f"{path}.{printable(entry.key)}", leave=_is_foreign(entry.key))
                    for entry in node.entries
                )
                return msgspec.structs.replace(node, entries=tuple(entries))

    def _scalar(self, node: Scalar, mark: Mark, path: str) -> Scalar:
        def unset(name: str) -> None:
            if name not in self._unset:
                self._unset.add(name)
                message = f"the variable {quoted(name)} is not set and becomes empty"
                self._findings.warn(_problem(mark, path, message, f"Set it, or write ${{{name}:-default}}."))

        try:
            text = fill(node.text, self._lookup, unset)
        except BadVariable as error:
            self._findings.error(_problem(mark, path, error.message, error.fix))
            return msgspec.structs.replace(node, kind="wrong")
        return msgspec.structs.replace(node, text=text.replace("$", "$$"), kind="text")


def _is_foreign(key: str) -> bool:
    return key.startswith("x-") and key != "x-rope"


def _problem(mark: Mark, path: str, message: str, fix: str) -> Problem:
    return Problem(message=message, field=path, line=mark.line, column=mark.column, fix=fix, file=mark.file)
