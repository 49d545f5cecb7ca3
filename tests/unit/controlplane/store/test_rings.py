"""Figures over time: two rings in a file that does not grow, that may be lost, and that names who is where."""

import asyncio
import logging
import math
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from controlplane.store import rings as module
from controlplane.store.folder import RINGS
from controlplane.store.ring_file import RingFile, Subject
from controlplane.store.rings import COARSE_S, FINE_S, HOUR, WEEK, Rings, Sample

T0 = 1_800_000_000
"""The begin of a step of 5 min."""
ONE: Subject = ("node", "node-1")
TWO: Subject = ("node", "node-2")
SHOP: Subject = ("project", "node-1")


@asynccontextmanager
async def running(folder: Path, busy_s: float = 5.0) -> AsyncIterator[Rings]:
    rings = Rings(folder, busy_s)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(rings.run())
        await rings.loaded.wait()
        yield rings
        task.cancel()


def row(cpu: float, memory: float = 100.0, *subjects: Subject) -> Mapping[Subject, Sample]:
    return {subject: Sample(cpu, memory) for subject in subjects or (ONE,)}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program has it."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    yield
    database.execute("ROLLBACK")
    database.close()


async def test_the_last_hour_has_a_figure_for_each_step_and_gaps_where_nothing_was_heard(tmp_path: Path) -> None:
    async with running(tmp_path) as rings:
        rings.put(row(10), T0)
        rings.put(row(20), T0 + FINE_S)
        rings.put({TWO: Sample(5, math.nan)}, T0 + 2 * FINE_S)
        rings.put(row(30, 200), T0 + 3 * FINE_S)
        series = rings.hour(ONE, T0 + 3 * FINE_S + 2)
        assert (len(series.cpu), len(series.memory_mb), series.step_s) == (HOUR, HOUR, FINE_S)
        assert series.start == T0 + 3 * FINE_S - (HOUR - 1) * FINE_S
        assert series.cpu[-5:] == (None, 10.0, 20.0, None, 30.0)
        assert series.memory_mb[-2:] == (None, 200.0)
        assert rings.hour(TWO, T0 + 3 * FINE_S).cpu[-2:] == (5.0, None)
        assert rings.hour(TWO, T0 + 3 * FINE_S).memory_mb[-2:] == (None, None), "what is no number is a gap"
        assert set(rings.hour(SHOP, T0 + 3 * FINE_S).cpu) == {None}, "a project of the same name is another"
        late = rings.hour(ONE, T0 + 10 * FINE_S)
        assert late.cpu[-8:] == (30.0, *[None] * 7), "what has not been heard since is a gap, too"


async def test_after_five_minutes_their_mean_is_in_the_week(tmp_path: Path) -> None:
    async with running(tmp_path) as rings:
        for step in range(40):
            rings.put(row(float(step), 100, ONE, SHOP), T0 + step * FINE_S)
        await rings.settled.wait()
        series = await rings.week(ONE, T0 + 40 * FINE_S)
        assert (len(series.cpu), series.step_s) == (WEEK, COARSE_S)
        assert series.cpu[-2:] == (None, sum(range(30)) / 30)
        assert series.memory_mb[-1] == 100.0
        assert series.start == T0 - (WEEK - 1) * COARSE_S
        assert (await rings.week(SHOP, T0 + 40 * FINE_S)).cpu[-1] == 14.5


async def test_both_rings_survive_a_restart_and_means_are_made_up_for(tmp_path: Path) -> None:
    async with running(tmp_path) as rings:
        for step in range(20):
            rings.put(row(7, 50), T0 + step * FINE_S)
    async with running(tmp_path) as rings:
        assert rings.hour(ONE, T0 + 20 * FINE_S).cpu[-21:] == (None, *[7.0] * 20)
        rings.put(row(9, 60, TWO), T0 + 35 * FINE_S)
        await rings.settled.wait()
        assert (await rings.week(ONE, T0 + 35 * FINE_S)).cpu[-1] == 7.0
        assert rings.hour(TWO, T0 + 35 * FINE_S).cpu[-2:] == (None, 9.0), "it has another place than the first"
    assert (tmp_path / RINGS).stat().st_mode & 0o077 == 0


