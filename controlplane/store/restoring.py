"""Restoring a backup (`backup.py`) into an empty data folder. What the Center does then is `core.adoption`'s.

Blocking, in a thread or process without an event loop; `python -m controlplane restore` is a process of its own.
Trusts nothing in the file but what it can check.
"""

import asyncio
import gzip
import hashlib
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import msgspec

from controlplane.core import adoption
from controlplane.core.cluster import Meta
from controlplane.store.backup import FORMAT, MANIFEST, PIECE, ROOM_OVER, Manifest, private
from controlplane.store.folder import DATABASE, IDENTITY, KEYS, LOCK, locked_folder, sync_folder
from controlplane.store.opening import check
from controlplane.store.store import StoreRefused
from controlplane.store.tables import META, PUT_META

MANIFEST_MAX = 64 * 1024
"""Bytes; it lists a handful of files."""


def restore_backup(file: Path, folder: Path) -> Manifest:
    """Unpack a backup into an empty (or new) data folder and raise the incarnation: the Center started there adopts.

    Raises StoreRefused: it is no backup, it is damaged, it is newer than this version, or the folder is not empty. The
    folder is then as it was.
    """
    try:
        archive = tarfile.open(file, "r:gz")  # noqa: SIM115 closed below
    except (OSError, tarfile.TarError, EOFError) as error:
        raise StoreRefused(f"{file} is no backup of a Center: {error}") from error
    with archive, locked_folder(folder):
        strangers = sorted(p.name for p in folder.iterdir() if p.name != LOCK)
        if strangers:
            found = ", ".join(strangers[:3])
            raise StoreRefused(f"{folder} is not empty ({found}): restore into an empty folder, nothing was changed")
        try:
            manifest = _unpack(file, archive, folder)
            asyncio.run(check(folder / DATABASE))
            _begin_adoption(folder / DATABASE)
            for name in manifest.files:
                (folder / name).chmod(0o600)
            sync_folder(folder)
        except BaseException as error:
            for name in (*KEYS, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
                (folder / name).unlink(missing_ok=True)
            if isinstance(error, OSError | tarfile.TarError | EOFError | gzip.BadGzipFile):
                raise StoreRefused(f"cannot restore {file}: {error}; {folder} was left empty") from error
            raise
        return manifest


def read_manifest(file: Path) -> Manifest:
    """What the backup is of, without looking at the rest. Raises StoreRefused."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            return _manifest(file, archive)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise StoreRefused(f"{file} is no backup of a Center: {error}") from error


def _manifest(file: Path, archive: tarfile.TarFile) -> Manifest:
    first = archive.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > MANIFEST_MAX:
        raise StoreRefused(f"{file} is no backup of a Center: it does not begin with {MANIFEST}")
    text = archive.extractfile(first)
    assert text is not None
    try:
        manifest = msgspec.json.decode(text.read(), type=Manifest)
    except msgspec.DecodeError as error:
        raise StoreRefused(f"{file} is damaged: its manifest cannot be read: {error}") from error
    if manifest.format > FORMAT:
        raise StoreRefused(f"{file} was made by version {manifest.version}, which is newer: restore it with that one")
    missing = {DATABASE, IDENTITY} - set(manifest.files)
    unknown = set(manifest.files) - {DATABASE, *KEYS}
    if missing or unknown:
        raise StoreRefused(f"{file} is not whole: {', '.join(sorted(missing | unknown))}")
    return manifest


def _unpack(file: Path, archive: tarfile.TarFile, folder: Path) -> Manifest:
    """Only files the manifest names, each of the size and content it says."""
    manifest = _manifest(file, archive)
    size, free = sum(part.bytes for part in manifest.files.values()), shutil.disk_usage(folder).free
    if free < size + ROOM_OVER:
        raise StoreRefused(f"no room in {folder}: {size >> 20} MB are needed, {free >> 20} MB are free")
    left = dict(manifest.files)
    while (entry := archive.next()) is not None:
        part = left.pop(entry.name, None)
        if part is None or not entry.isreg() or entry.size != part.bytes:
            raise StoreRefused(f"{file} is damaged: {entry.name!r} is not as its manifest says")
        content = archive.extractfile(entry)
        assert content is not None
        digest = hashlib.sha256()
        with private(folder / entry.name) as target:
            while piece := content.read(PIECE):
                digest.update(piece)
                target.write(piece)
            target.flush()
            os.fsync(target.fileno())
        if digest.hexdigest() != part.sha256:
            raise StoreRefused(f"{file} is damaged: {entry.name} is not as its manifest says")
    if left:
        raise StoreRefused(f"{file} is damaged: {', '.join(sorted(left))} is missing")
    return manifest


def _begin_adoption(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        row = connection.execute(META).fetchone()
        if row is None:
            raise StoreRefused(f"{path} was never used by a Center")
        meta = adoption.begun(msgspec.json.decode(row[0], type=Meta))
        connection.execute(PUT_META, (1, msgspec.json.encode(meta).decode()))
