"""A backup: one file (tar, gzip) with the database as of one instant, the keys, and a manifest that says what it is.

Made beside a running Center: SQLite's backup API on a read transaction of its own. Blocking: callers use a thread, or
are commands of their own. Called by `copies.py`, `web/backup.py` (through the door), `opening.py` before a migration,
and `python -m controlplane backup`. Unpacking one is for `restoring.py`.
"""

import hashlib
import io
import os
import secrets
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO

import msgspec

from controlplane.core.cluster import Meta
from controlplane.store.folder import DATABASE, KEYS, sync_folder
from controlplane.store.store import StoreError, StoreFull, StoreRefused
from controlplane.store.tables import META

MANIFEST = "backup.json"
FORMAT = 1
"""Of the file; a newer one is refused."""

PIECE = 1024 * 1024
STEP_PAGES = 2048
"""Pages of the database between two looks whether the copy is still wanted."""

ROOM_OVER = 16 * 1024 * 1024
"""Bytes that must stay free beside a backup while it is made: the Center goes on writing."""

COMPRESSION = 1
"""gzip's fastest: JSON shrinks to a fifth all the same."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file inside. `sha256` in hex."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of. `taken_at`: Unix seconds. `schema`: of the database. `version`: that wrote it."""

    format: int
    cluster: str
    incarnation: int
    schema: int
    taken_at: float
    version: str
    files: Mapping[str, Part]


class NothingThere(StoreRefused):
    """No Center was ever started on these data."""


class Abandoned(StoreError):
    """Nobody wants the backup any more; nothing is left of it."""


def file_name(taken_at: float) -> str:
    """The usual name of a backup taken at this time: it sorts by age."""
    return f"ropeteam-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(taken_at))}.tar.gz"


def write_backup(
    folder: Path, target: Path, taken_at: float, version: str, wanted: Callable[[], bool] = lambda: True
) -> Manifest:
    """Back up the data `folder` of a Center, running or not, into the file `target` (rights 0600), which is there whole
    or not at all and replaces one of that name. `wanted` is asked often; False ends it with Abandoned.

    Raises StoreRefused when there is nothing to back up, StoreFull without room, StoreError when it fails.
    """
    source = folder / DATABASE
    if not source.is_file():
        raise NothingThere(f"there is no {DATABASE} in {folder}: nothing to back up")
    _make_room(source, target.parent)
    mark = secrets.token_hex(4)
    copy, new = (target.with_name(f".{target.name}.{mark}.{end}") for end in ("db", "new"))
    try:
        private(copy).close()
        schema, meta = _copy_database(source, copy, wanted)
        files = {DATABASE: copy, **{name: folder / name for name in KEYS if (folder / name).is_file()}}
        manifest = Manifest(
            format=FORMAT,
            cluster=meta.cluster,
            incarnation=meta.incarnation,
            schema=schema,
            taken_at=taken_at,
            version=version,
            files={name: _part(path) for name, path in files.items()},
        )
        with private(new) as file:
            _pack(file, manifest, files, wanted)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise StoreError(f"cannot read {source}: {error}") from error
    finally:
        for left in (copy, new):
            left.unlink(missing_ok=True)
    return manifest


def _make_room(source: Path, into: Path) -> None:
    """Raise StoreFull when copy and archive may not fit."""
    wal = source.with_name(source.name + "-wal")
    size = source.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
    needed, free = 2 * size + ROOM_OVER, shutil.disk_usage(into).free
    if free < needed:
        raise StoreFull(f"no room for a backup in {into}: {needed >> 20} MB are needed, {free >> 20} MB are free")


def private(path: Path) -> IO[bytes]:
    """A new file for its owner alone."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")


def _copy_database(source: Path, target: Path, wanted: Callable[[], bool]) -> tuple[int, Meta]:
    """The database as of one instant, in one file without side files; its schema and its `Meta`."""

    def look(*_: int) -> None:
        if not wanted():
            raise Abandoned("the backup is not wanted any more")

    reading = f"{source.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(reading, uri=True, isolation_level=None)) as old,
        closing(sqlite3.connect(target, isolation_level=None)) as new,
    ):
        old.execute("PRAGMA busy_timeout = 5000")
        old.execute("BEGIN")  # one snapshot for all steps: without it each commit would begin the copy anew
        old.execute(META).fetchone()
        old.backup(new, pages=STEP_PAGES, progress=look, sleep=0)
        old.execute("COMMIT")
        new.execute("PRAGMA journal_mode = DELETE")
        verdict = new.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StoreError(f"the copy of {source} is damaged: {verdict}")
        schema = int(new.execute("PRAGMA user_version").fetchone()[0])
        row = new.execute(META).fetchone()
    if row is None:
        raise NothingThere(f"{source} was never used by a Center: nothing to back up")
    return schema, msgspec.json.decode(row[0], type=Meta)


def _part(path: Path) -> Part:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
    return Part(bytes=size, sha256=digest.hexdigest())


def _pack(target: IO[bytes], manifest: Manifest, files: Mapping[str, Path], wanted: Callable[[], bool]) -> None:
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=COMPRESSION) as archive:
        text = msgspec.json.format(msgspec.json.encode(manifest))
        archive.addfile(_entry(MANIFEST, len(text), manifest.taken_at), io.BytesIO(text))
        for name, path in files.items():
            with path.open("rb") as file:
                entry = _entry(name, manifest.files[name].bytes, manifest.taken_at)
                archive.addfile(entry, _Watched(file, wanted))


def _entry(name: str, size: int, taken_at: float) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, int(taken_at), 0o600
    return entry


class _Watched(io.RawIOBase):
    """A file that is read only while somebody wants it."""

    def __init__(self, file: IO[bytes], wanted: Callable[[], bool]) -> None:
        self._file = file
        self._wanted = wanted

    def read(self, size: int = -1) -> bytes:
        if not self._wanted():
            raise Abandoned("the backup is not wanted any more")
        return self._file.read(size)
