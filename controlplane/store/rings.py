"""CPU and memory of nodes and projects over time: 1 h at 10 s and 7 days at 5 min, in a file that may be lost.

Not part of the cluster's state: one row for all each 10 s, not synced, written in a thread beside every decision. Both
rings have as many rows as fit their time and each row a place for each subject, so the file does not grow. The last
hour is in memory, too. Damage to the file costs what is older. Filled by `link.sampling`, read by the web ring.
"""

import asyncio
import contextlib
import logging
import math
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from struct import unpack_from
from threading import Lock
from typing import NamedTuple, TypeVar

import msgspec

from controlplane.store.folder import RINGS
from controlplane.store.ring_file import RingFile, Row, Subject

FINE_S = 10
COARSE_S = 300
HOUR = 3600 // FINE_S
WEEK = 7 * 86400 // COARSE_S
SUBJECTS_MAX = 4096
"""Nodes and projects of which figures are kept: 8 bytes a row each, so at most 78 MB. Of further ones there are none.
"""
STRETCH = 18
"""Steps of 10 s that `outline` puts together."""
READ_S = 5.0
"""For a week's figures; a disk that takes longer gives none."""
FAREWELL_S = 1.0
"""For the disk, at the end."""
PENDING_MAX = 30
"""Rows that wait for a disk that hangs; with more of them the whole hour is written when it works again."""

