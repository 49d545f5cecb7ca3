"""What one part of a file says of another: `depends_on`, used networks and volumes. Finds cycles.

Called by `service` (reading `depends_on`) and `read` (checking the whole).
"""

from collections.abc import Collection, Mapping
from typing import cast

import msgspec

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


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One service as the checks across services see it. `says_restart`: the file says when it is restarted."""

    spec: ServiceSpec
    entries: Entries
    says_restart: bool


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
    return Dependency(
        condition=cast(Condition, entries.read("condition", _condition, "service_started")),
        required=entries.read("required", Field.boolean, True),
        restart=entries.read("restart", Field.boolean, False),
    )


def _condition(field: Field) -> str:
    return field.choice("service_started", "service_healthy", _COMPLETED)


def check_services(services: Mapping[str, Part]) -> None:
    """Note every `depends_on` that names no service, waits for what cannot come, or goes in a circle."""
    for name, part in services.items():
        field = part.entries.get("depends_on")
        if field is None:
            continue
        for other, needed in part.spec.depends_on.items():
            at = _part(field, other)
            if other == name:
                at.error("a service cannot wait for itself", "Remove it.")
            elif other not in services:
                _note_missing(at, other, needed, services)
            else:
                _check_condition(at, other, needed, services[other])
    cycle = find_cycle({name: tuple(part.spec.depends_on) for name, part in services.items()})
    if cycle:
        field = services[cycle[0]].entries.get("depends_on")
        if field is not None:
            path = " → ".join(printable(name) for name in cycle)
            _part(field, cycle[1]).error(f"services wait for each other in a circle: {path}", "Remove one of them.")


def _note_missing(at: Field, other: str, needed: Dependency, services: Collection[str]) -> None:
    meant = _meant(at, other, services)
    if needed.required:
        at.error(f"there is no service {quoted(other)}", meant)
    else:
        at.warn(f"there is no service {quoted(other)}; it is not required, so nothing waits for it", meant)


def _check_condition(at: Field, other: str, needed: Dependency, part: Part) -> None:
    """Note a condition that `other` can never meet."""
    spec = part.spec
    if needed.condition == "service_healthy" and not _is_checked(spec, part.entries):
        fix = f"Add a healthcheck or an x-rope.probe to {printable(other)}, or use service_started."
        at.error(f"{quoted(other)} has no healthcheck, so it is never healthy", fix)
    elif needed.condition == _COMPLETED and part.says_restart and spec.restart in ("always", "unless-stopped"):
        message = f"{quoted(other)} is restarted whenever it ends (restart: {spec.restart}), so it never completes"
        at.warn(message, f'Write restart: "no" or on-failure in {printable(other)}.')


def _is_checked(spec: ServiceSpec, entries: Entries) -> bool:
    """True when the file gives a health check, be it one that could not be read (that is an error of its own)."""
    return (entries.has("healthcheck") and spec.health != OFF) or spec.probe is not None


def settle(services: Mapping[str, Part]) -> dict[str, ServiceSpec]:
    """The services as the whole file means them, by name.

    A service that another one waits for until it has completed, and that says nothing of `restart`, runs once, for
    Compose's default is `no`. A dependency that is not required and not in the file is dropped, as Compose does.
    """
    once = {
        other
        for part in services.values()
        for other, needed in part.spec.depends_on.items()
        if needed.condition == _COMPLETED
    }
    return {name: _settled(services[name], services, name in once) for name in sorted(services)}


def _settled(part: Part, known: Collection[str], once: bool) -> ServiceSpec:
    return msgspec.structs.replace(
        part.spec,
        depends_on={other: needed for other, needed in part.spec.depends_on.items() if other in known},
        restart="no" if once and not part.says_restart else part.spec.restart,
    )


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
