"""Env files: the forms that Compose takes, and what is none."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composefile.dotenv import BadEnvFile, Variable, parse, parse_raw

OUTSIDE = {"OUT": "outside", "A": "outer a"}


def nothing(_: str) -> str | None:
    return None


def read_quoted(text: str) -> Iterator[Variable]:
    yield from parse(text, OUTSIDE.get, lambda _line, _name: None)


def parsed(text: str) -> dict[str, str]:
    return {v.name: v.value for v in parse(text, OUTSIDE.get, lambda _line, _name: None)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("X=1", "1"),
        ("X = 1 ", "1"),
        ("X: 1", "1"),
        ("export X=1", "1"),
        ("X=", ""),
        ("X=  # no comment", "# no comment"),
        ("X=a # c", "a"),
        ("X=a#c", "a#c"),
        ("X=#c", "#c"),
        ("X='a # c' # d", "a # c"),
        ("X='$OUT \\n'", "$OUT \\n"),
        ("X='it\\'s'", "it's"),
        ('X="$OUT"', "outside"),
        ('X="\\$OUT \\" \\\\ \\n \\t \\x"', '$OUT " \\ \n \t \\x'),
        ('X="\\0101"', "A"),
        ('X="a\nb"', "a\nb"),
        ("X=${OUT}/x", "outside/x"),
        ("X=${NONE:-d}", "d"),
        ("A=own\nX=$A", "outer a"),
        ("B=own\nX=$B", "own"),
        ("X=1\nX=2", "2"),
        ("X=a=b", "a=b"),
        ('X="a"', "a"),
        ("\ufeffX=1\r\n", "1"),
        ("\n\n  # c\n\tX=1", "1"),
    ],
)
def test_forms(text: str, value: str) -> None:
    assert parsed(text)["X"] == value


def test_a_name_alone_comes_from_outside() -> None:
    assert parsed("OUT\nNONE\nexport A") == {"OUT": "outside", "A": "outer a"}


def test_lines_and_what_is_not_set_are_told() -> None:
    unset: list[tuple[int, str]] = []
    text = 'A=1\n\n# c\nB="x\ny"\nC=$NONE'
    found = list(parse(text, nothing, lambda line, name: unset.append((line, name))))
    assert [(v.name, v.line) for v in found] == [("A", 1), ("B", 4), ("C", 6)]
    assert unset == [(6, "NONE")]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("A=1\n=2", 2, "is no variable"),
        ("TWO WORDS=1", 1, "no spaces"),
        ("A=1\nB='open", 2, "not closed"),
        ('A="open\n\n', 1, "not closed"),
        ("A=${OUT", 1, "not closed"),
        ("A=${NONE:?say it}", 1, "say it"),
        ("a;b=1", 1, "is no variable"),
    ],
)
def test_what_is_none(text: str, line: int, why: str) -> None:
    with pytest.raises(BadEnvFile) as wrong:
        parsed(text)
    assert wrong.value.line == line and why in wrong.value.message and wrong.value.fix


def test_raw_values_are_taken_as_they_are() -> None:
    text = '# c\nA="q" $OUT #x\n\nOUT\nNONE\n B= \n'
    assert {v.name: v.value for v in parse_raw(text, OUTSIDE.get)} == {"A": '"q" $OUT #x', "OUT": "outside", "B": " "}
    with pytest.raises(BadEnvFile):
        list(parse_raw("two words=1", OUTSIDE.get))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(alphabet=st.sampled_from(list("AB=\"'\\$#{}:-?\n \t\ré\ufeff")) | st.characters(), max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    readers: tuple[Callable[[str], Iterator[Variable]], ...] = (read_quoted, lambda t: parse_raw(t, nothing))
    for read in readers:
        try:
            found = list(read(text))
        except BadEnvFile as error:
            assert error.line >= 1
        else:
            assert all(v.name for v in found)
