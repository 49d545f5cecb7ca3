"""Which services of a merged file are deployed (profiles), and from which images. Called by `resolving`."""

from collections.abc import Collection, Iterator
from collections.abc import Mapping as Map

import msgspec

from composefile import inner
from composefile.errors import Findings, Mark, printable, quoted
from composefile.field import Field
from composefile.filling import literal
from composefile.rules import nearest
from composefile.values import read_strings
from composefile.yamltext import Entry, Listing, Mapping, Node, Scalar
from protocol.api import Problem

ALL = "*"
"""The profile that stands for all of them."""


def choose(
    root: Mapping, wanted: Collection[str], images: Map[str, str], findings: Findings, *, asked: bool
) -> Mapping:
    """`root` with the services that have no profile or one of `wanted`, and with `images` in place of their own.

    `asked`: the profiles were named by a person just now, so one that no service has is worth a warning.
    """
    section = next((e for e in root.entries if e.key == "services"), None)
    if section is None or not isinstance(section.value, Mapping):
        return root
    field = Field(path="services", name="", node=section.value, mark=section.mark, findings=findings)
    profiles = {service.name: _profiles(service) for service in field.pairs()}
    out = {name: own for name, own in profiles.items() if own and ALL not in wanted and not set(own) & set(wanted)}
    if asked:
        _note_unknown(set(wanted) - {ALL}, {p for own in profiles.values() for p in own}, findings)
    _note_images(images, {name for name in profiles if name not in out}, out, findings)
    services = tuple(
        Entry(key=service.name, mark=service.mark, value=_service(service, out, images.get(service.name, "")))
        for service in field.pairs()
        if service.name not in out
    )
    chosen = msgspec.structs.replace(section, value=msgspec.structs.replace(section.value, entries=services))
    return msgspec.structs.replace(root, entries=tuple(chosen if e is section else e for e in root.entries))


def _profiles(service: Field) -> tuple[str, ...]:
    field = _below(service, "profiles")
    return field.collect(read_strings, ()) if field is not None and not field.is_null else ()


def _below(service: Field, key: str) -> Field | None:
    return next((pair for pair in service.pairs() if pair.name == key), None) if service.is_map else None


def _service(service: Field, out: Map[str, tuple[str, ...]], image: str) -> Node:
    if not isinstance(service.node, Mapping):
        return service.node
    entries = {entry.key: entry for entry in service.node.entries if entry.key != "profiles"}
    depends = _below(service, "depends_on")
    if depends is not None:
        entries["depends_on"] = msgspec.structs.replace(entries["depends_on"], value=_waits(depends, out))
    if image:
        mark = Mark(line=0, column=0, file=f"--set-image {service.name}")
        entries["image"] = Entry(key="image", mark=mark, value=literal(image, mark))
    return msgspec.structs.replace(service.node, entries=tuple(entries.values()))


def _waits(depends: Field, out: Map[str, tuple[str, ...]]) -> Node:
    """`depends_on` without services that are left out; one that is required is an error."""
    match depends.node:
        case Mapping() as node:
            parts = zip(node.entries, depends.pairs(), strict=True)
            entries = tuple(entry for entry, part in parts if not _is_out(part, entry.key, out))
            return msgspec.structs.replace(node, entries=entries)
        case Listing() as node:
            return msgspec.structs.replace(node, items=tuple(_kept_items(depends, out)))
        case other:
            return other


def _kept_items(depends: Field, out: Map[str, tuple[str, ...]]) -> Iterator[Node]:
    for item in depends.items():
        if not _is_out(item, item.node.text if isinstance(item.node, Scalar) else "", out):
            yield item.node


def _is_out(part: Field, name: str, out: Map[str, tuple[str, ...]]) -> bool:
    if name not in out:
        return False
    unseen = msgspec.structs.replace(part, findings=Findings())  # what is wrong with it is noted by its reader
    required = unseen.entries(inner.DEPENDENCY).read("required", Field.boolean, True) if part.is_map else True
    if required:
        chosen = ", ".join(printable(profile) for profile in out[name])
        part.error(
            f"{quoted(name)} is left out: its profiles ({chosen}) are not chosen",
            f"Add --profile {printable(out[name][0])}, or write required: false.",
        )
    return True


def _note_unknown(wanted: set[str], known: set[str], findings: Findings) -> None:
    for profile in sorted(wanted - known):
        close = nearest(profile, known)
        fix = f'Did you mean "{close}"?' if close else "Leave it out."
        findings.warn(Problem(message=f"no service has the profile {quoted(profile)}", file="--profile", fix=fix))


def _note_images(images: Map[str, str], known: set[str], out: Collection[str], findings: Findings) -> None:
    for name in images:
        if name not in known:
            close = nearest(name, known)
            why = "is left out by its profiles" if name in out else "is no service"
            fix = f'Did you mean "{close}"?' if close else "Name a service that is deployed."
            findings.error(Problem(message=f"{quoted(name)} {why}", file="--set-image", fix=fix))
