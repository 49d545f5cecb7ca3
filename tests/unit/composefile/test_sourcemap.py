"""Problems of a made file are told in the user's own files, whatever the map says."""

from composefile.sourcemap import in_sources
from protocol.api import Problem, SourceMap

MAP = SourceMap(files=("a.yaml", "b.yaml"), places=((2, 3, 0, 10, 5), (3, 3, 1, 7, 1), (3, 9, 0, 11, 2)))


def test_the_nearest_place_before_in_the_same_line_is_taken() -> None:
    found = in_sources(
        [
            Problem(message="m", line=2, column=3),
            Problem(message="m", line=3, column=8),
            Problem(message="m", line=3, column=40),
        ],
        MAP,
    )
    assert [(p.file, p.line, p.column) for p in found] == [("a.yaml", 10, 5), ("b.yaml", 7, 1), ("a.yaml", 11, 2)]


def test_what_the_map_does_not_cover_stays() -> None:
    problems = (
        Problem(message="before all", line=1, column=1),
        Problem(message="left of all", line=2, column=1),
        Problem(message="after all", line=9, column=1),
        Problem(message="nowhere"),
        Problem(message="known", line=2, column=3, file="c.yaml"),
    )
    assert in_sources(problems, MAP) == problems
    assert in_sources(problems, None) == problems
    assert in_sources(problems, SourceMap(files=("a",))) == problems


def test_a_hostile_map_does_no_harm() -> None:
    problem = Problem(message="m", line=2, column=3)
    for file in (-1, 2, 1 << 60):
        assert in_sources([problem], SourceMap(files=("a", "b"), places=((2, 3, file, 1, 1),))) == (problem,)
    unsorted = SourceMap(files=("a",), places=((9, 1, 0, 1, 1), (2, 1, 0, 4, 4)))
    assert in_sources([problem], unsorted)[0].line == 4
