"""The bulk lane: little is on the line until it is fast, streams take turns, credit is kept, ends come last."""

from protocol.codec import FRAME_MAX, encode
from protocol.flow import DATA_MAX, FRAMES_BURST, WINDOW_BYTES, WINDOW_MAX_BYTES, WINDOW_MIN_BYTES, Lane
from protocol.streams import StreamData, StreamEnd, Tail
from protocol.wire import ContainerRef

REF = ContainerRef(project="shop", service="web", replica=1, epoch=1)


def full(lane: Lane, now: float = 0.0) -> list[StreamData]:
    """All frames that may be sent now."""
    found = []
    while isinstance(frame := lane.next(now), StreamData):
        found.append(frame)
    return found


def sized(frames: list[StreamData]) -> int:
    return sum(len(encode(frame)) for frame in frames)


def test_at_most_16_kib_are_unacknowledged_before_the_line_was_measured() -> None:
    lane = Lane(0.0)
    for stream in range(1, 21):
        lane.open(stream, credit=64 * 1024)
        lane.push(stream, b"x" * 64 * 1024)
    frames = full(lane)
    assert 0.8 * WINDOW_BYTES < sized(frames) <= WINDOW_BYTES
    assert frames[0].ack, "something asks for an acknowledgement, or nothing would ever go on"
    assert lane.wake_at(0.0) is None, "time alone does not help: the peer must speak"


def test_a_fast_line_opens_the_window_and_a_slow_one_closes_it() -> None:
    lane = Lane(0.0)
    lane.open(1, credit=1 << 30)
    lane.push(1, b"x" * (4 << 20))
    now, sent = 0.0, 0
    for _ in range(12):
        sent += len(full(lane, now))
        lane.acked(sent, now + 0.01)
        now += 1.0
    assert lane.window.size == WINDOW_MAX_BYTES
    for _ in range(12):
        sent += len(full(lane, now))
        lane.acked(sent, now + 3.0)
        now += 3.0
    assert lane.window.size == WINDOW_MIN_BYTES


def test_an_idle_line_is_not_taken_for_a_fast_one() -> None:
    lane = Lane(0.0)
    lane.open(1, credit=1 << 30)
    for sent in range(1, 50):
        lane.push(1, b"a key")
        assert len(full(lane, float(sent))) == 1
        lane.acked(sent, sent + 0.001)
    assert lane.window.size == WINDOW_BYTES


def test_streams_take_turns_and_pieces_of_one_are_joined() -> None:
    lane = Lane(0.0)
    lane.open(1, credit=100_000)
    lane.open(2, credit=100_000)
    for piece in (b"a", b"b", b"c"):
        lane.push(1, piece)
        lane.push(2, piece.upper())
    assert [(f.stream, f.data) for f in full(lane)] == [(1, b"abc"), (2, b"ABC")]


def test_no_byte_beyond_the_credit_leaves() -> None:
    lane = Lane(0.0)
    lane.open(1, credit=3)
    lane.push(1, b"hello")
    assert [f.data for f in full(lane)] == [b"hel"]
    assert lane.pending(1) == 2
    lane.grant(1, 100)
    assert [f.data for f in full(lane)] == [b"lo"]


def test_the_end_comes_after_the_data_and_the_stream_is_forgotten() -> None:
    lane = Lane(0.0)
    lane.open(1, credit=2)
    lane.push(1, b"abc")
    lane.finish(1, "gone", 3)
    assert [f.data for f in full(lane)] == [b"ab"]
    assert lane.next(0.0) is None, "one byte waits for credit, the end behind it"
    lane.grant(1, 1)
    assert [f.data for f in full(lane)] == [b"c"]
    lane.push(1, b"too late")
    assert lane.next(0.0) is None


def test_an_end_without_data_needs_no_credit() -> None:
    lane = Lane(0.0)
    lane.open(1)
    lane.finish(1, code=0)
    assert lane.next(0.0) == StreamEnd(stream=1, code=0)
    lane.finish(1, code=1)
    assert lane.next(0.0) is None


def test_channels_keep_their_order_and_their_ends() -> None:
    lane = Lane(0.0)
    lane.open(1, credit=100)
    lane.push(1, b"out", 1)
    lane.push(1, b"err", 2)
    lane.push(1, b"more", 1, eof=True)
    assert [(f.channel, f.data, f.eof) for f in full(lane)] == [
        (1, b"out", False),
        (2, b"err", False),
        (1, b"more", True),
    ]


def test_drops_leave_in_gulps() -> None:
    lane = Lane(0.0)
    lane.open(1, credit=1 << 20)
    sent = 0
    for number in range(1000):
        now = number / 1000
        lane.push(1, b"line\n")
        frames = full(lane, now)
        sent += len(frames)
        lane.acked(sent, now)
    assert sent <= FRAMES_BURST + 51
    wake_at = lane.wake_at(0.999)
    assert wake_at is not None and 0.999 < wake_at <= 1.02


def test_tails_wait_for_streams_and_fit_a_frame() -> None:
    lane = Lane(0.0)
    lane.open(1, credit=100)
    lane.offer(Tail(target=REF, lines=b"last words\n"))
    lane.push(1, b"first")
    first, then = lane.next(0.0), lane.next(0.0)
    assert isinstance(first, StreamData) and isinstance(then, Tail)
    for _ in range(100):
        room = lane.offer(Tail(target=REF, lines=b"more\n"))
    assert not room, "bounded"


def test_a_whole_frame_fits_the_wire() -> None:
    assert len(encode(StreamData(stream=1 << 53, data=b"x" * DATA_MAX, channel=2, eof=True, ack=True))) < FRAME_MAX
