"""What a command without a terminal writes to ours: text and colours, however it is cut; to a pipe: every byte."""

import os
import pty

import pytest

from ropeteam.executing import _Out


def shown(*pieces: bytes) -> bytes:
    """What a terminal gets."""
    ours, theirs = pty.openpty()
    try:
        out = _Out(theirs, raw=False)
        for piece in pieces:
            out.write(piece)
        found = b""
        while not found.endswith(b"\n"):
            found += os.read(ours, 4096)
        return found
    finally:
        os.close(ours)
        os.close(theirs)


def test_escapes_cut_in_two_do_not_reach_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(b"a\x1b[", b"2Jb\n") == b"ab\r\n"
    assert shown("文".encode()[:2], "文".encode()[2:] + b"\n") == "文\r\n".encode()
    assert shown(b"a\x07b\n") == b"a\\x07b\r\n"


def test_a_pipe_gets_every_byte() -> None:
    reader, writer = os.pipe()
    out = _Out(writer, raw=False)
    out.write(b"\x00\xff\x1b[2J\r\n")
    assert os.read(reader, 100) == b"\x00\xff\x1b[2J\r\n"
    os.close(reader)
    out.write(b"nobody reads")
    os.close(writer)


def test_a_terminal_of_its_own_is_passed_on() -> None:
    ours, theirs = pty.openpty()
    _Out(theirs, raw=True).write(b"\x1b[31mred")
    assert os.read(ours, 100) == b"\x1b[31mred"
    os.close(ours)
    os.close(theirs)
