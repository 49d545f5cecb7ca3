"""`deploy.placement`, `deploy.resources` and the node labels of `x-rope`. Does not place anything.

Called by `service` and `rope`.
"""

import re

import msgspec

from composefile import inner
from composefile.durations import read_size
from composefile.errors import printable, quoted
from composefile.field import Field
from composefile.values import read_value
from protocol import names
from protocol.spec import Constraint, Resources

MEMORY_MIN = 6 * 1024 * 1024
"""Bytes; Docker refuses a lower limit."""

_CONSTRAINT = re.compile(r"\s*([^\s=!]+)\s*(==|!=)\s*(.*\S)\s*")
_KEYS = {
    "node.hostname": "hostname",
    "node.id": "name",
    "node.platform.os": "platform.os",
    "node.platform.arch": "platform.arch",
}
_LABELS = "node.labels."
_FORM = 'Write "node.labels.KEY == VALUE" or "!=".'


class Placing(msgspec.Struct, frozen=True, kw_only=True):
    """What `deploy.placement` says."""

    constraints: tuple[Constraint, ...] = ()
    spread: tuple[str, ...] = ()
    max_per_node: int = 0


def read_wishes(field: Field) -> tuple[dict[str, str], dict[str, str]]:
    """`x-rope.labels` as (required, preferred); a plain map is required, `required:`/`preferred:` below say which."""
    pairs = list(field.pairs())
    if not any(pair.is_map for pair in pairs):
        return _node_labels(pairs), {}
    found: dict[str, dict[str, str]] = {}
    for pair in pairs:
        if pair.name in ("required", "preferred") and pair.is_map:
            found[pair.name] = _node_labels(list(pair.pairs()))
        else:
            pair.error("only required: and preferred: may stand here, each with KEY: VALUE below", "Move it there.")
    required = found.get("required", {})
    preferred = found.get("preferred", {})
    for key in sorted(required.keys() & preferred.keys()):
        field.error(f"{quoted(key)} is required and preferred", "Keep one of them.")
    return required, preferred


def _node_labels(pairs: list[Field]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        value = pair.collect(read_value, None)
        if not names.is_legal(names.LABEL_KEY, pair.name):
            pair.error(
                f"{quoted(pair.name)} is no name of a node label", "Use letters, digits and _ . / - (at most 63)."
            )
        elif value is not None and len(value) > names.LABEL_VALUE_MAX:
            pair.error(f"longer than {names.LABEL_VALUE_MAX} characters; no node label is")
        elif value is not None:
            found[pair.name] = value
    return found


def read_placing(field: Field) -> Placing:
    """A `deploy.placement` mapping."""
    entries = field.entries(inner.PLACEMENT)
    return Placing(
        constraints=entries.read("constraints", _read_constraints, ()),
        spread=entries.read("preferences", _read_preferences, ()),
        max_per_node=entries.read("max_replicas_per_node", lambda f: f.integer(0, 1000), 0),
    )


def _read_constraints(field: Field) -> tuple[Constraint, ...]:
    found = (item.collect(_read_constraint, None) for item in field.items())
    return tuple(constraint for constraint in found if constraint is not None)


def _read_constraint(field: Field) -> Constraint:
    text = field.text()
    match = _CONSTRAINT.fullmatch(text) if len(text) <= 512 else None
    if match is None:
        raise field.fault(f"{quoted(text)} is no constraint", _FORM)
    key = _constraint_key(field, match[1])
    if len(match[3]) > names.LABEL_VALUE_MAX:
        raise field.fault(f"longer than {names.LABEL_VALUE_MAX} characters; no node has such a value")
    return Constraint(key=key, value=match[3], equal=match[2] == "==")


def _constraint_key(field: Field, key: str) -> str:
    if key in _KEYS:
        return _KEYS[key]
    if key.startswith(_LABELS):
        return "labels." + _label_key(field, key)
    if key == "node.role":
        raise field.fault(
            "not supported: nodes have no roles here", 'Label the nodes, then "node.labels.KEY == VALUE".'
        )
    if key.startswith("engine.labels."):
        raise field.fault("not supported: labels of the engine", "Label the node, then use node.labels.KEY.")
    known = ", ".join(("node.labels.KEY", *_KEYS))
    raise field.fault(f"unknown condition {quoted(key)}", f"Use {known}.")


def _label_key(field: Field, text: str) -> str:
    key = text.removeprefix(_LABELS)
    if not names.is_legal(names.LABEL_KEY, key):
        raise field.fault(f"{quoted(key)} is no name of a node label", "Use letters, digits and _ . / - (at most 63).")
    return key


def _read_preferences(field: Field) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for item in field.items():
        key = item.entries(inner.PREFERENCE).read("spread", _read_spread, "")
        if key:
            found[key] = None
    return tuple(found)


def _read_spread(field: Field) -> str:
    text = field.text()
    if not text.startswith(_LABELS):
        raise field.fault(f"{printable(text)}: replicas spread over a label of nodes", "Write spread: node.labels.KEY.")
    return _label_key(field, text)


def read_resources(field: Field) -> Resources:
    """A `deploy.resources` mapping. A reservation above its limit is an error, as in Docker."""
    entries = field.entries(inner.RESOURCES)
    limits = entries.read("limits", _read_limits, Resources())
    reserved = entries.read("reservations", _read_reservations, Resources())
    found = msgspec.structs.replace(
        limits, cpus_reserved=reserved.cpus_reserved, memory_reserved=reserved.memory_reserved
    )
    check_resources(field, found)
    return found


def check_resources(field: Field, found: Resources) -> None:
    """Note a reservation above its limit."""
    if found.cpus_limit and found.cpus_reserved > found.cpus_limit:
        message = f"{found.cpus_reserved:g} CPUs are reserved, but the limit is {found.cpus_limit:g}"
        field.error(message, "Raise the limit.")
    if found.memory_limit and found.memory_reserved > found.memory_limit:
        field.error("more memory is reserved than the limit allows", "Raise the limit.")


def read_cpus(field: Field) -> float:
    """Cores."""
    return field.number(0.01, 1024)


def read_pids(field: Field) -> int:
    """Processes; 0 for -1, which is no limit."""
    return max(0, field.integer(-1, 4_194_304))


def _read_limits(field: Field) -> Resources:
    entries = field.entries(inner.LIMITS)
    return Resources(
        cpus_limit=entries.read("cpus", read_cpus, 0.0),
        memory_limit=entries.read("memory", lambda f: read_size(f, MEMORY_MIN), 0),
        pids_limit=entries.read("pids", read_pids, 0),
    )


def _read_reservations(field: Field) -> Resources:
    entries = field.entries(inner.RESERVATIONS)
    return Resources(
        cpus_reserved=entries.read("cpus", read_cpus, 0.0), memory_reserved=entries.read("memory", read_size, 0)
    )
