"""Questions to the person at the terminal, and lengths of time as people write them."""

import re
import sys

import click

from ropeteam.fault import Exit, Fault
from ropeteam.output import safe

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


def confirm(question: str, yes: bool) -> None:
    """Go on when the person agrees. Without a terminal nobody is asked: raises Fault naming the flag."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Fault(f"not done: {question}", "There is no terminal to ask on; say -y.", Exit.USAGE)
    if not click.confirm(safe(question), err=True):
        raise Fault("not done")


def seconds(text: str, option: str) -> float:
    """`90s`, `15m`, `1h30m` or `90` in seconds. Raises click's usage error."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise click.BadParameter(f"{text!r} is not a length of time like 90s, 15m or 2h", param_hint=option)
    return sum(float(n) * _UNITS[u] for n, u in parts)
