"""A Compose file's text -> `protocol.spec.ProjectSpec`, or every error at once. The package's front door.

Pure: no files, no variables, no network. Called by the Center's web ring and the command line. A file of 10,000 values
takes some 100 ms: call it in a thread where a loop must not wait.
"""

import msgspec

from composefile import combinations, inner, keys, references
from composefile.errors import ComposeError, Findings, Mark, quoted
from composefile.field import Entries, Field
from composefile.networks import DEFAULT, read_declared
from composefile.rope import RopeOptions, read_rope
from composefile.service import Draft, read_service
from composefile.yamltext import Node, parse
from protocol import names
from protocol.api import Problem
from protocol.spec import ProjectSpec

SERVICES_MAX = 100
"""Services of one project."""

_RULES = {**keys.TOP, "x-rope": keys.X_ROPE}


class Compose(msgspec.Struct, frozen=True, kw_only=True):
    """A file that can be deployed, and what its author should know all the same."""

    spec: ProjectSpec
    warnings: tuple[Problem, ...] = ()


def read(text: str, *, project: str, file: str = "compose.yaml") -> Compose:
    """The specification that `text` describes for the project `project` (a legal project code).

    `file` is named where a message has no line to point at. Raises ComposeError with every error that was found, in
    the order of the file. The order of keys makes no difference to the specification.
    """
    findings = Findings()
    node = parse(text, findings)
    return read_tree(node, findings, project=project, file=file)


def read_tree(node: Node | None, findings: Findings, *, project: str, file: str = "compose.yaml") -> Compose:
    """As `read`, for a file that is parsed already. `findings`: what was noted before; its errors are raised too."""
    if not names.is_legal(names.PROJECT, project):
        fix = "Use a-z, 0-9 and '-', at most 40 characters, not '-' first."
        findings.error(Problem(message=f"{quoted(project)} is no project code", field="name", fix=fix))
    if node is None:
        empty = Problem(message=f"{file} is empty", line=1, column=1, fix="Add services:.")
        raise ComposeError((*findings.errors, empty), findings.warnings)
    root = Field(path="", name=file, node=node, mark=Mark(), findings=findings)
    spec = root.collect(lambda field: _project(field, project), None)
    findings.check()
    if spec is None:  # a fault is always noted, so `check` has raised
        raise ComposeError((Problem(message="the file cannot be used", line=1, column=1),))
    return Compose(spec=_as_stored(spec), warnings=findings.warnings)


def _as_stored(spec: ProjectSpec) -> ProjectSpec:
    """The same specification as it comes back from the store or over the rope.

    msgspec leaves a default out of an encoding when it is the very same object, so a value built here and the same one
    decoded could have different fingerprints; a decoded one keeps its own for ever.
    """
    return msgspec.json.decode(msgspec.json.encode(spec), type=ProjectSpec)


def _project(root: Field, project: str) -> ProjectSpec:
    entries = root.entries(_RULES)
    entries.read("name", lambda field: _check_name(field, project), None)
    rope = entries.read("x-rope", read_rope, RopeOptions())
    networks = entries.read("networks", read_declared, ())
    volumes = entries.read("volumes", _read_volumes, ())
    drafts = _services(root, entries, rope)
    for draft in drafts.values():
        references.check_networks(draft.spec, draft.entries, networks)
        references.check_volumes(draft.entries, volumes)
        combinations.check(draft)
    parts = {
        name: references.Part(spec=draft.spec, entries=draft.entries, says_restart=draft.says_restart)
        for name, draft in drafts.items()
    }
    references.check_services(parts)
    services = references.settle(parts)
    used = {network for spec in services.values() for network in spec.networks}
    return ProjectSpec(
        code=project,
        services=services,
        volumes=tuple(sorted(volumes)),
        networks=tuple(sorted({*networks, *({DEFAULT} & used)})),
        strategy=rope.strategy,
    )


def _services(root: Field, entries: Entries, rope: RopeOptions) -> dict[str, Draft]:
    field = entries.get("services")
    pairs = list(field.pairs()) if field is not None and field.is_map else []
    if field is not None and not field.is_map:
        field.error("must be a mapping", "Write a service's name and a colon, and its keys below it.")
    elif field is None or not pairs:
        (field or root).error("a project needs at least one service", "Add services: with a name and an image.")
    elif len(pairs) > SERVICES_MAX:
        field.error(f"{len(pairs)} services; a project has at most {SERVICES_MAX}", "Split the project.")
    found: dict[str, Draft] = {}
    for service in pairs:
        if not names.is_legal(names.SERVICE, service.name):
            service.error(
                f"{quoted(service.name)} is no name of a service", "Use letters, digits and _ . - (at most 63)."
            )
        draft = service.collect(lambda field: read_service(field, rope), None)
        if draft is not None:
            found[service.name] = draft
    return found


def _check_name(field: Field, project: str) -> None:
    name = field.text()
    if not names.is_legal(names.PROJECT, name):
        raise field.fault(f"{quoted(name)} is no project code", "Use a-z, 0-9 and '-', at most 40 characters.")
    if name != project:
        raise field.fault(f"{quoted(name)} is not the project {quoted(project)} that is deployed", "Use one name.")


def _read_volumes(field: Field) -> tuple[str, ...]:
    """Names of the volumes at top level."""
    found: list[str] = []
    for volume in field.pairs():
        if not names.is_legal(names.VOLUME, volume.name):
            volume.error(f"{quoted(volume.name)} is no name of a volume", "Use letters, digits and _ . - (at most 63).")
            continue
        found.append(volume.name)
        if not volume.is_null:
            volume.collect(_check_volume, None)
    return tuple(found)


def _check_volume(field: Field) -> None:
    entries = field.entries(inner.NAMED_VOLUME)
    entries.read("driver", lambda f: f.choice("local"), "")
