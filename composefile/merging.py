"""One parsed Compose file over another, and a service over the one it extends, by the merge rules of Compose.

Mappings are merged, lists appended, single values replaced; what Compose treats in another way is in the two tables
below. `!reset` removes, `!override` replaces. Nodes keep the place they were written at. Called by `loading`.
"""

from collections.abc import Callable

import msgspec

from composefile.errors import Findings, Mark, escaped
from composefile.ports import port_key
from composefile.yamltext import Entry, Listing, Mapping, Node, Scalar
from protocol.api import Problem

Path = tuple[str, ...]

_DEPENDS_ON = ("services", "*", "depends_on")
_EXTRA_HOSTS = ("services", "*", "extra_hosts")

_REPLACED = {
    ("services", "*", "command"),
    ("services", "*", "entrypoint"),
    ("services", "*", "healthcheck", "test"),
    ("services", "*", "extends"),
    ("services", "*", "build"),
    ("services", "*", "x-rope", "canary"),
    ("services", "*", "x-rope", "probe"),
    ("services", "*", "x-rope", "metrics"),
    ("x-rope", "canary"),
    ("x-rope", "probe"),
    ("x-rope", "metrics"),
}
"""Replaced as a whole by the later file, by nothing too. `build` is ignored here; canary, probe and metrics are one
decision each.
"""

_NAMED = {
    ("services", "*", "environment"): "=",
    ("services", "*", "labels"): "=",
    ("services", "*", "annotations"): "=",
    ("services", "*", "sysctls"): "=",
    ("services", "*", "deploy", "labels"): "=",
    ("services", "*", "networks"): "",
    ("networks", "*", "labels"): "=",
    ("volumes", "*", "labels"): "=",
}
"""Mappings that may be written as lists of names, or of `name=value` where "=" is given."""


def _scalar_key(node: Node) -> str | None:
    return node.text if isinstance(node, Scalar) else None


def _by(name: str) -> Callable[[Node], str | None]:
    """The key of an item: its own text, or the value of `name` in its long form."""

    def key(node: Node) -> str | None:
        if isinstance(node, Mapping):
            node = next((entry.value for entry in node.entries if entry.key == name), node)
        return _scalar_key(node)

    return key


def _volume_key(node: Node) -> str | None:
    if isinstance(node, Mapping):
        return _by("target")(node)
    parts = node.text.split(":") if isinstance(node, Scalar) else []
    return (parts[1] if len(parts) > 1 else parts[0]).rstrip("/") if parts else None


def _tmpfs_key(node: Node) -> str | None:
    return node.text.partition(":")[0] if isinstance(node, Scalar) else None


_UNIQUE: dict[Path, Callable[[Node], str | None]] = {
    ("services", "*", "ports"): port_key,
    ("services", "*", "volumes"): _volume_key,
    ("services", "*", "tmpfs"): _tmpfs_key,
    ("services", "*", "env_file"): _by("path"),
    ("services", "*", "label_file"): _scalar_key,
    ("services", "*", "configs"): _by("source"),
    ("services", "*", "secrets"): _by("source"),
    ("services", "*", "expose"): _scalar_key,
    ("services", "*", "profiles"): _scalar_key,
    ("services", "*", "cap_add"): _scalar_key,
    ("services", "*", "cap_drop"): _scalar_key,
    ("services", "*", "group_add"): _scalar_key,
    ("services", "*", "security_opt"): _scalar_key,
    ("services", "*", "extra_hosts"): _scalar_key,
    ("services", "*", "dns"): _scalar_key,
    ("services", "*", "dns_opt"): _scalar_key,
    ("services", "*", "dns_search"): _scalar_key,
    ("services", "*", "links"): _scalar_key,
    ("services", "*", "devices"): _volume_key,
    ("services", "*", "networks", "*", "aliases"): _scalar_key,
    ("services", "*", "deploy", "placement", "constraints"): _scalar_key,
}
"""Lists whose items have a key: a later item takes the place of an earlier one with the same key."""


def merge_files(base: Mapping, over: Mapping, findings: Findings) -> Mapping:
    """The file `over` over the file `base`."""
    return _Merger(findings).mappings(base, over, ())


def merge_service(base: Mapping, over: Mapping, name: str, findings: Findings) -> Mapping:
    """The service `name` over the one it extends."""
    return _Merger(findings).mappings(base, over, ("services", name))


def settle(node: Mapping) -> Mapping:
    """`node` as it is when nothing is left to merge it with: what is `!reset` is gone, and no change is left."""
    entries = (
        msgspec.structs.replace(entry, value=_settled(entry.value))
        for entry in node.entries
        if entry.value.change != "reset"
    )
    return msgspec.structs.replace(node, entries=tuple(entries), change="")


def _settled(node: Node) -> Node:
    match node:
        case Mapping():
            return settle(node)
        case Listing():
            return msgspec.structs.replace(node, items=tuple(_settled(item) for item in node.items), change="")
        case Scalar():
            return msgspec.structs.replace(node, change="") if node.change else node


