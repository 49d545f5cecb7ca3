"""What one part of a file says of another: `depends_on`, used networks and volumes. Finds cycles.

Called by `service` (reading `depends_on`) and `read` (checking the whole).
"""

from collections.abc import Collection, Mapping
from typing import cast

from composefile import inner
from composefile.errors import printable, quoted
from composefile.field import Entries, Field
from composefile.health import OFF
from composefile.mounts import named_volume
from composefile.networks import DEFAULT
from composefile.rules import nearest
from composefile.yamltext import Scalar
from protocol.spec import Condition, Dependency, ServiceSpec

_COMPLETED = "service_completed_successfully"


def read_depends_on(field: Field) -> dict[str, Dependency]:
    """Service -> what is needed of it; whether it exists is checked by `check_services`."""
    if field.is_list:
        found = (item.collect(Field.text, "") for item in field.items())
        return {name: Dependency() for name in found if name}
    return {pair.name: pair.collect(_read_dependency, Dependency()) for pair in field.pairs()}


def _read_dependency(field: Field) -> Dependency:
    if field.is_null:
        return Dependency()
    entries = field.entries(inner.DEPENDENCY)
    if not entries.read("required", Field.boolean, True):
        field.error("not supported yet: required: false", "Remove it, or the dependency.")
    if entries.read("restart", Field.boolean, False):
        field.error("not supported yet: restart: true", "Remove it; use rope restart.")
    return Dependency(condition=cast(Condition, entries.read("condition", _condition, "service_started")))


def _condition(field: Field) -> str:
    if field.written() == _COMPLETED:
        raise field.fault("not supported yet: waiting for a service to end", "Do it in the entrypoint.")
    return field.choice("service_started", "service_healthy")


def check_services(services: Mapping[str, tuple[ServiceSpec, Entries]]) -> None:
    """Note every `depends_on` that names no service, waits for health nobody checks, or goes in a circle."""
    for name, (spec, entries) in services.items():
        field = entries.get("depends_on")
        if field is None:
            continue
        for other, needed in spec.depends_on.items():
            at = _part(field, other)
            if other == name:
                at.error("a service cannot wait for itself", "Remove it.")
            elif other not in services:
                at.error(f"there is no service {quoted(other)}", _meant(at, other, services))
            elif needed.condition == "service_healthy" and not _is_checked(*services[other]):
                fix = f"Add a healthcheck to {printable(other)}, or use service_started."
                at.error(f"{quoted(other)} has no healthcheck, so it is never healthy", fix)
    cycle = find_cycle({name: tuple(spec.depends_on) for name, (spec, _) in services.items()})
    if cycle:
        field = services[cycle[0]][1].get("depends_on")
        if field is not None:
            path = " → ".join(printable(name) for name in cycle)
            _part(field, cycle[1]).error(f"services wait for each other in a circle: {path}", "Remove one of them.")


def _is_checked(spec: ServiceSpec, entries: Entries) -> bool:
    """True when the file gives a health check, be it one that could not be read (that is an error of its own)."""
    return entries.has("healthcheck") and spec.health != OFF


def find_cycle(waits_for: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """A circle as `(a, b, a)`, the first in the order given; () when there is none. Self-references do not count."""
    done: set[str] = set()
    for start in waits_for:
        path: list[str] = []
        stack = [iter((start,))]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
                if path:
                    done.add(path.pop())
            elif name in path and name != path[-1]:
                return (*path[path.index(name) :], name)
            elif name not in done and name not in path and name in waits_for:
                path.append(name)
                stack.append(iter(tuple(waits_for[name])))
    return ()


def check_networks(spec: ServiceSpec, entries: Entries, declared: Collection[str]) -> None:
    """Note every network that is not declared at top level; `default` always is."""
    field = entries.get("networks")
    for name in spec.networks if field else ():
        if field and name != DEFAULT and name not in declared:
            at = _part(field, name)
            at.error(f"network {quoted(name)} is not declared", f"Add it: top-level networks: {{{printable(name)}: }}.")


def check_volumes(entries: Entries, declared: Collection[str]) -> None:
    """Note every named volume that is not declared at top level."""
    field = entries.get("volumes")
    for item in field.items() if field is not None and field.is_list else ():
        name = named_volume(item)
        if name and name not in declared:
            message = f"volume {quoted(name)} is not declared"
            item.error(message, f"Add it: top-level volumes: {{{printable(name)}: }}.")


def _part(field: Field, name: str) -> Field:
    """The key or item of `field` that says `name`; `field` itself when it cannot be found."""
    if field.is_map:
        return next((pair for pair in field.pairs() if pair.name == name), field)
    return next((item for item in field.items() if isinstance(item.node, Scalar) and item.node.text == name), field)


def _meant(field: Field, name: str, known: Collection[str]) -> str:
    close = "" if field.findings.many else nearest(name, known)
    return f'Did you mean "{close}"?' if close else "Remove it, or add the service."
