"""Docker's log frames, cut anywhere, never kept whole."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.docker.log_frames import LINE_BYTES_MAX, LogLines, LogTail


def frame(stream: int, payload: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload


def tail(data: bytes, lines_max: int = 10, piece: int = 10_000) -> tuple[str, ...]:
    made = LogTail(lines_max)
    for at in range(0, len(data), piece):
        made.feed(data[at : at + piece])
    return made.lines()


def test_lines_of_both_streams_do_not_mix() -> None:
    data = frame(1, b"out on") + frame(2, b"err\n") + frame(1, b"e\nout two\n")
    assert tail(data) == ("err", "out one", "out two")


def test_a_line_without_its_end_is_given_too() -> None:
    assert tail(frame(1, b"one\ntwo")) == ("one", "two")


def test_only_the_last_lines_are_kept() -> None:
    data = b"".join(frame(1, b"%d\n" % n) for n in range(50))
    assert tail(data, 3) == ("47", "48", "49")
    assert tail(data, 0) == ()


def test_an_endless_line_is_cut() -> None:
    made = LogTail(10)
    for _ in range(1000):
        made.feed(frame(1, b"x" * 16_000))
    assert made.lines() == ("x" * 500,)
    assert sum(len(line) for line in made._open.values()) < 5_000


def test_bytes_that_are_no_text_stay_harmless() -> None:
    assert tail(frame(1, b"a\xff\x1b[31mb\n")) == ("a\ufffdb",)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.text("ab\n", max_size=9)), max_size=8),
    st.integers(min_value=1, max_value=9),
)
def test_where_the_stream_is_cut_changes_nothing(parts: list[tuple[int, str]], piece: int) -> None:
    data = b"".join(frame(stream, text.encode()) for stream, text in parts)
    assert tail(data, 100, piece) == tail(data, 100)


STAMP = b"2026-11-22T20:47:54.000000001Z "


def travelling(data: bytes, piece: int = 10_000) -> tuple[bytes, bytes]:
    """What is whole, and what has not ended."""
    made = LogLines()
    whole = b"".join(made.feed(data[at : at + piece]) for at in range(0, len(data), piece))
    return whole, made.rest()


def test_lines_travel_with_their_channel() -> None:
    data = frame(1, STAMP + b"out") + frame(2, STAMP + b"err\n") + frame(1, b" goes on\n") + frame(1, STAMP + b"rest")
    for piece in (1, 3, 10_000):
        whole, rest = travelling(data, piece)
        assert whole == b"e" + STAMP + b"err\no" + STAMP + b"out goes on\n"
        assert rest == b"o" + STAMP + b"rest\n"


def test_a_line_that_travels_is_cut_and_other_channels_are_left_out() -> None:
    whole, _ = travelling(frame(1, STAMP + b"x" * 100_000 + b"\n") + frame(9, b"what\n") + frame(1, STAMP + b"next\n"))
    first, second = whole.splitlines()
    assert len(first) == LINE_BYTES_MAX + 1 and second == b"o" + STAMP + b"next"
