"""Lines of many copies in the order of their time, each of them once."""

from protocol.loglines import NS
from ropeteam.loglook import utc
from ropeteam.merging import Copy, Merge, Newest

ONE = Copy("shop", "web", 1, 1, "node-1")
MOVED = Copy("shop", "web", 1, 2, "node-2")
TWO = Copy("shop", "web", 2, 1, "node-2")


def line(second: int, text: str = "x") -> bytes:
    return f"o{utc(second * NS)} {text}\n".encode()


def times(entries: object) -> list[int]:
    return [entry.line.at_ns // NS for entry in entries]  # type: ignore[attr-defined]  # entries, whatever merged them


def test_nothing_older_can_come_before_what_is_certain() -> None:
    merge = Merge()
    merge.begin(1, ONE)
    merge.begin(2, TWO)
    merge.feed(1, line(1) + line(3) + line(5))
    assert times(merge.certain()) == [], "the other source may begin earlier"
    merge.feed(2, line(2) + line(4))
    assert times(merge.certain()) == [1, 2, 3, 4]
    merge.end(2)
    assert times(merge.certain()) == [5]


def test_lines_that_come_again_are_shown_once() -> None:
    merge = Merge()
    merge.begin(1, ONE)
    merge.feed(1, line(1) + line(2))
    merge.end(1)
    merge.begin(9, ONE)
    merge.feed(9, line(1) + line(2) + line(3))
    assert times(merge.everything()) == [1, 2, 3]
    merge.begin(10, MOVED)
    merge.feed(10, line(1))
    assert times(merge.everything()) == [1], "another copy has lines of its own"


def test_pieces_are_put_together_and_unknown_sources_passed_over() -> None:
    merge = Merge()
    merge.begin(1, ONE)
    assert merge.feed(1, line(1)[:20]) == 0
    assert merge.feed(1, line(1)[20:]) == 1
    assert merge.feed(7, line(1)) == 0
    assert merge.waiting(1) == 1 and merge.newest_ns() == NS


def test_the_newest_lines_of_a_replica_are_counted_over_its_copies() -> None:
    merge, newest = Merge(), Newest(2)
    for number, copy in enumerate((ONE, MOVED, TWO)):
        merge.begin(number, copy)
        merge.feed(number, b"".join(line(number * 10 + second) for second in range(3)))
        merge.end(number)
    newest.add(merge.certain())
    assert times(newest.take()) == [11, 12, 21, 22]


def test_what_may_be_new_is_never_cut_off() -> None:
    merge, newest = Merge(), Newest(1, fresh_ns=5 * NS)
    merge.begin(1, ONE)
    merge.feed(1, b"".join(line(second) for second in range(1, 9)))
    newest.add(merge.everything())
    assert times(newest.take()) == [5, 6, 7, 8]
    everything = Newest(-1)
    merge.begin(2, TWO)
    merge.feed(2, line(1) + line(2))
    everything.add(merge.everything())
    assert times(everything.take()) == [1, 2]


def test_channels_of_a_copy_have_times_of_their_own() -> None:
    merge = Merge()
    merge.begin(1, ONE)
    merge.feed(1, line(5) + b"e" + line(4)[1:] + line(6))
    assert times(merge.everything()) == [4, 5, 6]