async def test_the_file_does_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOUR", 60)
    monkeypatch.setattr(module, "WEEK", 20)
    subjects: list[Subject] = [("node", f"node-{n}") for n in range(60)]
    sizes = []
    async with running(tmp_path) as rings:
        for round_ in range(3):
            for step in range(round_ * 650, round_ * 650 + 650):
                rings.put(row(1, 2, *subjects), T0 + step * FINE_S)
                if step % 20 == 0:
                    await rings.settled.wait()
            await rings.settled.wait()
            database = sqlite3.connect(tmp_path / RINGS)
            counts = [database.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("fine", "coarse")]  # noqa: S608 names of the test
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            database.close()
            assert counts[0] <= 60 and counts[1] <= 20
            sizes.append(pages)
    assert sizes[-1] <= sizes[1], "after the first round places are used again"


async def test_who_is_gone_for_a_week_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SUBJECTS_MAX", 2)
    async with running(tmp_path) as rings:
        rings.put(row(1, 1, ONE, TWO), T0)
        await rings.settled.wait()
        late = T0 + 8 * 86400
        rings.put(row(2, 2, ONE, SHOP), late)
        await rings.settled.wait()
        assert set(rings.hour(SHOP, late).cpu) == {None}, "no place is free"
        rings.put(row(3, 3, ONE, SHOP), late + FINE_S)
        await rings.settled.wait()
        assert rings.hour(SHOP, late + FINE_S).cpu[-1] == 3.0, "it has the place of the second"
        assert rings.hour(ONE, late + FINE_S).cpu[-2:] == (2.0, 3.0), "who is still there keeps its own"
    async with running(tmp_path) as rings:
        assert rings.hour(SHOP, late + FINE_S).cpu[-1] == 3.0
        assert set(rings.hour(TWO, late + FINE_S).cpu) == {None}


@pytest.mark.parametrize("damage", [b"no database at all" * 1000, b""])
async def test_a_damaged_file_is_begun_anew_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    async with running(tmp_path) as rings:
        for step in range(50):
            rings.put(row(4), T0 + step * FINE_S)
    path = tmp_path / RINGS
    body = bytearray(path.read_bytes())
    body[4096 : 4096 * 3] = b"\xff" * 8192
    path.write_bytes(damage or bytes(body))
    with caplog.at_level(logging.WARNING):
        async with running(tmp_path) as rings:
            assert set(rings.hour(ONE, T0 + 50 * FINE_S).cpu) == {None}
            rings.put(row(5), T0 + 51 * FINE_S)
            await rings.settled.wait()
    assert "was damaged" in caplog.text and "begun anew" in caplog.text
    async with running(tmp_path) as rings:
        assert rings.hour(ONE, T0 + 51 * FINE_S).cpu[-2:] == (None, 5.0)


async def test_a_file_that_is_damaged_while_it_is_used_costs_only_what_is_older_than_an_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, busy_s=0.01) as rings:
        for step in range(50):
            rings.put(row(4, 1, ONE, TWO), T0 + step * FINE_S)
        await rings.settled.wait()
        with locked(tmp_path / RINGS):  # then it is opened anew the next time
            rings.put(row(4, 1, ONE, TWO), T0 + 49 * FINE_S)
            await rings.settled.wait()
        (tmp_path / RINGS).write_bytes(b"no database at all" * 1000)
        rings.put(row(5), T0 + 50 * FINE_S)
        await rings.settled.wait()
        rings.put(row(6), T0 + 51 * FINE_S)
        await rings.settled.wait()
        assert "begun anew" in caplog.text
        assert rings.hour(ONE, T0 + 51 * FINE_S).cpu[-3:] == (4.0, 5.0, 6.0)
    async with running(tmp_path) as rings:
        assert rings.hour(ONE, T0 + 51 * FINE_S).cpu[-3:] == (4.0, 5.0, 6.0)
        assert rings.hour(TWO, T0 + 51 * FINE_S).cpu[-3:] == (4.0, None, None)
        assert (await rings.week(TWO, T0 + 51 * FINE_S)).cpu[-1] == 4.0


