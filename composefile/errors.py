"""What is wrong with a Compose file: findings as they are made, the one exception, and how they read on a terminal.

Does not judge anything itself. Called by every reader of this package; `render` by the command line.
"""

from collections.abc import Sequence

import msgspec

from protocol.api import Problem

PROBLEMS_MAX = 500
"""Errors (and warnings) kept for one file; beyond that a list helps nobody."""

QUOTE_MAX = 60
"""Characters of the user's text shown in a message."""


class Mark(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place in the text; line and column count from 1. `file`: "" where there is one file only."""

    line: int = 1
    column: int = 1
    file: str = ""


class ComposeError(Exception):
    """The file cannot be used. `problems`: every error, in the order of the file; `warnings`: what else was seen."""

    def __init__(self, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.warnings: tuple[Problem, ...] = tuple(warnings)
        first = self.problems[0] if self.problems else Problem(message="the file cannot be used")
        super().__init__(f"line {first.line}: {first.field}: {first.message}")


class Fault(Exception):
    """One value cannot be used. Made by `Field.fault`, caught by the next `Field.collect`; never leaves the package."""

    def __init__(self, problem: Problem | None) -> None:
        """None: what is wrong has been noted already."""
        super().__init__(problem.message if problem is not None else "noted before")
        self.problem = problem


class Findings:
    """Errors and warnings while one file is read. The only thing here that changes."""

    def __init__(self) -> None:
        self._errors: dict[Problem, None] = {}
        self._warnings: dict[Problem, None] = {}
        self._files: dict[str, int] = {}

    def follow(self, file: str) -> None:
        """Findings in `file` come after those in the files named before."""
        self._files.setdefault(file, len(self._files))

    def error(self, problem: Problem) -> None:
        """Note an error; the same one at the same place once only."""
        _keep(self._errors, problem)

    def warn(self, problem: Problem) -> None:
        """Note a warning; the same one at the same place once only."""
        _keep(self._warnings, problem)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The errors, in the order of the file."""
        return self._in_order(self._errors, "more errors are not shown")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings, in the order of the file."""
        return self._in_order(self._warnings, "more warnings are not shown")

    @property
    def many(self) -> bool:
        """True when so much is wrong that costly hints are no longer worth their time."""
        return len(self._errors) > 50

    def _in_order(self, found: dict[Problem, None], full: str) -> tuple[Problem, ...]:
        files = self._files
        shown = sorted(list(found)[:PROBLEMS_MAX], key=lambda p: (files.get(p.file, len(files)), p.line, p.column))
        return (*shown, Problem(message=full)) if len(found) > PROBLEMS_MAX else tuple(shown)

    def check(self) -> None:
        """Raise ComposeError with everything found when there is an error."""
        if self._errors:
            raise ComposeError(self.errors, self.warnings)


def _keep(found: dict[Problem, None], problem: Problem) -> None:
    if len(found) <= PROBLEMS_MAX:
        found[problem] = None


def quoted(text: str) -> str:
    """The user's text for a message: in quotes, shortened, nothing in it that a terminal would obey."""
    return '"' + printable(text) + '"'


def printable(text: str) -> str:
    """`text` shortened to QUOTE_MAX characters, with control and other unprintable characters escaped."""
    return escaped(text if len(text) <= QUOTE_MAX else text[: QUOTE_MAX - 1] + "…")


def escaped(text: str) -> str:
    """`text`, the whole of it (a path is of no use in part), with control and other unprintable characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def render(file: str, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> str:
    """The lines a person reads: one for each problem (errors first), then the count.

    `compose.yaml:14:5  services.web.links  not supported: … Remove it.` and `3 errors, 1 warning. Nothing was changed.`
    """
    lines = [_line(file, p, "") for p in problems] + [_line(file, p, "warning: ") for p in warnings]
    counts = [_count(len(problems), "error")] if problems or not warnings else []
    counts += [_count(len(warnings), "warning")] if warnings else []
    lines.append(", ".join(counts) + "." + (" Nothing was changed." if problems else ""))
    return "\n".join(lines)


def _line(file: str, problem: Problem, kind: str) -> str:
    name = escaped(problem.file) if problem.file else file
    where = f"{name}:{problem.line}:{problem.column}" if problem.line else name
    message = problem.message if problem.message.endswith((".", "!", "?", "…")) else problem.message + "."
    said = f"{kind}{message} {problem.fix}".rstrip()
    return "  ".join(part for part in (where, problem.field, said) if part)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
