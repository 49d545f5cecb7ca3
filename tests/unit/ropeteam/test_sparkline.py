"""A line of blocks: true heights, gaps that are seen, and no block where a terminal has none."""

from ropeteam.sparkline import sparkline


def test_the_highest_block_is_the_whole_or_the_highest_figure() -> None:
    assert sparkline([0.0, 50.0, 99.9, 100.0, 130.0], 100.0) == "▁▅███"
    assert sparkline([1.0, 2.0, 4.0]) == "▃▅█"
    assert sparkline([0.0, 0.0]) == "▁▁"


def test_where_there_was_no_figure_there_is_a_dot() -> None:
    assert sparkline([None, 10.0, None], 100.0) == "·▁·"
    assert sparkline([None, None]) == "-" == sparkline([])


def test_a_terminal_without_blocks_gets_plain_characters() -> None:
    assert sparkline([0.0, None, 100.0], 100.0, "ascii") == "_ @"
    assert sparkline([0.0], 100.0, "latin-1") == "_"
    assert sparkline([0.0], 100.0, "no-such-encoding") == "_"
