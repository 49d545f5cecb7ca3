"""Whole files or none."""

from pathlib import Path

import pytest

from nodeagent.disk import append_line, replace_file


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    replace_file(path, b"old")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new" and [p.name for p in tmp_path.iterdir()] == ["f"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_old_one_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    replace_file(path, b"old")

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("nodeagent.disk.os.fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"


def test_lines_are_added(tmp_path: Path) -> None:
    append_line(tmp_path / "f", b"one")
    append_line(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"one\ntwo\n"