class _Merger:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def mappings(self, base: Mapping, over: Mapping, path: Path) -> Mapping:
        merged = {entry.key: entry for entry in base.entries}
        for entry in over.entries:
            below = (*path, entry.key)
            before = merged.get(entry.key)
            if entry.value.change == "reset":
                merged.pop(entry.key, None)
            elif before is None or entry.value.change == "override" or _stands_alone(entry.key, path):
                merged[entry.key] = entry
            else:
                value = self._nodes(before, entry, below)
                mark = before.mark if value is before.value else entry.mark
                merged[entry.key] = Entry(key=entry.key, mark=mark, value=value)
        return msgspec.structs.replace(over, entries=tuple(merged.values()), change="")

    def _nodes(self, before: Entry, after: Entry, path: Path) -> Node:
        base, over = before.value, after.value
        pattern = _pattern(path)
        if pattern in _REPLACED or _is_null(base):
            return over
        if _is_null(over):
            return base
        if pattern in _NAMED:
            base, over = _as_mapping(base, _NAMED[pattern]), _as_mapping(over, _NAMED[pattern])
        elif pattern == _DEPENDS_ON:
            base, over = _as_dependencies(base), _as_dependencies(over)
        elif pattern == _EXTRA_HOSTS:
            base, over = _as_hosts(base), _as_hosts(over)
        elif pattern in _UNIQUE or isinstance(base, Listing):
            base, over = _as_listing(base), _as_listing(over)
        match base, over:
            case Mapping(), Mapping() if pattern == ("services", "*", "logging") and _drivers_differ(base, over):
                return over
            case Mapping(), Mapping():
                return self.mappings(base, over, path)
            case Listing(), Listing():
                return _append(base, over, _UNIQUE.get(pattern))
            case Scalar(), Scalar():
                return over
            case _ if pattern[:3] == ("services", "*", "ulimits"):
                return over
            case _:
                self._mismatch(before, after, path)
                return before.value

    def _mismatch(self, before: Entry, after: Entry, path: Path) -> None:
        message = f"{_form(after.value)} here, but {_form(before.value)} in {_place(before.mark)}"
        mark = after.mark
        problem = Problem(
            message=message,
            field=".".join(path),
            line=mark.line,
            column=mark.column,
            file=mark.file,
            fix="Write it in the same form, or begin it with !override.",
        )
        self._findings.error(problem)


def _pattern(path: Path) -> Path:
    """`path` with a `*` for each name that users choose."""
    named = {1} if path[0] in ("services", "networks", "volumes") else set()
    if path[0] == "services" and len(path) > 3 and path[2] == "networks":
        named.add(3)
    return tuple("*" if index in named else part for index, part in enumerate(path))


def _stands_alone(key: str, path: Path) -> bool:
    """True for what is not merged further: one variable (also without a value), and keys for other tools."""
    foreign = key.startswith("x-") and key != "x-rope"
    return foreign or (bool(path) and _NAMED.get(_pattern(path)) == "=")


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind == "null"


def _as_mapping(node: Node, separator: str) -> Node:
    """A list of `name=value` (or of names) as a mapping; another node as it is."""
    if not isinstance(node, Listing) or not all(isinstance(item, Scalar) for item in node.items):
        return node
    entries: dict[str, Entry] = {}
    for item in node.items:
        if isinstance(item, Scalar):
            name, found, value = item.text.partition(separator) if separator else (item.text, "", "")
            inner = Scalar(text=value, kind="text" if found else "null", mark=item.mark)
            entries[name] = Entry(key=name, mark=item.mark, value=inner)
    return Mapping(entries=tuple(entries.values()), mark=node.mark, change=node.change)


def _as_dependencies(node: Node) -> Node:
    """A list of services with what it stands for, so that it takes the place of an earlier condition."""
    names = _as_mapping(node, "")
    if names is node or not isinstance(names, Mapping):
        return node
    return msgspec.structs.replace(names, entries=tuple(_started(entry) for entry in names.entries))


def _started(entry: Entry) -> Entry:
    said = {"condition": "service_started", "required": "true"}
    entries = tuple(
        Entry(key=key, mark=entry.mark, value=Scalar(text=text, kind="text", mark=entry.mark))
        for key, text in said.items()
    )
    return msgspec.structs.replace(entry, value=Mapping(entries=entries, mark=entry.mark))


def _as_hosts(node: Node) -> Node:
    """A mapping of hosts as the list it stands for, so that a host keeps all its addresses."""
    if not isinstance(node, Mapping):
        return node
    items = (
        Scalar(text=f"{entry.key}={value.text}", kind="text", mark=entry.mark)
        for entry in node.entries
        for value in (entry.value.items if isinstance(entry.value, Listing) else (entry.value,))
        if isinstance(value, Scalar)
    )
    return Listing(items=tuple(items), mark=node.mark, change=node.change)


def _as_listing(node: Node) -> Node:
    return Listing(items=(node,), mark=node.mark, change=node.change) if isinstance(node, Scalar) else node


def _append(base: Listing, over: Listing, key: Callable[[Node], str | None] | None) -> Listing:
    if key is None:
        return msgspec.structs.replace(over, items=(*base.items, *over.items), change="")
    found: dict[object, Node] = {}
    for index, item in enumerate((*base.items, *over.items)):
        name = key(item)
        found[index if name is None else name] = item
    return msgspec.structs.replace(over, items=tuple(found.values()), change="")


def _drivers_differ(base: Mapping, over: Mapping) -> bool:
    one, other = _driver(base), _driver(over)
    return bool(one and other and one != other)


def _driver(node: Mapping) -> str:
    return next((e.value.text for e in node.entries if e.key == "driver" and isinstance(e.value, Scalar)), "")


def _form(node: Node) -> str:
    match node:
        case Scalar():
            return "a single value"
        case Listing():
            return "a list"
        case Mapping():
            return "a mapping"


def _place(mark: Mark) -> str:
    return f"{escaped(mark.file)} line {mark.line}" if mark.file else f"line {mark.line}"
