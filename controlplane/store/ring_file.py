"""The SQLite file of the two rings: rows at places that are used again and again, and who is where in a row.

Says in the log when it was damaged and is begun anew, or cannot be written. Blocking; used by `rings.py`, in a thread.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

Kind = Literal["node", "project"]
Subject = tuple[Kind, str]
"""What figures are of."""

_SCHEMA = 1
_TABLES = (
    "CREATE TABLE fine (place INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE TABLE coarse (place INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL)",
    """CREATE TABLE subjects (
      place INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, heard INTEGER NOT NULL, UNIQUE (kind, name)
    )""",
    f"PRAGMA user_version = {_SCHEMA}",
)
_EMPTY = ("DELETE FROM fine", "DELETE FROM coarse", "DELETE FROM subjects")
_PUT_FINE = "INSERT OR REPLACE INTO fine VALUES (?, ?, ?)"
_PUT_COARSE = "INSERT OR REPLACE INTO coarse VALUES (?, ?, ?)"
_PUT_SUBJECT = "INSERT OR REPLACE INTO subjects VALUES (?, ?, ?, ?)"
_SUBJECTS = "SELECT kind, name, place FROM subjects WHERE kind IN ('node', 'project')"
_FINE = "SELECT at, body FROM fine"
_SOME_FINE = "SELECT body FROM fine WHERE at >= ? AND at < ?"
_WEEK = "SELECT at, substr(body, ?, ?) FROM coarse WHERE at BETWEEN ? AND ?"
_ROLLED = "SELECT max(at) FROM coarse"
_HEARD = "UPDATE subjects SET heard = ? WHERE place = ?"
_OLD = "SELECT kind, name FROM subjects WHERE heard < ?"
_FORGET = "DELETE FROM subjects WHERE heard < ?"

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Row(NamedTuple):
    """A row of a ring. `at`: number of its step of time; `place`: where in the ring that is."""

    place: int
    at: int
    body: bytes


class Found(NamedTuple):
    """What was in the file. `hour`: step -> row."""

    subjects: Mapping[Subject, int]
    hour: Mapping[int, bytes]


class RingFile:
    """The file at `path`, opened when it is first needed. Calls raise sqlite3.Error and OSError but for `tried`.
    `busy_s`: how long one that is locked is waited for.
    """

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path = path
        self._busy_s = busy_s
        self._database: sqlite3.Connection | None = None
        self._known = False
        """What is in it was read, or written by us; else it must not be added to: who is where would be another."""
        self._failing = False
        self.rolled = -1
        """The last step in the coarse ring."""

    def tried(self, work: Callable[[], T], otherwise: T) -> T:
        """Do `work`; when the file fails, say so and answer `otherwise`. A damaged one is begun anew."""
        try:
            answer = work()
        except (sqlite3.Error, OSError) as error:
            self.close()
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                _log.warning("figures over time are begun anew: %s was damaged: %s", self._path, error)
                self._unlink()
            elif not self._failing:
                _log.warning("figures over time are not kept: %s: %s", self._path, error)
                self._failing = True
            return otherwise
        if self._failing:
            _log.warning("figures over time are kept again: %s", self._path)
            self._failing = False
        return answer

    def open(self) -> bool:
        """Open it if need be; True when the next transaction begins it anew: all that there is, is to be put in."""
        self._opened()
        return not self._known

    def load(self) -> Found:
        """Everything of the fine ring, after a look whether the file is whole."""
        database = self._opened()
        verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        subjects = {(kind, name): place for kind, name, place in database.execute(_SUBJECTS)}
        found = Found(subjects, {at: bytes(body) for at, body in database.execute(_FINE)})
        self._known = True
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; empties the file first when it is not known what is in it."""
        rolled = self.rolled
        try:
            with self._opened() as database:
                if not self._known:
                    for statement in _EMPTY:
                        database.execute(statement)
                    self.rolled = -1
                yield
        except BaseException:
            self.rolled = rolled
            raise
        self._known = True

    def put(self, subjects: Mapping[Subject, int], rows: Iterable[Row], now: int) -> None:
        """Rows of the fine ring, and subjects with their places, heard at the coarse step `now`."""
        database = self._opened()
        database.executemany(_PUT_SUBJECT, [(place, kind, name, now) for (kind, name), place in subjects.items()])
        database.executemany(_PUT_FINE, rows)

    def put_mean(self, row: Row) -> None:
        """A row of the coarse ring."""
        self._opened().execute(_PUT_COARSE, row)

    def fine(self, first: int, end: int) -> list[bytes]:
        """Rows of the fine ring from step `first` to before `end`."""
        return [bytes(body) for (body,) in self._opened().execute(_SOME_FINE, (first, end))]

    def week(self, first: int, last: int, offset: int, size: int) -> list[tuple[int, bytes]]:
        """Of each row of the coarse ring its step and `size` bytes at `offset`."""
        if not self._known:
            return []
        return list(self._opened().execute(_WEEK, (offset + 1, size, first, last)))

    def forget(self, now: int, heard: Iterable[int], before: int) -> list[Subject]:
        """Note that these places were heard at step `now`; drop and give the subjects that were not since `before`."""
        database = self._opened()
        database.executemany(_HEARD, [(now, place) for place in heard])
        found: list[Subject] = list(database.execute(_OLD, (before,)))
        database.execute(_FORGET, (before,))
        return found

    def close(self) -> None:
        """Close it; the next call opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._path.touch(mode=0o600)
            self._database = database = sqlite3.connect(self._path, check_same_thread=False, timeout=self._busy_s)
            # Torn by a crash it must open again, so a journal; but nobody waits for it, so no sync at each commit.
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _SCHEMA):
                raise sqlite3.DatabaseError(f"it is of another version ({version})")
            if version == 0:
                database.execute("BEGIN IMMEDIATE")
                for statement in _TABLES:
                    database.execute(statement)
                database.commit()
            self.rolled = database.execute(_ROLLED).fetchone()[0] or -1
        return self._database

    def _unlink(self) -> None:
        self._known = False
        for ending in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
