"""The store in one SQLite file. One writer task owns the only writing connection and is the only checkpointer.

A transaction is one unit: the writer task runs it alone, so no caller's cancellation can leave it open. Everything
that waits when a transaction begins goes into it (group commit). Does not know the rules; opened by `app.py`.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiosqlite
import msgspec

from controlplane.core.cluster import Changes, Meta
from controlplane.core.journal import Event
from controlplane.core.record import Record
from controlplane.store.folder import DATABASE
from controlplane.store.opening import open_reader, open_writer
from controlplane.store.steps import LOAD, StepRows, joined
from controlplane.store.store import EVENTS_MAX, StoreBroken, StoreError, StoreFull, StoreRefused
from controlplane.store.tables import HASH, PUT_HASH, TABLES, Statement, events_query, statements

QUEUE_MAX = 1024
"""Transactions that may wait; a caller beyond that waits for a place."""

GROUP_MAX = 256
"""Transactions written as one."""

WAL_MAX = 4 * 1024 * 1024
"""Bytes of the write-ahead log after which it is written back."""

_ADMIN_TOKEN = "admin_token"  # noqa: S105 the row's name

_EVENT = msgspec.json.Decoder(Event)

_log = logging.getLogger(__name__)


class _Job(NamedTuple):
    statements: Sequence[Statement]
    done: "asyncio.Future[None]"


class Database:
    """The `Store` on SQLite. Made by `open_database`."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self._wal = path.with_name(path.name + "-wal")
        self._writer = writer
        self._reader = reader
        self._queue: asyncio.Queue[_Job | None] = asyncio.Queue(QUEUE_MAX)
        self._ended: StoreError | None = None
        self._steps = StepRows()
        self.groups = 0
        """Transactions written, each of one or more commits."""

    async def load(self) -> tuple[Meta | None, list[Record]]:
        """See `Store.load`."""
        meta: Meta | None = None
        records: list[Record] = []
        for kind, table in TABLES.items():
            decoder = msgspec.json.Decoder(kind)
            for (body,) in await self._fetch(table.load, {}):
                try:
                    record = decoder.decode(body)
                except msgspec.DecodeError as error:
                    raise StoreRefused(f"a {kind.__name__} in the database cannot be read: {error}") from error
                if isinstance(record, Meta):
                    meta = record
                else:
                    records.append(record)
        try:
            return meta, joined(records, ((row[0], row[1]) for row in await self._fetch(LOAD, {})))
        except msgspec.DecodeError as error:
            raise StoreRefused(f"a step in the database cannot be read: {error}") from error

    async def commit(self, *changes: Changes) -> None:
        """See `Store.commit`."""
        work: list[Statement] = []
        for one in changes:
            whole, steps = self._steps.split(one)
            work += [*statements(whole), *steps]
        try:
            await self._write(work)
        except BaseException:
            self._steps.forget()
            raise

    async def events(
        self, after: int, limit: int, project: str = "", node: str = "", cause: int = 0, *, by_people: bool = False
    ) -> tuple[Event, ...]:
        """See `Store.events`."""
        values: dict[str, str | int] = {"after": after, "limit": max(0, min(limit, EVENTS_MAX))}
        values |= {"project": project, "node": node, "cause": cause}
        rows = await self._fetch(events_query(project, node, cause, by_people=by_people), values)
        return tuple(_EVENT.decode(body) for (body,) in rows)

    async def admin_token_hash(self) -> str:
        """See `Store.admin_token_hash`."""
        rows = await self._fetch(HASH, (_ADMIN_TOKEN,))
        return str(rows[0][0]) if rows else ""

    async def set_admin_token_hash(self, value: str) -> None:
        """See `Store.set_admin_token_hash`."""
        await self._write((Statement(PUT_HASH, [(_ADMIN_TOKEN, value)]),))

    async def _fetch(self, sql: str, values: dict[str, str | int] | tuple[str | int, ...]) -> list[sqlite3.Row]:
        try:
            return list(await self._reader.execute_fetchall(sql, values))
        except sqlite3.Error as error:
            raise _sorted_error(error) from error

    async def _write(self, work: Sequence[Statement]) -> None:
        if not work:
            return
        if self._ended is not None:
            raise self._ended
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Job(work, done))
        await done

    async def run_writer(self) -> None:
        """Write what is queued until `stop_writer`; the only task that touches the writing connection.

        Raises StoreBroken after an I/O error; whoever waits is told the same.
        """
        group: list[_Job] = []
        told: StoreError = StoreBroken("the store is closed")
        try:
            while (first := await self._queue.get()) is not None:
                group, ending = self._group(first)
                await self._write_group(group)
                group = []
                if ending:
                    break
                await self._checkpoint()
        except StoreBroken as error:
            told = error
            raise
        finally:
            self._end(group, told)

    async def stop_writer(self) -> None:
        """Write what is queued, then end `run_writer`."""
        if self._ended is None:
            await self._queue.put(None)

    async def close(self) -> None:
        """Close both connections; an open transaction is undone by SQLite."""
        await self._reader.close()
        await self._writer.close()

    def _group(self, first: _Job) -> tuple[list[_Job], bool]:
        group = [first]
        while len(group) < GROUP_MAX and not self._queue.empty():
            job = self._queue.get_nowait()
            if job is None:
                return group, True
            group.append(job)
        return group, False

    async def _write_group(self, group: list[_Job]) -> None:
        try:
            await self._transaction([s for job in group for s in job.statements])
        except StoreBroken:
            raise
        except (StoreError, sqlite3.Error) as error:
            if len(group) == 1:
                _resolve(group[0].done, error)
                return
            for job in group:  # one that cannot be written must not take the others with it
                await self._write_group([job])
            return
        for job in group:
            _resolve(job.done, None)

    async def _transaction(self, work: list[Statement]) -> None:
        try:
            await self._writer.execute("BEGIN IMMEDIATE")
            for sql, rows in work:
                await self._writer.executemany(sql, rows)
            await self._writer.execute("COMMIT")
            self.groups += 1
        except BaseException as error:
            await self._undo()
            if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
                raise _sorted_error(error) from error
            raise

    async def _undo(self) -> None:
        try:
            if self._writer.in_transaction:
                await self._writer.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StoreBroken(f"cannot undo a transaction: {error}") from error

    async def _checkpoint(self) -> None:
        """Write the log back into the database when it has grown long. Who reads it just now, as a backup does, is not
        waited for: what can be is written back, the rest later.
        """
        if self._wal_size() <= WAL_MAX:
            return
        try:
            await self._writer.execute("PRAGMA busy_timeout = 0")
            await self._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            told = _sorted_error(error)
            if isinstance(told, StoreBroken):
                raise told from error
            _log.warning("the database's log is not written back yet: %s", told)
        finally:
            await self._writer.execute("PRAGMA busy_timeout = 5000")

    def _wal_size(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    def _end(self, group: list[_Job], told: StoreError) -> None:
        self._ended = told
        while not self._queue.empty():
            job = self._queue.get_nowait()
            if job is not None:
                group.append(job)
        for job in group:
            _resolve(job.done, told)


@asynccontextmanager
async def open_database(folder: Path) -> AsyncIterator[Database]:
    """The store in a locked data folder (`folder.locked_folder`), with its writer running.

    Raises StoreRefused before anything is changed. A StoreBroken of the writer cancels the body and comes out here.
    """
    path = folder / DATABASE
    writer = await open_writer(path)
    try:
        database = Database(path, writer, await open_reader(path))
    except BaseException:
        await writer.close()
        raise
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(database.run_writer(), name="store writer")
            try:
                yield database
            finally:
                await database.stop_writer()
    finally:
        await database.close()


def _resolve(done: "asyncio.Future[None]", error: BaseException | None) -> None:
    if done.done():  # its caller was cancelled; what it asked for is written all the same
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _sorted_error(error: sqlite3.Error) -> StoreError:
    """What an SQLite error means for the Center. The primary code is in the low byte."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull("the disk with the Center's data is full: free some space; running containers are not touched")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreFull("another program locks the Center's database: end it; running containers are not touched")
    return StoreBroken(f"the database failed: {error} ({getattr(error, 'sqlite_errorname', 'no code')})")
