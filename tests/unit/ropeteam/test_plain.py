"""What containers write does not reach the terminal as anything but text and colours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeteam.plain import RESET, plain


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain 文本 é", "plain 文本 é"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[H\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\a\x1bcb", "ab"),
        ("50%\r100%\r", "50%\\r100%"),
        ("a\tb", "a\tb"),
        ("bell\x07 back\x08 c1\x9b31m", "bell\\x07 back\\x08 c1\\x9b31m"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\x1b[6n\x1b[c\x1b[?1049h", ""),
        ("half \x1b", "half "),
        ("half \x1b[31", "half 31"),
    ],
)
def test_hostile_text_is_made_harmless(hostile: str, shown: str) -> None:
    assert plain(hostile, colours=False) == shown


def test_colours_stay_where_they_are_wanted_and_end_with_the_line() -> None:
    assert plain("\x1b[1;31mred\x1b[2Jtext", colours=True) == f"\x1b[1;31mredtext{RESET}"
    assert plain("none", colours=True) == "none"


@given(st.text(max_size=200))
def test_no_control_character_passes(text: str) -> None:
    assert all(c.isprintable() or c == "\t" for c in plain(text, colours=False))
