"""Compose files -> one tree: variables, extends, include, several files over each other. No I/O of its own.

The order is Compose's: each file is filled in, then `extends`, then `include`, then it is merged over the ones before.
Called by `resolving`.
"""

import msgspec

from composefile import inner
from composefile.envfiles import rebase, variables_of
from composefile.errors import ComposeError, Findings, escaped, quoted
from composefile.extending import Extender, Home
from composefile.field import Field
from composefile.filling import Filler
from composefile.merging import merge_files, settle
from composefile.sources import STDIN, Files, Scope, directory_of, joined
from composefile.yamltext import Entry, Listing, Mapping, Node, Scalar, parse
from protocol.api import Problem

_IMPORTED = ("services", "networks", "volumes", "configs", "secrets")
"""What an included file brings."""


class Loader:
    """Loads the files of one request; everything wrong is noted in `findings`, and loading goes on."""

    def __init__(self, files: Files, findings: Findings) -> None:
        self._files = files
        self._findings = findings
        self._homes: dict[tuple[str, int], Home | None] = {}
        self._kept: list[object] = []  # what the ids in `_homes` stand for

    def env_files(self, paths: tuple[str, ...], known: dict[str, str], at: Field, *, required: bool) -> dict[str, str]:
        """The variables of env files, a later one over an earlier one; values may name those in `known`."""
        found: dict[str, str] = {}
        for path in paths:
            text = self._files.text(path, at.mark, at.path, required=required)
            if text is not None:
                asked = {**found, **known}
                found |= {v.name: v.value for v in variables_of(text, path, asked.get, self._findings)}
        return found

    def tree(self, path: str, at: Field) -> Mapping | None:
        """The parsed file, nothing worked out; None when it is not to be used, which is noted."""
        shown = "stdin" if path == STDIN else path
        text = self._files.text(path, at.mark, at.path)
        if text is None:
            return None
        try:
            node = parse(text.removeprefix("\ufeff"), self._findings, file=shown, merging=True)
        except ComposeError as error:
            for problem in error.problems:
                self._findings.error(problem)
            return None
        if isinstance(node, Mapping):
            return node
        what = "the file is empty" if node is None else "must be a mapping"
        self._findings.error(Problem(message=what, line=1, column=1, file=shown, fix="Add services:."))
        return None

    def project(
        self, trees: tuple[tuple[str, Mapping], ...], scope: Scope, chain: tuple[str, ...] = ()
    ) -> Mapping | None:
        """Files (path, tree) over each other. `chain`: the files that include them."""
        merged: Mapping | None = None
        for path, tree in trees:
            one = self._file(path, tree, scope, (*chain, path))
            merged = one if merged is None else merge_files(merged, one, self._findings)
        return settle(merged) if merged is not None else None

    def _file(self, path: str, tree: Mapping, scope: Scope, chain: tuple[str, ...]) -> Mapping:
        home, root = self._home(path, tree, scope)
        extender = Extender(self._find, self._findings)
        entries: dict[str, Entry] = {}
        for entry in root.entries:
            if entry.key == "services" and isinstance(entry.value, Mapping):
                services = tuple(
                    msgspec.structs.replace(e, value=extender.service(home, e.key)) for e in entry.value.entries
                )
                value = msgspec.structs.replace(entry.value, entries=services)
                entries[entry.key] = msgspec.structs.replace(entry, value=value)
            elif entry.key != "include":
                entries[entry.key] = entry
        filled = msgspec.structs.replace(root, entries=tuple(entries.values()))
        include = next((e for e in root.entries if e.key == "include"), None)
        if include is None:
            return filled
        field = self._field(include, "include")
        for item in field.collect(lambda f: tuple(f.items()), ()) if not field.is_null else ():
            included = item.collect(lambda f: self._included(f, scope, chain), None)
            filled = self._imported(filled, included, item) if included is not None else filled
        return filled

    def _home(self, path: str, tree: Mapping, scope: Scope) -> tuple[Home, Mapping]:
        """The file filled in, and its services as `extends` sees them."""
        root = Filler(scope.lookup, self._findings).file(tree)
        services: dict[str, Field] = {}
        for entry in root.entries:
            if entry.key == "services" and isinstance(entry.value, Mapping):
                for service in entry.value.entries:
                    node = rebase(service.value, scope) if isinstance(service.value, Mapping) else service.value
                    bound = msgspec.structs.replace(service, value=node)
                    services[service.key] = self._field(bound, f"services.{service.key}")
        return Home(file="stdin" if path == STDIN else path, scope=scope, services=services), root

    def _find(self, field: Field, home: Home) -> Home | None:
        """The file that `extends.file` names; each is read once for the same variables."""
        path = field.collect(lambda f: home.scope.path(f.text()), "")
        if not path or path == home.file:
            return home if path else None
        key = (path, id(home.scope.variables))
        if key not in self._homes:
            self._kept.append(home.scope.variables)
            tree = self.tree(path, field)
            scope = Scope(directory=directory_of(path), variables=home.scope.variables)
            self._homes[key] = None if tree is None else self._home(path, tree, scope)[0]
        return self._homes[key]

    def _included(self, field: Field, scope: Scope, chain: tuple[str, ...]) -> Mapping | None:
        """The project that one entry of `include` names. Raises Fault."""
        written, directory, env_files = _include(field)
        paths = tuple(scope.path(path) for path in written)
        if not paths:
            return None
        if paths[0] in chain:
            shown = " → ".join(map(escaped, (*chain, paths[0])))
            raise field.fault(f"files include each other in a circle: {shown}", "Remove one of them.")
        directory = scope.path(directory) if directory else directory_of(paths[0])
        known = dict(scope.variables)
        wanted = tuple(scope.path(path) for path in env_files) or (joined(directory, ".env"),)
        own = self.env_files(wanted, known, field, required=bool(env_files))
        trees = tuple((path, tree) for path in paths if (tree := self.tree(path, field)) is not None)
        within = Scope(directory=directory, variables={**own, **known})
        self._kept.append(within.variables)
        return self.project(trees, within, chain)

    def _imported(self, root: Mapping, included: Mapping, at: Field) -> Mapping:
        """`root` with what an included file brings. The same name with another content is an error."""
        entries = {entry.key: entry for entry in root.entries}
        for entry in included.entries:
            if entry.key == "x-rope":
                field = self._field(entry, "x-rope")
                field.warn("not taken from an included file", "Write it in the including file, or in each service.")
            if entry.key not in _IMPORTED or not isinstance(entry.value, Mapping):
                continue
            known = entries.get(entry.key)
            there = known.value if known is not None and isinstance(known.value, Mapping) else None
            parts = {e.key: e for e in there.entries} if there is not None else {}
            for part in entry.value.entries:
                if part.key in parts and not same(parts[part.key].value, part.value):
                    self._conflict(entry.key, parts[part.key], part)
                parts.setdefault(part.key, part)
            value = Mapping(entries=tuple(parts.values()), mark=(known or entry).mark)
            entries[entry.key] = Entry(key=entry.key, mark=(known or entry).mark, value=value)
        return msgspec.structs.replace(root, entries=tuple(entries.values()))

    def _conflict(self, section: str, one: Entry, other: Entry) -> None:
        field = self._field(one, f"{section}.{one.key}")
        message = (
            f"{quoted(one.key)} is another one in {escaped(other.mark.file)} line {other.mark.line}, which is included"
        )
        field.error(message, "Give it another name, or change it in a file of its own (a second -f).")

    def _field(self, entry: Entry, path: str) -> Field:
        return Field(path=path, name=entry.key, node=entry.value, mark=entry.mark, findings=self._findings)


def _include(field: Field) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """(paths, project directory, env files) of one entry, as written."""
    if field.is_scalar:
        return (field.text(),), "", ()
    entries = field.entries(inner.INCLUDE)
    if not entries.has("path"):
        raise field.fault("include needs path", "Add path:.")
    directory = entries.read("project_directory", Field.text, "")
    return entries.read("path", _strings, ()), directory, entries.read("env_file", _strings, ())


def _strings(field: Field) -> tuple[str, ...]:
    items = (field,) if field.is_scalar else tuple(field.items())
    return tuple(text for item in items if (text := item.collect(Field.text, "")))


def same(one: Node, other: Node) -> bool:
    """True when two nodes say the same, wherever they stand."""
    match one, other:
        case Scalar(), Scalar():
            return (one.text, one.kind) == (other.text, other.kind)
        case Listing(), Listing():
            return len(one.items) == len(other.items) and all(map(same, one.items, other.items))
        case Mapping(), Mapping():
            mine, others = ({e.key: e.value for e in node.entries} for node in (one, other))
            return mine.keys() == others.keys() and all(same(mine[key], others[key]) for key in mine)
        case _:
            return False
