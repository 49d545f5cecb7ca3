"""The Center's data folder: its rights, its lock, and the identity key in it. No SQL here. Used by `app.py`."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from controlplane.store.store import StoreRefused

DATABASE = "center.db"
LOCK = "center.lock"
IDENTITY = "identity.key"
TAILS = "tails.db"
"""Last lines of containers; not part of the state."""
KEYS = (IDENTITY,)
"""Files that a backup holds beside the database: without them agents do not know the Center."""
BACKUPS = "backups"
"""Folder for copies made by the Center itself: on a schedule, and before a migration."""
RINGS = "rings.db"
"""CPU and memory over time; not part of the state."""

_DATABASES = frozenset(f"{name}{more}" for name in (DATABASE, TAILS, RINGS) for more in ("", "-wal", "-shm"))
_OURS = _DATABASES | {LOCK, IDENTITY, f"{IDENTITY}.new"}


@contextmanager
def locked_folder(path: Path) -> Iterator[Path]:
    """The data folder, made if need be (rights 0700), and held by this process alone until the context ends.

    Raises StoreRefused when it cannot be made, others may write into it, or another process holds it.
    """
    _make(path)
    try:
        fd = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreRefused(f"cannot write into {path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
            raise StoreRefused(f"another Center (process {holder}) uses {path}; stop it first") from error
        with suppress(OSError):  # a full disk must not keep the Center from serving what it has
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        _tighten(path)
        yield path
    finally:
        os.close(fd)


def _make(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        strangers = {p.name for p in path.iterdir()} - _OURS - {BACKUPS}
    except OSError as error:
        raise StoreRefused(f"cannot use {path} as data folder: {error.strerror}") from error
    if stat.S_IMODE(status.st_mode) & 0o077 == 0:
        return
    if not strangers and status.st_uid == os.geteuid():
        path.chmod(0o700)
    elif status.st_mode & 0o022:
        raise StoreRefused(f"other users may write into {path}: give the Center a folder of its own (chmod 700)")


def _tighten(path: Path) -> None:
    """Files that came back from a backup may be readable by everyone; the database holds users' secrets."""
    for name in _OURS:
        with suppress(FileNotFoundError, PermissionError):
            (path / name).chmod(0o600)


def write_once(path: Path, content: bytes) -> None:
    """Make a file (rights 0600) that is there with all its content or not at all, also after power loss."""
    new = path.with_name(path.name + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the folder's list of files durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
