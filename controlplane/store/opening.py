"""Opening the database file: is it ours, whole and of a schema we know? Then bring it to today's schema.

Looks first through a read-only connection, so that a file that is refused keeps every byte. Called by `database.py`.
"""

import asyncio
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, resources
from pathlib import Path

import aiosqlite

from controlplane.store.backup import NothingThere, write_backup
from controlplane.store.folder import BACKUPS, sync_folder
from controlplane.store.store import StoreError, StoreRefused

APPLICATION_ID = 0x726F7065
"""Marks the file as ours in SQLite's header: "rope"."""

ROOM_MIN = 256 * 1024
"""Bytes without which SQLite cannot make the files it works with."""

_MAGIC = b"SQLite format 3\0"

_WRITER_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA wal_autocheckpoint = 0",  # the writer checkpoints by itself, where an error is seen
    "PRAGMA temp_store = MEMORY",
)

_log = logging.getLogger(__name__)


class Migration:
    """One numbered step of the schema; `script` holds its own transaction and sets `user_version`."""

    def __init__(self, number: int, name: str, script: str) -> None:
        self.number = number
        self.name = name
        self.script = script


def migrations() -> tuple[Migration, ...]:
    """Every step, in order, numbered 1, 2, 3 … without a gap."""
    return tuple(_migrations())


def _migrations() -> Iterator[Migration]:
    files = sorted(f.name for f in (resources.files("controlplane.store") / "migrations").iterdir())
    for number, name in enumerate((f for f in files if f.endswith(".sql")), start=1):
        if int(name[:4]) != number:
            raise AssertionError(f"migration {name} is not number {number}")
        script = (resources.files("controlplane.store") / "migrations" / name).read_text("utf-8")
        yield Migration(number, name, script)


async def open_writer(path: Path) -> aiosqlite.Connection:
    """The one connection that writes, on a file that was checked and brought to today's schema.

    Raises StoreRefused, with the file left as it was, when it is damaged, of a newer schema, or not ours.
    """
    if not _make(path):
        await check(path)
    writer = await aiosqlite.connect(path, isolation_level=None)
    try:
        mode = await _text(writer, "PRAGMA journal_mode = WAL")
        if mode != "wal":
            raise StoreRefused(f"{path} is on a file system without shared memory maps (WAL): use a local disk")
        for pragma in _WRITER_PRAGMAS:
            await writer.execute(pragma)
        await _migrate(writer, path)
    except BaseException as error:
        await writer.close()
        if isinstance(error, sqlite3.Error):
            raise _refusal(path, error) from error
        raise
    return writer


async def open_reader(path: Path) -> aiosqlite.Connection:
    """A connection that can only read, for questions that shall not wait for the writer."""
    reader = await aiosqlite.connect(_read_only(path), uri=True, isolation_level=None)
    await reader.execute("PRAGMA query_only = ON")
    await reader.execute("PRAGMA busy_timeout = 5000")
    return reader


def _make(path: Path) -> bool:
    """Make an empty file when there is none; True when there is nothing in it to check."""
    if path.exists():
        return path.stat().st_size == 0
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    sync_folder(path.parent)
    return True


def _refusal(path: Path, error: sqlite3.Error) -> StoreRefused:
    """Why the file cannot be opened: damaged, or for want of room, rights or a sound disk."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreRefused(f"{path} is damaged ({error}); it was left untouched. Restore your backup")
    why = "its disk is full: free some space" if shutil.disk_usage(path.parent).free < ROOM_MIN else str(error)
    return StoreRefused(f"cannot open {path}: {why}; it was left untouched")


@contextmanager
def _left_alone(path: Path) -> Iterator[None]:
    """Take away the side files that SQLite makes even for reading, unless they were there."""
    sides = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
    ours = [side for side in sides if not side.exists()]
    try:
        yield
    finally:
        for side in ours:
            side.unlink(missing_ok=True)


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


async def check(path: Path) -> None:
    """Raise StoreRefused unless the file is a whole database of ours with a schema we know."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise StoreRefused(f"cannot read {path}: {error.strerror}") from error
    if magic != _MAGIC:
        raise StoreRefused(f"{path} is not a database; it was left untouched. Restore it from your backup")
    try:
        with _left_alone(path):
            async with aiosqlite.connect(_read_only(path), uri=True) as connection:
                application = await _number(connection, "PRAGMA application_id")
                version = await _number(connection, "PRAGMA user_version")
                verdict = await _text(connection, "PRAGMA quick_check(1)")
                tables = await _number(connection, "SELECT count(*) FROM sqlite_schema")
    except sqlite3.Error as error:
        raise _refusal(path, error) from error
    if verdict != "ok":
        raise StoreRefused(f"{path} is damaged ({verdict}); it was left untouched. Restore your backup")
    known = len(migrations())
    if application != APPLICATION_ID and (tables or version):
        raise StoreRefused(f"{path} is a database of another program; it was left untouched")
    if version > known:
        raise StoreRefused(
            f"{path} has schema {version}, this version of Ropeteam knows up to {known}; it was left untouched."
            " Use the newer version that wrote it, or restore a backup made before the update"
        )


async def _migrate(writer: aiosqlite.Connection, path: Path) -> None:
    version = await _number(writer, "PRAGMA user_version")
    if 0 < version < len(migrations()):
        await asyncio.to_thread(_back_up, path, version)
    for step in migrations()[version:]:
        try:
            await writer.executescript(step.script)
        except sqlite3.Error as error:
            raise StoreRefused(f"cannot bring {path} to schema {step.number} ({step.name}): {error}") from error
        reached = await _number(writer, "PRAGMA user_version")
        if reached != step.number:
            raise AssertionError(f"migration {step.name} set user_version {reached}")


def _back_up(path: Path, version: int) -> None:
    """Keep what is there before it is migrated: who has to go back to the former version restores it."""
    folder = path.parent / BACKUPS
    target = folder / f"schema-{version}-before-{len(migrations())}.tar.gz"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        write_backup(path.parent, target, path.stat().st_mtime, metadata.version("ropeteam"))
    except NothingThere:
        return
    except (OSError, StoreError) as error:
        raise StoreRefused(f"{path} is not migrated, as it cannot be backed up first: {error}") from error
    _log.info("schema %d is kept in %s; migrating to %d", version, target, len(migrations()))


async def _number(connection: aiosqlite.Connection, sql: str) -> int:
    return int(await _text(connection, sql))


async def _text(connection: aiosqlite.Connection, sql: str) -> str:
    ((value,),) = await connection.execute_fetchall(sql)
    return str(value)