_WIDTH = 8
"""Bytes of a subject in a row: CPU and memory, floats of four bytes in the machine's order; not a number = no figure.
"""
_NOTHING = math.nan

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Sample(NamedTuple):
    """A subject at one moment. `cpu`: percent, of the machine for a node, of one core for a project. Memory in MiB."""

    cpu: float
    memory_mb: float


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Figures in equal steps, oldest first; None where there is none. `start`: wall seconds of the first."""

    start: int
    step_s: int
    cpu: tuple[float | None, ...]
    memory_mb: tuple[float | None, ...]


class Rings:
    """Both rings of the data folder `folder`. `put` and `hour` work on memory, for the event loop. `busy_s`: how long
    a file that another program locks is waited for.
    """

    def __init__(self, folder: Path, busy_s: float = 5.0) -> None:
        self._file = RingFile(folder / RINGS, busy_s)
        self._lock = Lock()
        """One thread at a time has the file."""
        self._ids: dict[Subject, int] = {}
        self._unsaved: dict[Subject, int] = {}
        """Subjects the file does not know yet."""
        self._hour: dict[int, bytes] = {}
        """Slot (wall seconds / 10) -> row, oldest first."""
        self._pending: dict[int, bytes] = {}
        self._behind = False
        """More is to be written than what is pending: all of the last hour."""
        self._stretches: dict[int, array[float]] = {}
        """Means of parts of the last hour, for `outline`."""
        self._woken = asyncio.Event()
        self.loaded = asyncio.Event()
        """The file was read."""
        self.settled = asyncio.Event()
        """Nothing waits to be written."""
        self._crowded = False
        self.newest = 0
        """The slot that was filled last."""

    def put(self, samples: Mapping[Subject, Sample], wall: float) -> None:
        """Keep these as what was at `wall`. Never waits. Before the file was read there is no place for them."""
        if not self.loaded.is_set():
            return
        slot = int(wall) // FINE_S
        self._place(samples)
        row = array("f", [_NOTHING]) * (2 * (1 + max(self._ids.values(), default=-1)))
        for subject, sample in samples.items():
            place = self._ids.get(subject)
            if place is not None:
                row[2 * place], row[2 * place + 1] = sample
        if slot <= self.newest:  # the clock was put back
            self._hour = {s: r for s, r in self._hour.items() if s < slot}
            self._stretches = {}
        self._hour[slot] = self._pending[slot] = row.tobytes()
        for old in [s for s in self._hour if s <= slot - HOUR]:
            del self._hour[old]
        if len(self._pending) > PENDING_MAX:
            self._pending.clear()
            self._behind = True
        self.newest = slot
        self.settled.clear()
        self._woken.set()

    def hour(self, subject: Subject, wall: float) -> Series:
        """The last hour of a subject, until `wall`. From memory."""
        last = int(wall) // FINE_S
        if last - 1 == self.newest:
            last = self.newest  # the present step has no figure yet
        return self._series(subject, self._hour, last, HOUR, FINE_S)

    async def week(self, subject: Subject, wall: float) -> Series:
        """The last seven days of a subject. Empty while the file cannot be read."""
        last = int(wall) // COARSE_S - 1
        if self._file.rolled == last - 1:
            last -= 1  # the means of the last 5 min are not there yet
        place = self._ids.get(subject)
        found: list[tuple[int, bytes]] = []
        if place is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READ_S):
                    found = await self._do(lambda: self._file.week(last - WEEK + 1, last, place * _WIDTH, _WIDTH), [])
        return _unpacked(dict(found), last, WEEK, COARSE_S, 0)

    async def outline(self, subjects: Sequence[Subject]) -> dict[Subject, tuple[float | None, ...]]:
        """CPU of each in the last hour, as means of 20 stretches of 3 min, oldest first; the last one is not over."""
        return await asyncio.to_thread(self._outline, subjects)

    async def run(self) -> None:
        """Read the file, then write what was put, until cancelled; then once more, unless the disk hangs."""
        await self._guarded(self._load)
        self.loaded.set()
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                await self._guarded(self._flush)
                if not self._pending:
                    self.settled.set()
        finally:
            self._farewell()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _outline(self, subjects: Sequence[Subject]) -> dict[Subject, tuple[float | None, ...]]:
        rows, ids, last = dict(self._hour), dict(self._ids), self.newest // STRETCH
        means: dict[int, array[float]] = {}
        for stretch in range(last - HOUR // STRETCH + 1, last + 1):
            known = self._stretches.get(stretch) if stretch < last else None
            slots = range(stretch * STRETCH, stretch * STRETCH + STRETCH)
            means[stretch] = known if known is not None else _mean([rows[s] for s in slots if s in rows])
        self._stretches = means
        places = [(subject, ids.get(subject)) for subject in subjects]
        return {
            subject: tuple(_figure(mean, 2 * place) if place is not None else None for mean in means.values())
            for subject, place in places
        }

    def _place(self, samples: Mapping[Subject, Sample]) -> None:
        """Give each subject a place of its own: the lowest that is free."""
        new = [subject for subject in samples if subject not in self._ids]
        if not new:
            return
        used = set(self._ids.values())
        free = (n for n in count() if n not in used)
        for subject in new:
            if len(self._ids) >= SUBJECTS_MAX:
                if not self._crowded:
                    _log.warning("figures over time are kept of %d nodes and projects, not of more", SUBJECTS_MAX)
                self._crowded = True
                return
            self._ids[subject] = self._unsaved[subject] = next(free)

    def _series(self, subject: Subject, rows: Mapping[int, bytes], last: int, steps: int, step_s: int) -> Series:
        place = self._ids.get(subject)
        return _unpacked(rows if place is not None else {}, last, steps, step_s, (place or 0) * _WIDTH)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:  # noqa: BLE001  charts are not worth the Center's life
            _log.exception("figures over time failed")
            self._behind = True

    def _farewell(self) -> None:
        if not self._lock.acquire(timeout=FAREWELL_S):
            return
        try:
            self._file.tried(lambda: self._write(self._taken()), None)
        except Exception:  # noqa: BLE001  nor worth its orderly end
            _log.exception("figures over time failed")
        finally:
            self._file.close()
            self._lock.release()

    async def _load(self) -> None:
        found = await self._do(self._file.load, None)
        if found is not None:
            self._ids = dict(found.subjects)
            newest = max(found.hour, default=0)
            self._hour = {slot: row for slot, row in sorted(found.hour.items()) if slot > newest - HOUR}
            self.newest = newest

    async def _flush(self) -> None:
        taken = self._taken()
        if not taken.rows and not taken.behind:
            return
        forgotten = await self._do(lambda: self._write(taken), None)
        if forgotten is None:
            self._behind = True
            return
        for subject in forgotten:
            self._ids.pop(subject, None)
            self._crowded = False

    def _taken(self) -> "_Work":
        rows, self._pending = self._pending, {}
        subjects, self._unsaved = self._unsaved, {}
        behind, self._behind = self._behind, False
        return _Work(rows, subjects, dict(self._hour), dict(self._ids), behind)

    def _write(self, work: "_Work") -> list[Subject]:
        """One transaction. Gives the subjects that were forgotten, for nothing was heard of them for a week."""
        whole = self._file.open() or work.behind
        rows, subjects = (work.hour, work.all_subjects) if whole else (work.rows, work.subjects)
        with self._file.transaction():
            now = max(rows, default=0) * FINE_S // COARSE_S
            self._file.put(subjects, [Row(slot % HOUR, slot, row) for slot, row in rows.items()], now)
            return self._roll_up(max(rows)) if rows else []

    def _roll_up(self, slot: int) -> list[Subject]:
        """Put the means of each 5 min that are over into the other ring; some may be from before a restart."""
        each = COARSE_S // FINE_S
        period, done = slot // each, self._file.rolled
        if period - 1 <= done <= period:
            return []
        heard: set[int] = set()
        for one in range(period - HOUR // each, period):
            if done < one or done > period:
                bodies = self._file.fine(one * each, one * each + each)
                if bodies:
                    mean = _mean(bodies)
                    self._file.put_mean(Row(one % WEEK, one, mean.tobytes()))
                    heard |= {n for n in range(len(mean) // 2) if mean[2 * n] == mean[2 * n]}
        self._file.rolled = period - 1
        return self._file.forget(period - 1, heard, period - 1 - WEEK)

    async def _do(self, work: Callable[[], T], otherwise: T) -> T:
        return await asyncio.to_thread(self._locked, work, otherwise)

    def _locked(self, work: Callable[[], T], otherwise: T) -> T:
        with self._lock:
            return self._file.tried(work, otherwise)


class _Work(NamedTuple):
    """What one transaction writes: what is new, or the whole, for a file that is begun anew or lacks something."""

    rows: dict[int, bytes]
    subjects: dict[Subject, int]
    hour: dict[int, bytes]
    all_subjects: dict[Subject, int]
    behind: bool


def _mean(bodies: Sequence[bytes]) -> "array[float]":
    """Figure by figure, of those that are there. Rows grow with the number of subjects, so some are shorter."""
    rows = [array("f", body[: len(body) // _WIDTH * _WIDTH]) for body in bodies]
    width = max((len(row) for row in rows), default=0)
    padded = [row + array("f", [_NOTHING]) * (width - len(row)) for row in rows]
    return array("f", map(_mean_of, zip(*padded, strict=True)))


def _mean_of(figures: tuple[float, ...]) -> float:
    total = sum(figures)
    if total == total:  # not "not a number": none is missing
        return total / len(figures)
    known = [figure for figure in figures if figure == figure]
    return sum(known) / len(known) if known else _NOTHING


def _unpacked(rows: Mapping[int, bytes], last: int, steps: int, step_s: int, offset: int) -> Series:
    first = last - steps + 1
    cpu: list[float | None] = []
    memory: list[float | None] = []
    for slot in range(first, last + 1):
        row = rows.get(slot, b"")
        pair = unpack_from("2f", row, offset) if len(row) >= offset + _WIDTH else (_NOTHING, _NOTHING)
        cpu.append(_rounded(pair[0]))
        memory.append(_rounded(pair[1]))
    return Series(start=first * step_s, step_s=step_s, cpu=tuple(cpu), memory_mb=tuple(memory))


def _figure(mean: "array[float]", place: int) -> float | None:
    return _rounded(mean[place]) if place < len(mean) else None


def _rounded(figure: float) -> float | None:
    return round(figure, 1) if math.isfinite(figure) else None
