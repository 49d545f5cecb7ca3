"""A fault as lines for stderr: what and why, each detail, what next."""

from composefile.errors import render
from ropeteam.client import Refusal
from ropeteam.fault import Fault
from ropeteam.output import safe


def lines(error: Fault) -> list[str]:
    """`rope: …`, the problems named in the answer, and the next step."""
    found = [f"rope: {safe(error.what)}"]
    if isinstance(error, Refusal):
        details = [d for d in error.error.details if d.message not in error.what]
        found += [safe(line) for line in render(error.file, details).splitlines()[:-1]]
    if error.then:
        found.append(safe(error.then))
    return found
