"""A fault as lines for stderr: what and why, each detail, what next. And warnings, each where it belongs."""

from collections.abc import Collection, Iterator, Sequence

from composefile.errors import render
from protocol.api import Problem
from ropeteam.client import Refusal
from ropeteam.fault import Fault
from ropeteam.output import safe


def lines(error: Fault) -> list[str]:
    """`rope: …`, the problems named in the answer or in the files, and the next step."""
    from ropeteam.composing import BadFiles

    found = [f"rope: {safe(error.what)}"]
    if isinstance(error, Refusal):
        details = [d for d in error.error.details if d.message not in error.what]
        found += [safe(line) for line in render(error.file, details).splitlines()[:-1]]
    if isinstance(error, BadFiles):
        found += [safe(line) for line in render(error.file, error.problems, error.warnings).splitlines()[:-1]]
    if error.then:
        found.append(safe(error.then))
    return found


def warnings(file: str, found: Sequence[Problem], told: Collection[Problem] = ()) -> Iterator[str]:
    """A line for each warning that was not `told` before: `warning: …`, its place in front where it has one."""
    known = {(problem.field, problem.message) for problem in told}
    for problem in found:
        if (problem.field, problem.message) in known:
            continue
        if problem.line or problem.file:
            yield render(file, (), (problem,)).splitlines()[0]
        else:
            yield f"warning: {problem.message} {problem.fix}".rstrip()
