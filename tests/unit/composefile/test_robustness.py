"""Any text gives a specification or a ComposeError, and what is said of it can be shown on a terminal."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composefile.errors import ComposeError, render
from composefile.read import read
from tests.unit.composefile.sample import FILE

SCRAPS = (
    "&a ", "*a", "<<: ", "!x ", "!!int ", "!!str ", "!!binary ", "!<a> ", "%YAML 1.1\n", "---\n", "...\n", "\t", "\0",
    "\\x00", '"\\ud800"', '"\\U00110000"', '"', "'", "|", "|2-\n", ">", "{", "}", "[", "]", ":", ": ", "- ", "? ", "#",
    "$", "${A", "$$", "\n", "\r", "\x85", "\u2028", "\ufeff", "\x1b", "~", "null", "1e999", ".nan", "0x1F", "007", "-1",
    "9" * 30, "true", "99999", "80:", "@", "/", "..", ",", "==", "x-rope: ", "    ",
)  # fmt: skip

scrap = st.sampled_from(SCRAPS) | st.characters() | st.text(max_size=4)
place = st.integers(0, len(FILE))
change = st.tuples(place, st.integers(0, 12), scrap) | st.tuples(place, st.integers(0, 200), st.just(""))


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(change, min_size=1, max_size=4))
def test_a_broken_file_gives_only_compose_errors(changes: list[tuple[int, int, str]]) -> None:
    text = FILE
    for start, length, scrap in changes:
        text = text[:start] + scrap + text[start + length :]
    try:
        read(text, project="shop")
    except ComposeError as error:
        assert error.problems
        shown = render("compose.yaml", error.problems, error.warnings)
        assert all(line.isprintable() for line in shown.split("\n"))
        lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029")
        assert all(problem.line <= lines + 1 or problem.field == "" for problem in error.problems)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text())
def test_any_text_gives_only_compose_errors(text: str) -> None:
    try:
        read(text, project="shop")
    except ComposeError as error:
        assert error.problems
