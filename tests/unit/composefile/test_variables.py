"""Variables in a text: each form, what is not set, what is none."""

import pytest

from composefile.variables import DEPTH_MAX, BadVariable, fill

VALUES = {"A": "a", "EMPTY": "", "TRAP": "${A} $A $$"}


def filled(text: str) -> tuple[str, list[str]]:
    unset: list[str] = []
    return fill(text, VALUES.get, unset.append), unset


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("$A-${A}", "a-a"),
        ("$$A $$$A $$$$", "$A $a $$"),
        ("${EMPTY:-d}${EMPTY-d}${NONE:-d}${NONE-d}", "ddd"),
        ("${A:+o}${A+o}${EMPTY:+o}${EMPTY+o}${NONE:+o}${NONE+o}", "ooo"),
        ("${A:?m}${A?m}${EMPTY?m}", "aa"),
        ("${NONE:-${EMPTY:-${A}}}", "a"),
        ("${NONE:-a}b}", "ab}"),
        ('${NONE:-{"k": 1}}', '{"k": 1}'),
        ('${A:-{"k": {"l": ${NONE:-1}}}}', "a"),
        ("${NONE:-{}b}", "{}b"),
        ("${NONE:-}}", "}"),
        ("${EMPTY:-{:}", "{:"),
        ("${NONE-{}é $$", "{é $"),
        ("${NONE:-$$A}", "$A"),
        ("${NONE:-a:-b?c+d}", "a:-b?c+d"),
        ("${A:-${NONE:?not asked for}}", "a"),
        ("$TRAP", "${A} $A $$"),  # a value is not filled in again
        ("5$ $ $1 $-", "5$ $ $1 $-"),
        ("$Ab", ""),
        ("${A}b", "ab"),
        ("$é", "$é"),
    ],
)
def test_forms(text: str, value: str) -> None:
    assert filled(text)[0] == value


def test_what_is_not_set_is_told() -> None:
    assert filled("$X ${Y} ${Z:-d} ${EMPTY} ${V:+o}")[1] == ["X", "Y"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${", "not closed"),
        ("${A", "not closed"),
        ("${EMPTY:-${B}", "not closed"),
        ("${}", "is no variable"),
        ("${1}", "is no variable"),
        ("${A B}", "is no variable"),
        ("${A/b/c}", "is no variable"),
        ("${A:}", "is no variable"),
        ("${é}", "is no variable"),
        ("${EMPTY:?say it}", "EMPTY is empty: say it"),
        ("${NONE?}", "NONE is not set"),
        ("${NONE:?because of $A}", "NONE is not set: because of a"),
        ("${N:-" * (DEPTH_MAX + 2) + "}" * (DEPTH_MAX + 2), "nested too deeply"),
    ],
)
def test_what_is_none(text: str, why: str) -> None:
    with pytest.raises(BadVariable) as wrong:
        filled(text)
    assert why in wrong.value.message and wrong.value.fix