async def test_a_disk_that_takes_nothing_is_said_once_and_memory_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, busy_s=0.01) as rings:
        rings.put(row(1), T0)
        await rings.settled.wait()
        with locked(tmp_path / RINGS):
            for step in (1, 2):
                rings.put(row(2, 2, ONE, TWO), T0 + step * FINE_S)
                await rings.settled.wait()
        assert caplog.text.count("are not kept") == 1
        assert rings.hour(ONE, T0 + 2 * FINE_S).cpu[-2:] == (2.0, 2.0)
        rings.put(row(3, 3, ONE, TWO), T0 + 3 * FINE_S)
        await rings.settled.wait()
        assert "are kept again" in caplog.text
    async with running(tmp_path) as rings:
        assert rings.hour(TWO, T0 + 3 * FINE_S).cpu[-1] == 3.0, "its place was written down in the end"


async def test_a_file_that_could_not_be_read_is_begun_anew_not_added_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as rings:
        for step in range(40):
            rings.put(row(1, 1, ONE, TWO), T0 + step * FINE_S)

    def fail(file: RingFile) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(RingFile, "load", fail)
        async with running(tmp_path) as rings:
            rings.put(row(9, 9, SHOP), T0 + 40 * FINE_S)
            assert set((await rings.week(SHOP, T0 + 40 * FINE_S)).cpu) == {None}, "at its place is another's figure"
            await rings.settled.wait()
    assert "disk I/O error" in caplog.text
    async with running(tmp_path) as rings:
        late = T0 + 40 * FINE_S
        assert rings.hour(SHOP, late).cpu[-2:] == (None, 9.0)
        assert set(rings.hour(ONE, late).cpu) == {None} and set((await rings.week(SHOP, late)).cpu) == {None}


async def test_a_new_file_that_cannot_be_written_at_first_gets_everything_in_the_end(tmp_path: Path) -> None:
    async with running(tmp_path, busy_s=0.01) as rings:
        with locked(tmp_path / RINGS):
            rings.put(row(1, 1, ONE, TWO), T0)
            await rings.settled.wait()
        rings.put(row(2, 2, ONE), T0 + FINE_S)
        await rings.settled.wait()
    async with running(tmp_path) as rings:
        assert rings.hour(ONE, T0 + FINE_S).cpu[-2:] == (1.0, 2.0)
        assert rings.hour(TWO, T0 + FINE_S).cpu[-2:] == (1.0, None)


async def test_a_defect_costs_the_figures_not_the_center(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(file: RingFile, *given: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(RingFile, "put", fail)
    async with running(tmp_path) as rings:
        rings.put(row(1), T0)
        await rings.settled.wait()
        assert "a defect" in caplog.text
        assert rings.hour(ONE, T0).cpu[-1] == 1.0
        monkeypatch.undo()
        rings.put(row(2), T0 + FINE_S)
    async with running(tmp_path) as rings:
        assert rings.hour(ONE, T0 + FINE_S).cpu[-2:] == (1.0, 2.0)


async def test_a_clock_that_is_put_back_begins_there_again(tmp_path: Path) -> None:
    async with running(tmp_path) as rings:
        for step in range(40):
            rings.put(row(1), T0 + step * FINE_S)
        rings.put(row(2), T0 + 10 * FINE_S)
        await rings.settled.wait()
        series = rings.hour(ONE, T0 + 10 * FINE_S)
        assert series.cpu[-3:] == (1.0, 1.0, 2.0)
        assert len([c for c in series.cpu if c is not None]) == 11
        for step in range(11, 70):
            rings.put(row(3), T0 + step * FINE_S)
            await rings.settled.wait()
        assert (await rings.week(ONE, T0 + 70 * FINE_S)).cpu[-1] == 3.0


async def test_the_outline_of_the_hour_has_twenty_means(tmp_path: Path) -> None:
    async with running(tmp_path) as rings:
        for step in range(100):
            rings.put(row(float(step // 18), 1, ONE, SHOP), T0 + step * FINE_S)
        assert T0 // FINE_S % 18 == 0
        found = await rings.outline([ONE, SHOP, TWO])
        assert found[ONE] == (*[None] * 14, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0) == found[SHOP]
        assert found[TWO] == (None,) * 20
        rings.put(row(50.0), T0 + 100 * FINE_S)
        (again,) = (await rings.outline([ONE])).values()
        assert again[-2] == 4.0 and again[-1] is not None and again[-1] > 5.0, "only the last is made anew"


async def test_before_the_file_is_read_nothing_is_taken(tmp_path: Path) -> None:
    rings = Rings(tmp_path)
    rings.put(row(1), T0)
    assert set(rings.hour(ONE, T0).cpu) == {None}
    assert set((await rings.week(ONE, T0)).cpu) == {None}
