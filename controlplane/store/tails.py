"""Last lines of containers, in a file of their own: what a lost machine's replicas said stays readable.

Not part of the cluster's state: written late and not synced, so that a crash of the Center's machine may lose the last
seconds. Bounded: per copy of a replica, copies per replica, and in all; the oldest go. Filled by the link through
`app`, read by the web ring.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TypeVar

import msgspec

from controlplane.store.folder import TAILS
from protocol.loglines import cut_front, fresh_lines, last_stamp_ns
from protocol.names import ReplicaId
from protocol.streams import Tail

COPY_BYTES = 64 * 1024
"""Bytes kept of one copy (replica, epoch)."""
COPIES_MAX = 5
"""Copies kept of one replica."""
ALL_BYTES = 64 * 1024 * 1024
FLUSH_S = 1.0
PENDING_MAX = 2000
"""Copies with lines that wait to be written; of further ones nothing is kept until then."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tails (
  project TEXT NOT NULL, service TEXT NOT NULL, replica INTEGER NOT NULL, epoch INTEGER NOT NULL,
  node TEXT NOT NULL, last_ns INTEGER NOT NULL, ended INTEGER NOT NULL, lines BLOB NOT NULL,
  PRIMARY KEY (project, service, replica, epoch)
) WITHOUT ROWID
"""
_ONE = "SELECT lines FROM tails WHERE project = ? AND service = ? AND replica = ? AND epoch = ?"
_OWNER = "SELECT node FROM tails WHERE project = ? AND service = ? AND replica = ? AND epoch = ?"
_PUT = "INSERT OR REPLACE INTO tails VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_OLD_COPIES = """
DELETE FROM tails WHERE project = ?1 AND service = ?2 AND replica = ?3 AND epoch NOT IN (
  SELECT epoch FROM tails WHERE project = ?1 AND service = ?2 AND replica = ?3 ORDER BY epoch DESC LIMIT ?4)
"""
_LISTED = """
SELECT project, service, replica, epoch, node, last_ns, ended FROM tails
WHERE project = ?1 AND (?2 = '' OR service = ?2) AND (?3 = 0 OR replica = ?3) ORDER BY service, replica, epoch
"""
_SIZES = "SELECT project, service, replica, epoch, length(lines) FROM tails ORDER BY last_ns"
_DELETE = "DELETE FROM tails WHERE project = ? AND service = ? AND replica = ? AND epoch = ?"

_log = logging.getLogger(__name__)


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of which lines are kept. `last_ns`: when the last of them was written, wall nanoseconds, 0 = unknown."""

    replica: ReplicaId
    epoch: int
    node: str
    last_ns: int
    ended: bool


_Key = tuple[str, str, int, int]
_Pending = dict[_Key, tuple[str, bytes, bool, bool]]
"""Copy -> node, lines, whether it ended, whether it may be a new one."""
T = TypeVar("T")


class Tails:
    """The file in `folder`. Damage to it costs the lines in it, nothing else."""

    def __init__(self, folder: Path, all_bytes: int = ALL_BYTES) -> None:
        self._path = folder / TAILS
        self._all_bytes = all_bytes
        self._pending: _Pending = {}
        self.dropped = 0
        """Tails that found no place, since the start."""
        self._lock = Lock()
        """One thread at a time has the file."""
        self._database: sqlite3.Connection | None = None
        self._written = 0
        """Bytes since the whole was measured last."""

    def keep(self, node: str, tail: Tail, *, new: bool = True) -> None:
        """Note what came; written within `FLUSH_S`. Never waits. `new` False: only if lines of this copy are kept
        already, from the same node: the last words of one that has just been forgotten.
        """
        target = tail.target
        key = (target.project, target.service, target.replica, target.epoch)
        if key not in self._pending and len(self._pending) >= PENDING_MAX:
            self.dropped += 1
            return
        owner, lines, _, fresh = self._pending.get(key, (node, b"", False, False))
        if owner == node:
            self._pending[key] = (node, _joined(lines, tail.lines), tail.ended, new or fresh)

    @property
    def waiting(self) -> int:
        """Copies whose lines wait to be written."""
        return len(self._pending)

    async def run(self) -> None:
        """Write now and then, until cancelled; then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                if self._pending:
                    await self._do(lambda _: None, None)
        finally:
            self._locked(self._pending, lambda _: None, None)
            with self._lock:
                self._close()

    async def copies(self, project: str, service: str = "", replica: int = 0) -> Sequence[Copy]:
        """Copies of a project, a service, or one replica (0 = all) of which lines are kept, oldest first each."""
        asked = (project, service, replica)
        return await self._do(lambda database: [_copy(row) for row in database.execute(_LISTED, asked)], [])

    async def lines(self, replica: ReplicaId, epoch: int) -> bytes:
        """The lines kept of one copy, b"" when there are none."""
        asked = (replica.project, replica.service, replica.index, epoch)
        return await self._do(lambda database: _kept(database, asked), b"")

    async def _do(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        pending, self._pending = self._pending, {}
        return await asyncio.to_thread(self._locked, pending, work, otherwise)

    def _locked(self, pending: _Pending, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Write what waits, then `work`. What the file refuses is lost, and said."""
        with self._lock:
            try:
                database = self._open()
                with database:
                    self._write(database, pending)
                return work(database)
            except (sqlite3.Error, OSError) as error:
                _log.warning("last lines of containers are not kept: %s: %s", self._path, error)
                self._close()
                if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                    self._path.unlink(missing_ok=True)  # no database any more: begin anew
                return otherwise

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._path.touch(mode=0o600)
            self._database = sqlite3.connect(self._path, check_same_thread=False, timeout=5.0)
            # Torn by a crash it must open again, so a journal; but nobody waits for it, so no sync at each commit.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(_SCHEMA)
        return self._database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _write(self, database: sqlite3.Connection, pending: _Pending) -> None:
        for key, (node, new, ended, may_begin) in pending.items():
            owner = database.execute(_OWNER, key).fetchone()
            if owner != (node,) and not (owner is None and may_begin):
                continue  # no agent writes into what another one said
            lines = _joined(_kept(database, key), new)
            database.execute(_PUT, (*key, node, last_stamp_ns(lines), ended, lines))
            database.execute(_OLD_COPIES, (*key[:3], COPIES_MAX))
            self._written += len(new)
        if self._written > self._all_bytes // 16:
            self._written = 0
            self._make_room(database)

    def _make_room(self, database: sqlite3.Connection) -> None:
        sizes = database.execute(_SIZES).fetchall()
        surplus = sum(row[-1] for row in sizes) - self._all_bytes
        for *key, size in sizes:
            if surplus <= 0:
                return
            database.execute(_DELETE, key)
            surplus -= size


def _kept(database: sqlite3.Connection, key: _Key) -> bytes:
    row = database.execute(_ONE, key).fetchone()
    return bytes(row[0]) if row is not None else b""


def _copy(row: tuple[str, str, int, int, str, int, int]) -> Copy:
    project, service, replica, epoch, node, last_ns, ended = row
    return Copy(
        replica=ReplicaId(project, service, replica), epoch=epoch, node=node, last_ns=last_ns, ended=bool(ended)
    )


def _joined(lines: bytes, new: bytes) -> bytes:
    """Agents send the newest lines again when they are not sure: those that are there already are left out."""
    return cut_front(lines + fresh_lines(lines, new), COPY_BYTES)
