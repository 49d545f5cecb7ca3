"""A problem in a file that was made out of others -> the same problem in the user's own file. Trusts no map.

Called by the Center's web ring (its maps come from the network) and by `resolving`.
"""

from bisect import bisect_right
from collections.abc import Iterable

import msgspec

from composefile.errors import Mark
from protocol.api import Problem, SourceMap


def in_sources(problems: Iterable[Problem], sources: SourceMap | None) -> tuple[Problem, ...]:
    """The problems with the file, line and column that `sources` gives; those it does not cover as they are."""
    if sources is None or not sources.places:
        return tuple(problems)
    places = sorted(sources.places)
    return tuple(_located(problem, sources.files, places) for problem in problems)


def _located(problem: Problem, files: tuple[str, ...], places: list[tuple[int, int, int, int, int]]) -> Problem:
    """The nearest place at or before the problem's, in the same line."""
    index = bisect_right(places, (problem.line, problem.column, len(files))) - 1
    if problem.file or index < 0 or places[index][0] != problem.line:
        return problem
    _, _, file, line, column = places[index]
    if not 0 <= file < len(files):
        return problem
    mark = Mark(file=files[file], line=line, column=column)
    return msgspec.structs.replace(problem, file=mark.file, line=mark.line, column=mark.column)
