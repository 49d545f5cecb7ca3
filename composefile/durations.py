"""Durations (`1m30s`) and sizes (`512m`) as Compose writes them, in seconds and bytes. Called by the other readers."""

import math
import re

from composefile.errors import quoted
from composefile.field import Field

_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"[0-9]{1,12}(?:\.[0-9]{1,9})?(?:ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"(?:{_PART})+")
_PARTS = re.compile(r"([0-9.]+)(ns|us|µs|μs|ms|s|m|h)")
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def read_duration(field: Field, lowest_s: float = 0.0, highest_s: float = 86_400.0) -> float:
    """Seconds of `1m30s`, `500ms`, `1h`. Raises Fault for another form or outside the bounds."""
    value = field.written()
    if not _DURATION.fullmatch(value):
        fix = f'Write "{value}s".' if re.fullmatch(r"[0-9]{1,6}", value) else 'Write it like "1m30s".'
        raise field.fault(f"must be a duration with a unit, not {quoted(value)}", fix)
    seconds = math.fsum(float(number) * _UNIT_S[unit] for number, unit in _PARTS.findall(value))
    if not lowest_s <= seconds <= highest_s:
        raise field.fault(f"must be between {lowest_s:g} s and {highest_s:g} s, not {seconds:g} s")
    return seconds


def read_size(field: Field, lowest: int = 0) -> int:
    """Bytes of `512m`, `1.5g`, `64kb` or a plain number; k, m, g are powers of 1024, as Docker counts."""
    value = field.written()
    match = _SIZE.fullmatch(value)
    if match is None:
        raise field.fault(f"must be a size, not {quoted(value)}", 'Write it like "512m" or "2g".')
    size = int(float(match[1]) * 1024 ** _POWER[(match[2] or "").lower()])
    if not lowest <= size < 1 << 53:
        raise field.fault(f"must be at least {lowest} bytes and below 8 PiB, not {quoted(value)}")
    return size
