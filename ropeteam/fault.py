"""What goes wrong for a person at the command line: what, why, what next, and the exit code that scripts read."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `rope`."""

    OK = 0
    ERROR = 1
    USAGE = 2
    CHANGES = 3
    """`plan --exit-code`: a deploy would change something."""
    SIGNED_OUT = 4
    NOT_FOUND = 5
    CONFLICT = 6
    ROLLED_BACK = 7
    FAILED = 8
    TIMEOUT = 124
    INTERRUPTED = 130


class Fault(Exception):
    """Ends a command. `what` went wrong and why; `then`: what to do next, "" when that is clear."""

    def __init__(self, what: str, then: str = "", code: Exit = Exit.ERROR) -> None:
        super().__init__(what)
        self.what = what
        self.then = then
        self.code = code


class Unreachable(Fault):
    """The Center did not answer; whoever waits for something may try again."""
