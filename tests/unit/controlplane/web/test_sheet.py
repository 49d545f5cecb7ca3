"""A view in one language: only what changed is drawn and sent, once for everybody."""

from controlplane.web.sheet import DELTAS_KEPT, Many, Piece, Pieces, Sheet


class Drawer:
    """Draws `<template>=<value>` and notes it."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def __call__(self, template: str, value: object) -> str:
        self.drawn.append(template)
        return f"[{template} {value}]"


def many(**entries: object) -> Many:
    return Many("row", "none", entries)


def test_the_first_paint_and_a_snapshot_are_made_of_the_same_pieces() -> None:
    sheet = Sheet(Drawer())
    assert sheet.update({"head": Piece("title", 1), "rows": many(a=1, b=2)})
    assert sheet.section("head") == "[title 1]"
    assert sheet.section("rows") == "[row 1][row 2]"
    assert sheet.since(-1) == (
        '<hx-partial hx-target="#head" hx-swap="innerMorph">[title 1]</hx-partial>'
        '<hx-partial hx-target="#rows" hx-swap="innerMorph">[row 1][row 2]</hx-partial>'
    )


def test_only_what_changed_is_drawn_and_sent() -> None:
    draw = Drawer()
    sheet = Sheet(draw)
    sheet.update({"head": Piece("title", 1), "rows": many(a=1, b=2)})
    shown = sheet.version
    draw.drawn.clear()
    assert not sheet.update({"head": Piece("title", 1), "rows": many(a=1, b=2)})
    assert sheet.since(shown) == "" and not draw.drawn
    assert sheet.update({"head": Piece("title", 1), "rows": many(a=1, b=3)})
    assert sheet.since(shown) == '<hx-partial hx-target="#b" hx-swap="outerMorph">[row 3]</hx-partial>'
    assert draw.drawn == ["row"]


def test_a_list_with_other_members_or_order_is_sent_as_a_whole() -> None:
    sheet = Sheet(Drawer())
    sheet.update({"rows": many(a=1, b=2)})
    for entries, inside in (
        ({"a": 1}, "[row 1]"),
        ({"c": 3, "a": 1}, "[row 3][row 1]"),
        ({"a": 1, "c": 3}, "[row 1][row 3]"),
    ):
        shown = sheet.version
        assert sheet.update({"rows": many(**entries)})
        assert sheet.since(shown) == f'<hx-partial hx-target="#rows" hx-swap="innerMorph">{inside}</hx-partial>'


def test_an_empty_list_shows_what_to_do_next() -> None:
    sheet = Sheet(Drawer())
    sheet.update({"rows": many()})
    assert sheet.section("rows") == "[none None]"
    assert not sheet.update({"rows": many()})
    assert sheet.update({"rows": many(a=1)})
    assert sheet.section("rows") == "[row 1]"
    assert sheet.update({"rows": many()})
    assert sheet.section("rows") == "[none None]"
    assert sheet.since(-1).count("hx-target") == 1


def test_who_missed_a_frame_gets_everything() -> None:
    sheet = Sheet(Drawer())
    sheet.update({"rows": many(a=1, b=2)})
    shown = sheet.version
    sheet.update({"rows": many(a=1, b=3)})
    sheet.update({"rows": many(a=4, b=3)})
    assert sheet.since(shown) == (
        '<hx-partial hx-target="#b" hx-swap="outerMorph">[row 3]</hx-partial>'
        '<hx-partial hx-target="#a" hx-swap="outerMorph">[row 4]</hx-partial>'
    ), "one after the other"
    for number in range(5, 5 + DELTAS_KEPT - 1):
        sheet.update({"rows": many(a=number, b=3)})
    assert (
        sheet.since(shown)
        == sheet.since(-1)
        == ('<hx-partial hx-target="#rows" hx-swap="innerMorph">[row 6][row 3]</hx-partial>')
    )


def test_a_value_that_is_drawn_the_same_is_no_news() -> None:
    sheet = Sheet(lambda template, value: "same")
    sheet.update({"head": Piece("t", 1), "rows": many(a=1)})
    assert not sheet.update({"head": Piece("t", 2), "rows": many(a=2)})


def test_an_entry_that_left_and_came_back_is_drawn_anew() -> None:
    sheet = Sheet(Drawer())
    sheet.update({"rows": many(a=1, b=1)})
    sheet.update({"rows": many(b=1)})
    sheet.update({"rows": many(a=2, b=1)})
    assert sheet.section("rows") == "[row 2][row 1]"


def test_a_long_list_can_be_drawn_in_portions() -> None:
    draw = Drawer()
    sheet = Sheet(draw)
    pieces: Pieces = {"head": Piece("title", 1), "rows": many(a=1, b=2, c=3)}
    portions = []
    while sheet.prepare(pieces, 2):
        portions.append(len(draw.drawn))
    assert portions == [2] and draw.drawn == ["row"] * 3
    assert sheet.update(pieces)
    assert draw.drawn == [*["row"] * 3, "title"], "nothing is drawn twice"
    assert sheet.section("rows") == "[row 1][row 2][row 3]"
    assert not sheet.prepare(pieces, 2)


def test_what_was_drawn_ahead_of_a_value_that_changed_is_thrown_away() -> None:
    sheet = Sheet(Drawer())
    sheet.prepare({"rows": many(a=1)}, 9)
    sheet.update({"rows": many(a=2)})
    assert sheet.section("rows") == "[row 2]"


def test_drawing_ahead_ends_also_when_values_are_made_anew_each_time() -> None:
    draw = Drawer()
    sheet = Sheet(draw)
    rounds = 0
    while sheet.prepare({"rows": Many("row", "none", {f"k{i}": ("shop", i) for i in range(50)})}, 20):
        rounds += 1
        assert rounds < 10, "it draws the same ones again"
    assert len(draw.drawn) == 50
    sheet.update({"rows": Many("row", "none", {f"k{i}": ("shop", i) for i in range(50)})})
    assert len(draw.drawn) == 50, "what was drawn ahead is used"
