"""Keys of a service that go to Docker as they are (dns, ulimits, logging, …) -> ContainerOptions.

What would give a container power over its node needs permission. Called by `service`.
"""

import ipaddress
import re
from collections.abc import Callable
from functools import partial
from typing import cast

from composefile import inner
from composefile.durations import read_size
from composefile.errors import quoted
from composefile.field import Entries, Field
from composefile.rules import NO_PERMISSION
from composefile.values import read_pairs
from composefile.yamltext import Listing, Mapping
from protocol.options import (
    CAPABILITIES,
    ITEMS_MAX,
    LOG_FILES_MAX,
    LOG_SIZE_MAX,
    SYSCTLS,
    ULIMITS,
    ContainerOptions,
    LogDriver,
    Logging,
    Ulimit,
)

_CAPABILITY = re.compile(r"[A-Z][A-Z_]{1,40}")
_DOMAIN = re.compile(r"\.|[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9])?")
_DNS_OPTION = re.compile(r"[a-z][a-z0-9-]{0,31}(:[0-9]{1,5})?")
_GROUP = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,31}")
_SYSCTL_VALUE = re.compile(r"[0-9]{1,10}([ \t,-][0-9]{1,10}){0,15}")
_LIMIT_MAX = (1 << 53) - 1


def read_options(service: Entries) -> ContainerOptions:
    """All of them; what is wrong is noted."""
    service.read("security_opt", _check_security, None)
    return ContainerOptions(
        cap_add=service.read("cap_add", _each(_kept_capability), ()),
        cap_drop=service.read("cap_drop", _each(_capability), ()),
        dns=service.read("dns", _each(_address), ()),
        dns_options=service.read("dns_opt", _each(_like(_DNS_OPTION, "an option of resolv.conf", "ndots:2")), ()),
        dns_search=service.read("dns_search", _each(_like(_DOMAIN, "a domain", "example.com")), ()),
        extra_hosts=service.read("extra_hosts", _read_hosts, ()),
        group_add=service.read("group_add", _each(_like(_GROUP, "a group", "1000")), ()),
        shm_size=service.read("shm_size", lambda f: read_size(f, 1), 0),
        sysctls=service.read("sysctls", _read_sysctls, {}),
        ulimits=service.read("ulimits", _read_ulimits, {}),
        logging=service.read("logging", _read_logging, None),
    )


def _each(read: Callable[[Field], str]) -> Callable[[Field], tuple[str, ...]]:
    """A reader for one text or a list of them, each once."""

    def read_all(field: Field) -> tuple[str, ...]:
        items = (field,) if field.is_scalar else tuple(field.items())
        if len(items) > ITEMS_MAX:
            raise field.fault(f"more than {ITEMS_MAX} items", "Give fewer.")
        found = (item.collect(read, "") for item in items)
        return tuple(dict.fromkeys(value for value in found if value))

    return read_all


def _like(pattern: re.Pattern[str], what: str, example: str) -> Callable[[Field], str]:
    def read(field: Field) -> str:
        value = field.written()
        if not pattern.fullmatch(value):
            raise field.fault(f"{quoted(value)} is not {what}", f'Write it like "{example}".')
        return value

    return read


def _capability(field: Field) -> str:
    name = field.text().upper().removeprefix("CAP_")
    if not _CAPABILITY.fullmatch(name):
        raise field.fault(f"{quoted(field.text())} is no capability", 'Write it like "NET_BIND_SERVICE", or ALL.')
    return name


def _kept_capability(field: Field) -> str:
    name = _capability(field)
    if name not in CAPABILITIES:
        message = f"{NO_PERMISSION}: {name} adds rights on the node's kernel"
        raise field.fault(message, f"Remove it; these may be kept: {', '.join(sorted(CAPABILITIES))}.")
    return name


def _address(field: Field) -> str:
    value = field.written()
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        raise field.fault(f"{quoted(value)} is no IP address", 'Write it like "10.0.0.2".') from error


def _read_hosts(field: Field) -> tuple[str, ...]:
    """`name=address` or `name:address`, in a list or as a mapping; a name may have several addresses."""
    found: dict[str, None] = {}
    if isinstance(field.node, Mapping):
        for pair in field.pairs():
            read = partial(_named_host, name=pair.name)
            for item in pair.items() if isinstance(pair.node, Listing) else (pair,):
                found[item.collect(read, "")] = None
    else:
        for item in field.items():
            found[item.collect(_host_line, "")] = None
    hosts = tuple(host for host in found if host)
    if len(hosts) > ITEMS_MAX:
        raise field.fault(f"more than {ITEMS_MAX} hosts", "Give fewer.")
    return hosts


