"""`x-rope.probe` -> Probe: a check the agent makes itself, by HTTP, TCP or a command. Called by `rope`."""

import re

import msgspec

from composefile import inner
from composefile.durations import read_duration
from composefile.errors import quoted
from composefile.field import Entries, Field
from composefile.values import read_pairs, read_words
from protocol.spec import Probe

HEADERS_MAX = 32
"""Headers of one HTTP probe."""

_KINDS = ("http", "tcp", "exec")
_ONE_KIND = "Write one of http: {port: 80}, tcp: {port: 80} or exec: [program, argument]."
_STATUS = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")  # a token of RFC 9110
_PATH = re.compile(r"/[!-~]{0,2047}")


def read_probe(field: Field) -> Probe | None:
    """The probe; None for `probe: false` (none, whatever the project says) and when it cannot be read (noted)."""
    if field.is_scalar and field.written() == "false":
        return None
    entries = field.entries(inner.PROBE)
    kinds = [kind for kind in _KINDS if entries.has(kind)]
    if len(kinds) != 1:
        raise field.fault(f"a probe is one of http, tcp and exec, not {' and '.join(kinds) or 'none'}", _ONE_KIND)
    readers = {"http": _read_http, "tcp": _read_tcp, "exec": _read_exec}
    probe = entries.read(kinds[0], readers[kinds[0]], None)
    timed = _with_times(probe or Probe(kind="tcp"), entries)
    return timed if probe is not None else None


def _with_times(probe: Probe, entries: Entries) -> Probe:
    return msgspec.structs.replace(
        probe,
        interval_s=entries.read("interval", lambda f: read_duration(f, 0.1, 3600.0), probe.interval_s),
        timeout_s=entries.read("timeout", lambda f: read_duration(f, 0.01, 600.0), probe.timeout_s),
        start_period_s=entries.read("start_period", read_duration, probe.start_period_s),
        retries=entries.read("retries", lambda f: f.integer(1, 1000), probe.retries),
    )


def _read_http(field: Field) -> Probe:
    entries = field.entries(inner.PROBE_HTTP)
    first, last = entries.read("status", _read_status, (200, 399))
    return Probe(
        kind="http",
        port=_port(field, entries),
        path=entries.read("path", read_path, "/"),
        headers=entries.read("headers", _read_headers, {}),
        status_from=first,
        status_to=last,
    )


def _read_tcp(field: Field) -> Probe:
    return Probe(kind="tcp", port=_port(field, field.entries(inner.PROBE_TCP)))


def _read_exec(field: Field) -> Probe:
    words = read_words(field)
    if not words or not words[0].strip():
        raise field.fault("the command is empty", "Write a program and its arguments.")
    return Probe(kind="exec", command=words)


def _port(field: Field, entries: Entries) -> int:
    if not entries.has("port"):
        raise field.fault("a probe needs port", "Add port: and the port in the container.")
    return entries.read("port", lambda f: f.integer(1, 65535), 0)


def read_path(field: Field) -> str:
    """The path of a URL, with a query where there is one. Raises Fault."""
    value = field.text()
    if not _PATH.fullmatch(value):
        raise field.fault(f"{quoted(value)} is no path of a URL", "Begin it with '/'; write other characters as %XX.")
    return value


def _read_status(field: Field) -> tuple[int, int]:
    value = field.written()
    match = _STATUS.fullmatch(value)
    if match is None:
        raise field.fault(f"{quoted(value)} is no HTTP status", 'Write 200, or a range like "200-399".')
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise field.fault(f"{quoted(value)}: a range begins with its lowest status", f'Write "{last}-{first}".')
    return first, last


def _read_headers(field: Field) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair, name, value in read_pairs(field, lambda _: ""):
        if not _HEADER.fullmatch(name):
            pair.error(f"{quoted(name)} is no name of an HTTP header", "Use letters, digits and '-'.")
        elif not value.isascii() or not (value.isprintable() or not value):
            pair.error("a header's value is printable ASCII", "Remove other characters.")
        else:
            found[name] = value
    if len(found) > HEADERS_MAX:
        raise field.fault(f"more than {HEADERS_MAX} headers", "Send fewer.")
    return found
