"""Hostile text made harmless."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.docker.text import clean


@pytest.mark.parametrize(
    ("dirty", "tidy"),
    [
        ("plain", "plain"),
        ("中文 ok 👩‍💻", "中文 ok 👩‍💻"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("a\tb\r\nc\n", "a b c"),
        ("a\x00b\x9bc", "a\ufffdb\ufffdc"),
        ("user\u202egnp.exe", "user\ufffdgnp.exe"),
        ("\ud800", "\ufffd"),
        ("x" * 600, "x" * 500),
    ],
)
def test_text_is_one_printable_line(dirty: str, tidy: str) -> None:
    assert clean(dirty) == tidy


@settings(deadline=None)
@given(st.text(alphabet=st.characters(), max_size=80))
def test_no_text_gets_through_with_controls(dirty: str) -> None:
    tidy = clean(dirty)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in tidy)
    tidy.encode()
    assert clean(tidy) == tidy
