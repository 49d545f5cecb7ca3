"""The project's own networks: what is declared at top level, and which of them a service uses.

Called by `service` and `read`.
"""

import re

from composefile import inner
from composefile.errors import quoted
from composefile.field import Field
from composefile.values import read_list
from protocol import names

DEFAULT = "default"
"""The network of a service that names none, as in Compose."""

_ALIAS = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_])?")


def read_declared(field: Field) -> tuple[str, ...]:
    """Names of the networks at top level."""
    found: list[str] = []
    for network in field.pairs():
        if not names.is_legal(names.VOLUME, network.name):
            network.error(f"{quoted(network.name)} is no name of a network", "Use letters, digits and _ . -.")
            continue
        found.append(network.name)
        if not network.is_null:
            network.collect(_check_declared, None)
    return tuple(found)


def _check_declared(field: Field) -> None:
    entries = field.entries(inner.NETWORK)
    entries.read("driver", lambda f: f.choice("bridge"), "")


def read_used(field: Field) -> dict[str, tuple[str, ...]]:
    """Network -> aliases of one service; declared or not is checked by `service`."""
    if field.is_list:
        return {name: () for name in read_list(field) if name}
    return {network.name: network.collect(_read_aliases, ()) for network in field.pairs()}


def _read_aliases(field: Field) -> tuple[str, ...]:
    if field.is_null:
        return ()
    return field.entries(inner.NETWORK_USE).read("aliases", _aliases, ())


def _aliases(field: Field) -> tuple[str, ...]:
    return tuple(alias for item in field.items() if (alias := item.collect(_alias, "")))


def _alias(field: Field) -> str:
    value = field.written()
    if not _ALIAS.fullmatch(value):
        raise field.fault(f"{quoted(value)} is no host name", "Use letters, digits and - .")
    return value
