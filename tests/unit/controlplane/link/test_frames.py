"""Frames of RFC 6455: whole messages however the bytes are cut, and nothing that breaks the rules or our limits."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from controlplane.link.frames import (
    PIECES_MAX,
    BadFrame,
    Frames,
    Piece,
    close_frame,
    close_said,
    pong_frame,
    text_frame,
)
from protocol.codec import FRAME_MAX


def masked(opcode: Opcode, body: bytes, fin: bool = True) -> bytes:
    """As a client of the library that agents use sends it."""
    return Frame(opcode, body, fin).serialize(mask=True)


def test_a_text_is_unmasked() -> None:
    assert Frames().feed(masked(Opcode.TEXT, b'{"a":1}')) == [Piece("text", b'{"a":1}')]


@given(
    st.lists(st.binary(max_size=300) | st.just(b"x" * 70) | st.just(b"y" * 40_000), max_size=6),
    st.lists(st.integers(min_value=1, max_value=50_000), max_size=30),
)
def test_messages_are_the_same_however_the_bytes_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(masked(Opcode.TEXT, body) for body in bodies)
    frames, found = Frames(), []
    for cut in cuts:
        found += frames.feed(stream[:cut])
        stream = stream[cut:]
    found += frames.feed(stream)
    assert [p.body for p in found] == bodies


def test_fragments_become_one_message_with_control_frames_between_them() -> None:
    frames = Frames()
    stream = (
        masked(Opcode.TEXT, b"one ", fin=False)
        + masked(Opcode.PING, b"p")
        + masked(Opcode.CONT, b"two ", fin=False)
        + masked(Opcode.CONT, b"three")
        + masked(Opcode.TEXT, b"four")
    )
    assert frames.feed(stream) == [Piece("ping", b"p"), Piece("text", b"one two three"), Piece("text", b"four")]


def test_close_and_pong_come_through() -> None:
    stream = masked(Opcode.PONG, b"") + masked(Opcode.CLOSE, (1001).to_bytes(2) + b"away")
    pong, close = Frames().feed(stream)
    assert pong.kind == "pong" and close_said(close.body) == (1001, "away")
    assert close_said(b"") == (1005, "")


BROKEN = (
    *("bare", "binary", "cont-first", "text-in-text", "short-ping", "reserved-bit", "unknown-opcode", "long-ping"),
    *("long-text", "huge-length", "long-pieces", "endless-pieces", "endless-pings"),
)


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (Frame(Opcode.TEXT, b"bare").serialize(mask=False), 1002),
        (masked(Opcode.BINARY, b"x"), 1003),
        (masked(Opcode.CONT, b"x"), 1002),
        (masked(Opcode.TEXT, b"x", fin=False) + masked(Opcode.TEXT, b"y"), 1002),
        (bytes((0x09, 0x81)) + b"maskx", 1002),
        (bytes((0xC1, 0x80)) + b"mask", 1002),
        (bytes((0x83, 0x80)) + b"mask", 1002),
        (bytes((0x89, 0xFE)) + (200).to_bytes(2) + b"mask", 1002),
        (masked(Opcode.TEXT, b"x" * (FRAME_MAX + 1)), 1009),
        (bytes((0x81, 0xFF)) + (1 << 63).to_bytes(8) + b"mask", 1009),
        (masked(Opcode.TEXT, b"x" * 40_000, fin=False) + masked(Opcode.CONT, b"x" * 40_000), 1009),
        (masked(Opcode.TEXT, b"", fin=False) + masked(Opcode.CONT, b"", fin=False) * (FRAME_MAX + 1), 1009),
        (masked(Opcode.PING, b"") * (PIECES_MAX + 1), 1008),
    ],
    ids=list(BROKEN),  # masks are random, and two workers must name tests alike
)
def test_what_breaks_a_rule_ends_it(stream: bytes, code: int) -> None:
    with pytest.raises(BadFrame) as caught:
        Frames().feed(stream)
    assert caught.value.code == code


def test_a_long_frame_is_refused_by_its_head_alone() -> None:
    with pytest.raises(BadFrame):
        Frames().feed(masked(Opcode.TEXT, b"x" * (FRAME_MAX + 1))[:14])


def test_garbage_never_raises_anything_else() -> None:
    for _ in range(2000):
        frames = Frames()
        try:
            for _ in range(20):
                frames.feed(os.urandom(50))
        except BadFrame:
            continue


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_what_goes_out_is_what_the_library_would_send(size: int) -> None:
    assert text_frame(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)


def test_control_frames_go_out_short_and_valid() -> None:
    assert pong_frame(b"p") == Frame(Opcode.PONG, b"p").serialize(mask=False)
    assert close_frame(1012, "so") == Frame(Opcode.CLOSE, (1012).to_bytes(2) + b"so").serialize(mask=False)
    assert close_frame(1006, "x") == Frame(Opcode.CLOSE, b"").serialize(mask=False)
    long = close_frame(1000, "世" * 100)
    assert len(long) <= 127 and close_said(long[2:])[1].strip("世") == ""
