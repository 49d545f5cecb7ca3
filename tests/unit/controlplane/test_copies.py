"""Scheduled backups: when they are made, how many stay, and what happens when one cannot be made."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from controlplane import copies
from controlplane.copies import FIRST_S, RETRY_S, Copies, Plan
from controlplane.core.command import NoteBackup
from controlplane.core.record import Now, Refused
from controlplane.store.backup import Manifest
from controlplane.store.store import StoreFull
from tests.unit.controlplane.web.fake_copies import MANIFEST

HOUR_S = 3600.0


class Bench:
    """Copies with a clock that jumps to whatever is waited for, and backups that are empty files."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **plan: Any) -> None:
        self.wall = 1_700_000_000.0
        self.end_at = 0.0
        self.told: list[NoteBackup] = []
        self.made: list[float] = []
        self.fault: Exception | None = None
        self.refuses = False
        self.copies = Copies(folder, Plan(**plan), "9.9", lambda: Now(0.0, self.wall), self._tell)
        monkeypatch.setattr(copies, "write_backup", self._write)
        monkeypatch.setattr(copies.asyncio, "sleep", self._sleep)  # type: ignore[attr-defined]  # the module's own

    async def run(self, seconds: float) -> list[float]:
        """Let time pass; gives when backups were made, seconds after the beginning."""
        begun, self.end_at = self.wall, self.wall + seconds
        self.made.clear()
        with contextlib.suppress(asyncio.CancelledError):
            await self.copies.run()
        return [round(at - begun) for at in self.made]

    async def _sleep(self, seconds: float) -> None:
        self.wall += seconds
        if self.wall > self.end_at:
            raise asyncio.CancelledError

    async def _tell(self, command: NoteBackup) -> None:
        self.told.append(command)
        if self.refuses:
            raise Refused("full", "the disk is full")

    def _write(self, folder: Path, target: Path, taken_at: float, version: str, wanted: Any) -> Manifest:
        if self.fault is not None:
            raise self.fault
        assert wanted() and version == "9.9"
        target.write_bytes(b"a backup")
        os.utime(target, (taken_at, taken_at))
        self.made.append(taken_at)
        return MANIFEST


async def test_the_first_soon_then_one_each_time_and_so_many_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, monkeypatch, every_s=HOUR_S, keep=3)
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "schema-1-before-2.tar.gz").touch()
    assert await bench.run(5.5 * HOUR_S) == [FIRST_S + hour * HOUR_S for hour in range(6)][:6]
    kept = sorted(path.name for path in (tmp_path / "backups").iterdir())
    assert len(kept) == 4 and kept[-1] == "schema-1-before-2.tar.gz", "others are not ours to remove"
    assert [note.name for note in bench.told][-3:] == kept[:3]


async def test_a_center_that_was_restarted_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Bench(tmp_path, monkeypatch, every_s=HOUR_S).run(FIRST_S + 60)
    bench = Bench(tmp_path, monkeypatch, every_s=HOUR_S)
    bench.wall += FIRST_S + 600
    assert await bench.run(HOUR_S) == [HOUR_S - 600]


async def test_a_failure_is_told_once_and_tried_again_until_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, monkeypatch, every_s=HOUR_S)
    bench.fault = StoreFull("no room")
    assert await bench.run(FIRST_S + 3 * RETRY_S) == []
    assert [note.failed for note in bench.told] == ["no room"]
    bench.fault = None
    assert len(await bench.run(FIRST_S + 60)) == 1
    assert bench.told[-1].failed == "" and bench.told[-1].actor == ""


async def test_a_journal_that_is_full_does_not_end_the_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, monkeypatch, every_s=HOUR_S)
    bench.refuses = True
    assert len(await bench.run(2.5 * HOUR_S)) == 3


async def test_a_clock_that_is_set_back_delays_by_one_time_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Bench(tmp_path, monkeypatch, every_s=HOUR_S).run(FIRST_S + 60)
    bench = Bench(tmp_path, monkeypatch, every_s=HOUR_S)
    bench.wall -= 90 * 86_400
    made = await bench.run(3 * HOUR_S)
    assert made and made[0] <= HOUR_S + 60


async def test_never_when_it_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await Bench(tmp_path, monkeypatch, every_s=0.0).run(86_400.0) == []


async def test_a_download_is_read_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, monkeypatch)
    file, manifest = await bench.copies.download()
    with file:
        assert (file.read(), manifest) == (b"a backup", MANIFEST)
    assert os.listdir(tmp_path) == []


async def test_what_a_killed_center_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "ropeteam-20231114T221320Z.tar.gz"
    ours = [".download", "..download.0123abcd.db", f"backups/.{name}.0123abcd.new", f"backups/.{name}.0123abcd.db"]
    kept = ["center.db", ".hidden", f"backups/{name}", "backups/.ropeteam.db"]
    (tmp_path / "backups").mkdir()
    for path in (*ours, *kept):
        (tmp_path / path).touch()
    await Bench(tmp_path, monkeypatch, every_s=0.0).run(1.0)
    assert {path for path in (*ours, *kept) if (tmp_path / path).exists()} == set(kept)
