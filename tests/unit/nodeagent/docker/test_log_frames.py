"""Docker's log frames, cut anywhere, never kept whole."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.docker.log_frames import LogTail


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
