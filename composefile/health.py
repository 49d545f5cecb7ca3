"""`healthcheck` -> HealthCheck, with Compose's defaults. Called by `service`."""

from composefile import inner
from composefile.durations import read_duration
from composefile.errors import quoted
from composefile.field import Field
from composefile.values import read_list
from protocol.spec import HealthCheck

OFF = HealthCheck(test=("NONE",))
"""No check, not even the one the image brings."""

_SHORTEST_S = 0.001
"""Docker refuses shorter times (1 ms)."""


def read_health(field: Field) -> HealthCheck | None:
    """The check; `OFF` for `disable: true` and NONE; None when it cannot be read (noted)."""
    entries = field.entries(inner.HEALTHCHECK)
    if entries.read("disable", Field.boolean, False):
        return OFF
    test = entries.read("test", _read_test, ())
    interval_s = entries.read("interval", _time, 30.0)
    timeout_s = entries.read("timeout", _time, 30.0)
    start_period_s = entries.read("start_period", read_duration, 0.0)
    retries = entries.read("retries", lambda f: f.integer(1, 1000), 3)
    if test == ("NONE",):
        return OFF
    if not entries.has("test"):
        raise field.fault("a health check needs test", 'Add test: ["CMD", …], or disable: true.')
    if not test:
        return None
    return HealthCheck(
        test=test, interval_s=interval_s, timeout_s=timeout_s, start_period_s=start_period_s, retries=retries
    )


def _time(field: Field) -> float:
    return read_duration(field, _SHORTEST_S)


def _read_test(field: Field) -> tuple[str, ...]:
    if field.is_scalar:
        line = field.text()
        if not line.strip():
            raise field.fault("the command is empty", "Write a command, or disable: true.")
        return ("CMD-SHELL", line)
    words = read_list(field)
    match words:
        case ("NONE",) | ("CMD", _, *_) | ("CMD-SHELL", _):
            return words
        case ("NONE" | "CMD" | "CMD-SHELL", *_):
            raise field.fault(f"wrong number of items after {words[0]}", 'Write ["CMD", "program", "argument"].')
        case _:
            first = quoted(words[0]) if words else "nothing"
            raise field.fault(f"must begin with CMD, CMD-SHELL or NONE, not {first}", 'Put "CMD" before it.')