def _named_host(field: Field, name: str) -> str:
    return _host(field, name, field.written())


def _host_line(field: Field) -> str:
    text = field.text()
    name, _, address = text.partition("=" if "=" in text else ":")
    return _host(field, name, address)


def _host(field: Field, name: str, address: str) -> str:
    if not _DOMAIN.fullmatch(name) or name == ".":
        raise field.fault(f"{quoted(name)} is no host name", 'Write "name=10.0.0.2".')
    if address == "host-gateway":
        raise field.fault("not supported yet: host-gateway", "Write an address of the node.")
    return f"{name}:{_address(field.with_text(address.strip('[]')))}"


def _read_sysctls(field: Field) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair, name, value in read_pairs(field, Field.written):
        if name not in SYSCTLS:
            message = f"{NO_PERMISSION}: {quoted(name)} is a setting of the whole node, or may harm it"
            pair.error(message, "Set it on the node, or remove it.")
        elif not _SYSCTL_VALUE.fullmatch(value):
            pair.error(
                f"{quoted(value)} is no value of a kernel setting", 'Write a number, or numbers like "1024 65000".'
            )
        else:
            found[name] = value
    return found


def _read_ulimits(field: Field) -> dict[str, Ulimit]:
    found: dict[str, Ulimit] = {}
    for pair in field.pairs():
        if pair.name in ("nice", "rtprio", "rttime"):
            pair.error(f"{NO_PERMISSION}: priority over other containers of the node", "Remove it.")
        elif pair.name not in ULIMITS:
            pair.error("unknown limit", f"Use one of {', '.join(sorted(ULIMITS))}.")
        elif (limit := pair.collect(_read_ulimit, None)) is not None:
            found[pair.name] = limit
    return found


def _read_ulimit(field: Field) -> Ulimit:
    if field.is_scalar:
        both = _limit(field)
        return Ulimit(soft=both, hard=both)
    entries = field.entries(inner.ULIMIT)
    if not (entries.has("soft") and entries.has("hard")):
        raise field.fault("a limit needs soft and hard", "Write one number for both, or both.")
    found = Ulimit(soft=entries.read("soft", _limit, -1), hard=entries.read("hard", _limit, -1))
    if found.hard != -1 and not 0 <= found.soft <= found.hard:
        raise field.fault("soft is above hard", "Lower soft, or raise hard.")
    return found


def _limit(field: Field) -> int:
    return field.integer(-1, _LIMIT_MAX)


def _read_logging(field: Field) -> Logging:
    entries = field.entries(inner.LOGGING)
    driver = entries.read("driver", _driver, "json-file")
    options = entries.get("options")
    known = options.entries(inner.LOG_OPTIONS) if options is not None else Entries({})
    if driver == "none":
        field.warn("nothing is kept, so rope logs has nothing to show", "Use json-file or local.")
        if known.has("max-size") or known.has("max-file"):
            field.error("driver none has no options", "Remove options:.")
    return Logging(
        driver=cast(LogDriver, driver),
        size=known.read("max-size", _log_size, 0),
        files=known.read("max-file", lambda f: f.integer(1, LOG_FILES_MAX), 0),
    )


def _driver(field: Field) -> str:
    value = field.written()
    if value not in ("json-file", "local", "none"):
        message = f"not supported: {quoted(value)}; rope logs reads what the node keeps"
        raise field.fault(message, "Use json-file, local or none, or ship logs from the node.")
    return value


def _log_size(field: Field) -> int:
    size = read_size(field, 1024)
    if size > LOG_SIZE_MAX:
        raise field.fault("must be at most 1g", "Keep logs small on the node; ship them elsewhere.")
    return size


def _check_security(field: Field) -> None:
    """`no-new-privileges` is always on; everything else weakens the node's protection."""
    for item in field.items():
        text = item.collect(Field.text, "").replace("=", ":")
        if text and text not in ("no-new-privileges", "no-new-privileges:true"):
            item.error(f"{NO_PERMISSION}: {quoted(text)} changes the node's protection", "Remove it.")
