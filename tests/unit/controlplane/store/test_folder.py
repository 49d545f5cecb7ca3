"""The data folder: private, and of one process."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane.store.folder import DATABASE, IDENTITY, LOCK, locked_folder, write_once
from controlplane.store.store import StoreRefused


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_private_with_its_parents(tmp_path: Path) -> None:
    with locked_folder(tmp_path / "a" / "b") as folder:
        assert mode(folder) == 0o700
        assert mode(folder / LOCK) == 0o600


def test_an_empty_folder_is_made_private(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    with locked_folder(tmp_path / "data") as folder:
        assert mode(folder) == 0o700


def test_a_folder_of_others_keeps_its_rights(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "letters.txt").write_text("mine")
    data.chmod(0o755)
    with locked_folder(data):
        assert mode(data) == 0o755


def test_files_from_a_backup_are_made_private(tmp_path: Path) -> None:
    for name in (DATABASE, IDENTITY, "letters.txt"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o644)
    with locked_folder(tmp_path) as folder:
        assert [mode(folder / n) for n in (DATABASE, IDENTITY, "letters.txt")] == [0o600, 0o600, 0o644]


def test_a_folder_that_everyone_may_write_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "letters.txt").write_text("mine")
    data.chmod(0o777)
    with pytest.raises(StoreRefused, match="other users may write"), locked_folder(data):
        pass
    assert mode(data) == 0o777 and not (data / LOCK).exists()


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(StoreRefused, match="cannot use"), locked_folder(tmp_path / "data"):
        pass


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from controlplane.store.folder import locked_folder\n"
        "with locked_folder(Path(sys.argv[1])): pass"
    )
    with locked_folder(tmp_path):
        second = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert f"another Center (process {os.getpid()}) uses" in second.stderr
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 0, "free again"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_once(tmp_path / "key", b"one")
    write_once(tmp_path / "key", b"two")
    assert (tmp_path / "key").read_bytes() == b"two"
    assert mode(tmp_path / "key") == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["key"]
