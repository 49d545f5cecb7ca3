"""`extends` of the services of one file: each over the service it names, in this file or another. Pure.

Called by `loading`, after the variables are filled in and before files are merged, as Compose does.
"""

from collections.abc import Callable, Mapping

import msgspec

from composefile import inner
from composefile.errors import Findings, escaped, printable, quoted
from composefile.field import Field
from composefile.merging import merge_service
from composefile.rules import nearest
from composefile.sources import Scope
from composefile.yamltext import Mapping as MappingNode
from composefile.yamltext import Node


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """The services of one file, and where it is."""

    file: str
    scope: Scope
    services: Mapping[str, Field]


FindHome = Callable[[Field, Home], Home | None]
"""(the field `extends.file`, the file it stands in) -> that file; None when it cannot be used, which is noted."""


class Extender:
    """Works `extends` out. `find` opens another file."""

    def __init__(self, find: FindHome, findings: Findings) -> None:
        self._find = find
        self._findings = findings
        self._circles: set[frozenset[tuple[str, str]]] = set()

    def service(self, home: Home, name: str, chain: tuple[tuple[str, str], ...] = ()) -> Node:
        """The service `name` of `home` with all it extends. `chain`: (file, service) of those that extend it."""
        field = home.services[name]
        node = field.node
        if not isinstance(node, MappingNode):
            return node
        own = tuple(entry for entry in node.entries if entry.key != "extends")
        extends = next((pair for pair in field.pairs() if pair.name == "extends"), None)
        if extends is None:
            return node
        bare = msgspec.structs.replace(node, entries=own)
        found = extends.collect(lambda f: self._base(f, home), None)
        if found is None:
            return bare
        other, base = found
        seen = (*chain, (home.file, name))
        if (other.file, base) in seen:
            self._note_circle(extends, seen[seen.index((other.file, base)) :])
            return bare
        below = self.service(other, base, seen)
        return merge_service(below, bare, name, self._findings) if isinstance(below, MappingNode) else bare

    def _note_circle(self, at: Field, circle: tuple[tuple[str, str], ...]) -> None:
        """Note a circle once, wherever in it the search began."""
        if frozenset(circle) not in self._circles:
            self._circles.add(frozenset(circle))
            names = " → ".join(printable(service) for _, service in (*circle, circle[0]))
            at.error(f"services extend each other in a circle: {names}", "Remove one of them.")

    def _base(self, field: Field, home: Home) -> tuple[Home, str] | None:
        """(file, service) that `extends` names. Raises Fault."""
        if field.is_scalar:
            name, other, at = field.text(), home, field
        else:
            entries = field.entries(inner.EXTENDS)
            at = entries.get("service") or field
            if not entries.has("service"):
                raise field.fault("extends needs service", "Add service:.")
            name = entries.read("service", Field.text, "")
            file = entries.get("file")
            found = home if file is None else self._find(file, home)
            if found is None or not name:
                return None
            other = found
        if name not in other.services:
            close = nearest(name, other.services)
            where = f" in {escaped(other.file)}" if other.file else ""
            fix = f'Did you mean "{close}"?' if close else "Name a service of that file."
            raise at.fault(f"there is no service {quoted(name)}{where}", fix)
        return other, name
