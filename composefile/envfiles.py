"""`env_file` and `label_file` of services -> `environment` and `labels`; names without a value from the variables.

Called by `loading`, when everything is merged.
"""

from collections.abc import Iterator

import msgspec

from composefile import inner
from composefile.dotenv import BadEnvFile, Variable, parse, parse_raw
from composefile.errors import Findings, Mark, quoted
from composefile.field import Field
from composefile.filling import literal
from composefile.sources import Files, Scope
from composefile.variables import Lookup
from composefile.yamltext import Entry, Listing, Mapping, Node, Scalar
from protocol.api import Problem


class EnvFile(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `env_file`, its path already joined with its directory."""

    path: str
    required: bool
    raw: bool
    field: Field


def rebase(service: Mapping, scope: Scope) -> Mapping:
    """`service` with the paths of its env and label files joined with the directory that they count from."""
    return _with(service, {key: _rebased(value, scope) for key, value in _both(service)})


def _both(service: Mapping) -> Iterator[tuple[str, Node]]:
    return ((e.key, e.value) for e in service.entries if e.key in ("env_file", "label_file"))


def _rebased(node: Node, scope: Scope) -> Node:
    match node:
        case Scalar(kind="text") if node.text:
            text = scope.path(node.text.replace("$$", "$")).replace("$", "$$")
            return msgspec.structs.replace(node, text=text)
        case Listing():
            return msgspec.structs.replace(node, items=tuple(_rebased(item, scope) for item in node.items))
        case Mapping():
            return _with(node, {e.key: _rebased(e.value, scope) for e in node.entries if e.key == "path"})
        case _:
            return node


def _with(mapping: Mapping, values: dict[str, Node]) -> Mapping:
    entries = (msgspec.structs.replace(e, value=values.get(e.key, e.value)) for e in mapping.entries)
    return msgspec.structs.replace(mapping, entries=tuple(entries))


class Environments:
    """Works `env_file`, `label_file` and variables without a value out, service by service."""

    def __init__(self, scope: Scope, files: Files, findings: Findings) -> None:
        self._scope = scope
        self._files = files
        self._findings = findings

    def file(self, root: Mapping) -> Mapping:
        """A whole file."""
        section = next((e for e in root.entries if e.key == "services"), None)
        if section is None or not isinstance(section.value, Mapping):
            return root
        field = Field(path="services", name="", node=section.value, mark=section.mark, findings=self._findings)
        return _with(root, {"services": _with(section.value, {f.name: self._service(f) for f in field.pairs()})})

    def _service(self, service: Field) -> Node:
        """The service without its files."""
        if not isinstance(service.node, Mapping):
            return service.node
        fields = {field.name: field for field in service.pairs()}
        entries = {e.key: e for e in service.node.entries if e.key not in ("env_file", "label_file")}
        own = self._known(fields.get("environment"))
        found = self._variables(fields.get("env_file"), own)
        label = self._variables(fields.get("label_file"), {})
        for key, read, said in (("environment", found, own), ("labels", label, self._labels(fields.get("labels")))):
            if said is not None and (read or key in entries):
                mark = fields[key].mark if key in fields else service.mark
                merged = {**read, **said}.values()
                kept = tuple(entry for entry in merged if key == "labels" or not _is_null(entry.value))
                value = Mapping(entries=kept, mark=mark)
                entries[key] = Entry(key=key, mark=mark, value=value)
        return msgspec.structs.replace(service.node, entries=tuple(entries.values()))

    def _known(self, field: Field | None) -> dict[str, Entry] | None:
        """`environment` with the values of names that have none; None when it cannot be read (its reader says so).

        A name without a value that is not set stays without one: it takes away what a file says of it, as in Compose.
        """
        found: dict[str, Entry] = {}
        for pair in _entries(field) or ():
            if _is_null(pair.value):
                value = self._scope.lookup(pair.key)
                if value is None:
                    message = f"{quoted(pair.key)} has no value here and is not set; it is left out"
                    self._warn(pair.mark, f"{field.path}.{pair.key}" if field else "", message, "Set it.")
                else:
                    pair = msgspec.structs.replace(pair, value=literal(value, pair.mark))
            found[pair.key] = pair
        return found if _entries(field) is not None else None

    def _labels(self, field: Field | None) -> dict[str, Entry] | None:
        entries = _entries(field)
        return None if entries is None else {entry.key: entry for entry in entries}

    def _variables(self, field: Field | None, own: dict[str, Entry] | None) -> dict[str, Entry]:
        """What the files say, a later one over an earlier one."""
        found: dict[str, Entry] = {}

        def lookup(name: str) -> str | None:
            value = self._scope.lookup(name)
            for known in (own or {}, found):
                said = known[name].value if value is None and name in known else None
                if isinstance(said, Scalar) and not _is_null(said):
                    value = said.text.replace("$$", "$")
            return value

        for wanted in read_env_files(field) if field is not None else ():
            for variable in self._read(wanted, lookup):
                mark = Mark(line=variable.line, column=1, file=wanted.path)
                value = literal(variable.value, mark)
                found[variable.name] = Entry(key=variable.name, mark=mark, value=value)
        return found

    def _read(self, wanted: EnvFile, lookup: Lookup) -> list[Variable]:
        at = wanted.field
        text = self._files.text(wanted.path, at.mark, at.path, required=wanted.required)
        if text is None:
            return []
        return variables_of(text, wanted.path, lookup, self._findings, raw=wanted.raw)

    def _warn(self, mark: Mark, path: str, message: str, fix: str) -> None:
        warning = Problem(message=message, field=path, line=mark.line, column=mark.column, file=mark.file, fix=fix)
        self._findings.warn(warning)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind == "null"


def variables_of(text: str, path: str, lookup: Lookup, findings: Findings, *, raw: bool = False) -> list[Variable]:
    """The variables of the env file `path`; what is wrong with it is noted."""
    findings.follow(path)

    def unset(line: int, name: str) -> None:
        message = f"the variable {quoted(name)} is not set and becomes empty"
        findings.warn(Problem(message=message, line=line, column=1, file=path, fix="Set it, or quote with '…'."))

    found: list[Variable] = []
    try:
        for variable in parse_raw(text, lookup) if raw else parse(text, lookup, unset):
            found.append(variable)
    except BadEnvFile as error:
        problem = Problem(message=error.message, line=error.line, column=1, file=path, fix=error.fix)
        findings.error(problem)
    return found


def read_env_files(field: Field) -> tuple[EnvFile, ...]:
    """`env_file` (or `label_file`): a path, or a list of paths and of mappings with path, required and format."""
    found = field.collect(_items, ())
    return tuple(file for item in found if (file := item.collect(_read_one, None)) is not None)


def _items(field: Field) -> tuple[Field, ...]:
    return (field,) if field.is_scalar else tuple(field.items())


def _read_one(field: Field) -> EnvFile:
    if field.is_scalar:
        return EnvFile(path=_path(field), required=True, raw=False, field=field)
    entries = field.entries(inner.ENV_FILE)
    if not entries.has("path"):
        raise field.fault("an env file needs path", "Add path:.")
    return EnvFile(
        path=entries.read("path", _path, ""),
        required=entries.read("required", Field.boolean, True),
        raw=entries.read("format", lambda f: f.choice("raw"), "") == "raw",
        field=field,
    )


def _path(field: Field) -> str:
    text = field.text()
    if not text:
        raise field.fault("has no path", "Write the path of a file.")
    return text


def _entries(field: Field | None) -> tuple[Entry, ...] | None:
    """The entries of a mapping, or of a list of `NAME=value`; None when it is neither, or has a name twice."""
    if field is None or field.is_null:
        return ()
    node = field.node
    if isinstance(node, Mapping):
        return node.entries
    if not isinstance(node, Listing):
        return None
    found: dict[str, Entry] = {}
    for item in node.items:
        if not isinstance(item, Scalar) or item.kind != "text":
            return None
        name, equals, value = item.text.partition("=")
        if name in found:
            return None
        inside = Scalar(text=value, kind="text" if equals else "null", mark=item.mark)
        found[name] = Entry(key=name, mark=item.mark, value=inside)
    return tuple(found.values())
