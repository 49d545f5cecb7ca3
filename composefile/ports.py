"""`ports` and `expose`: the short and long forms -> PortSpecs. Does not choose host ports. Called by `service`."""

import ipaddress
import re
from typing import cast

from composefile import inner
from composefile.errors import Findings, quoted
from composefile.field import Field
from composefile.yamltext import Node
from protocol.spec import PortSpec, Protocol

PORTS_MAX = 256
"""Published ports of one service, ranges expanded."""

_SHORT = re.compile(
    r"(?:(?P<ip>\[[0-9a-fA-F:.]+\]|[0-9.]+):(?=[^:]*:))?(?:(?P<host>[0-9-]*):)?(?P<target>[0-9-]+)(?:/(?P<proto>\w+))?"
)
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_FORMS = 'Write "80", "8080:80", "8000-8010:80", "127.0.0.1:8080:80" or "53:53/udp".'

_ANY = ("", "0.0.0.0", "::")
_TCP: Protocol = "tcp"

Span = tuple[int, int]


def read_ports(field: Field) -> tuple[PortSpec, ...]:
    """All ports of a service, in the order of the file. The same host port for two of them is an error."""
    found: list[PortSpec] = []
    for item in field.items():
        ports = item.collect(_read_long if item.is_map else _read_short, ())
        if len(found) + len(ports) > PORTS_MAX:
            raise item.fault(
                f"more than {PORTS_MAX} published ports", "Publish fewer; services of a project need none."
            )
        for port in ports:
            if port in found:
                item.warn("given twice by this service; it counts once, as in Compose", "Remove one of them.")
                continue
            clash = next((other for other in found if _clash(other, port)), None)
            if clash is not None:
                message = f"host port {port.host_from}/{port.protocol} is published twice by this service"
                item.error(message, "Keep one of them.")
            found.append(port)
    return tuple(found)


def _clash(one: PortSpec, other: PortSpec) -> bool:
    same_address = one.host_ip == other.host_ip or one.host_ip in _ANY or other.host_ip in _ANY
    same_port = one.fixed and other.fixed and one.host_from == other.host_from
    return same_port and same_address and one.protocol == other.protocol


def port_key(node: Node) -> str | None:
    """What makes an item of `ports` the same as another one when files are merged: address, host port, container port
    and protocol, whatever form they are written in. None for an item that cannot be read.
    """
    field = Field(path="", name="", node=node, mark=node.mark, findings=Findings())  # what is wrong is noted later
    ports = field.collect(_read_long if field.is_map else _read_short, ())
    keys = (f"{p.host_ip}:{p.host_from}-{p.host_to}:{p.container}/{p.protocol}" for p in ports)
    return " ".join(keys) or None


def _read_short(field: Field) -> tuple[PortSpec, ...]:
    text = field.written()
    match = _SHORT.fullmatch(text)
    if match is None:
        raise field.fault(f"{quoted(text)} is no port", _FORMS)
    target = _span(field, match["target"])
    host = _host_span(field, match["host"] or "")
    protocol = _protocol(field, match["proto"] or "tcp")
    return _expand(field, target, host, protocol, _address(field, (match["ip"] or "").strip("[]")))


def _read_long(field: Field) -> tuple[PortSpec, ...]:
    entries = field.entries(inner.PORT)
    target = entries.read("target", lambda f: f.integer(1, 65535), 0)
    host = entries.read("published", lambda f: _host_span(f, f.written()), None)
    protocol = entries.read("protocol", lambda f: _protocol(f, f.written()), _TCP)
    address = entries.read("host_ip", lambda f: _address(f, f.written()), "")
    entries.read("mode", _check_mode, "")
    if not entries.has("target"):
        raise field.fault("a port needs target", "Write target: 80.")
    return _expand(field, (target, target), host, protocol, address) if target else ()


def _check_mode(field: Field) -> str:
    if field.written() == "ingress":
        field.warn("ports are published on the node of each replica, as with host", "Write mode: host.")
        return "host"
    return field.choice("host", "ingress")


def _span(field: Field, text: str) -> Span:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise field.fault(f"{quoted(text)} is no port or range of ports", _FORMS)
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= 65535 or not 1 <= last <= 65535:
        raise field.fault(f"{quoted(text)}: ports are 1 to 65535")
    if last < first:
        raise field.fault(f"{quoted(text)}: a range begins with its lowest port", f'Write "{last}-{first}".')
    return first, last


def _host_span(field: Field, text: str) -> Span | None:
    """The host ports; None = automatic, which Docker also writes as 0."""
    return None if text in ("", "0") else _span(field, text)


def _protocol(field: Field, text: str) -> Protocol:
    if text.lower() not in ("tcp", "udp"):
        raise field.fault(f"protocol must be tcp or udp, not {quoted(text)}")
    return cast(Protocol, text.lower())


def _address(field: Field, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError as error:
        raise field.fault(
            f"{quoted(text)} is no IP address", "Write an address of the node, or leave it out."
        ) from error


def _expand(field: Field, target: Span, host: Span | None, protocol: Protocol, address: str) -> tuple[PortSpec, ...]:
    """One port for each container port. A host range over one container port stays a range to choose from."""
    count = target[1] - target[0] + 1
    if count > PORTS_MAX:
        raise field.fault(f"more than {PORTS_MAX} published ports", "Publish fewer; services of a project need none.")
    if count == 1:
        first, last = host or (None, None)
        return (PortSpec(container=target[0], protocol=protocol, host_from=first, host_to=last, host_ip=address),)
    if host is not None and host[1] - host[0] + 1 != count:
        raise field.fault("the two ranges differ in length", "Give as many host ports as container ports.")
    ports: list[PortSpec] = []
    for offset in range(count):
        fixed = None if host is None else host[0] + offset
        ports.append(
            PortSpec(container=target[0] + offset, protocol=protocol, host_from=fixed, host_to=fixed, host_ip=address)
        )
    return tuple(ports)


def read_expose(field: Field) -> tuple[str, ...]:
    """Exposed ports as Docker writes them (`3000/tcp`), ranges expanded, each once."""
    found: dict[str, None] = {}
    for item in field.items():
        for port in item.collect(_exposed, ()):
            found[port] = None
    if len(found) > PORTS_MAX:
        raise field.fault(f"more than {PORTS_MAX} exposed ports", "Expose fewer; containers reach each other anyway.")
    return tuple(found)


def _exposed(field: Field) -> tuple[str, ...]:
    ports, slash, protocol = field.written().partition("/")
    checked = _protocol(field, protocol if slash else "tcp")
    first, last = _span(field, ports)
    if last - first >= PORTS_MAX:
        raise field.fault(f"more than {PORTS_MAX} exposed ports", "Expose fewer; containers reach each other anyway.")
    return tuple(f"{port}/{checked}" for port in range(first, last + 1))
