"""Lines of logs as they travel: read, cut, put together again; what is hostile stays text."""

import pytest

from protocol.loglines import NS, Lines, cut_front, fresh_lines, last_lines, last_stamp_ns, parse, stamp_ns

ONE = b"o2026-11-22T20:47:54.000000001Z one\n"
TWO = b"e2026-11-22T20:47:55.500000000Z two: \xff\xfe\n"
AT = 1795380474 * NS


def test_a_line_says_when_and_where_it_was_written() -> None:
    assert parse(ONE[:-1]) == (AT + 1, False, b"one")
    assert parse(TWO[:-1]) == (AT + 1_500_000_000, True, b"two: \xff\xfe")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"o",
        b"onothing",
        b"o2026-13-22T20:47:54.000000001Z x",
        b"o2026-11-22T20:47:54.00000000xZ x",
        b"o" + b"9" * 40,
    ],
)
def test_a_line_that_is_not_as_it_should_be_is_all_text(line: bytes) -> None:
    assert stamp_ns(line) == 0
    assert parse(line).text == line[1:]


def test_the_last_lines_are_counted_and_dated() -> None:
    assert last_stamp_ns(ONE + TWO) == AT + 1_500_000_000
    assert last_stamp_ns(b"") == 0
    assert last_lines(ONE + TWO, 1) == TWO
    assert last_lines(ONE + TWO, 0) == b""
    assert last_lines(ONE + TWO, -1) == ONE + TWO
    assert last_lines(ONE + TWO, 5, AT + 2) == TWO
    assert last_lines(b"oa\rb\n", 1) == b"oa\rb\n", "a carriage return ends no line"


def test_what_is_too_long_loses_whole_lines_at_its_front() -> None:
    assert cut_front(ONE + TWO, 1000) == ONE + TWO
    assert cut_front(ONE + TWO, len(TWO)) == TWO
    assert cut_front(ONE + TWO, len(TWO) + 5) == TWO
    assert cut_front(ONE + TWO, 3) == b""


def test_pieces_of_any_size_become_lines_again() -> None:
    lines = Lines()
    found = [line for at in range(0, len(ONE + TWO), 7) for line in lines.feed((ONE + TWO)[at : at + 7])]
    assert found == [ONE[:-1], TWO[:-1]]


def test_lines_that_come_again_are_known_by_their_time_in_their_channel() -> None:
    assert fresh_lines(b"", ONE + TWO) == ONE + TWO
    assert fresh_lines(ONE, ONE + TWO) == TWO
    late = b"o" + ONE[1:]
    assert fresh_lines(TWO, late) == late, "an older line of the other channel is new all the same"
    assert fresh_lines(ONE + TWO, ONE + TWO) == b""
