"""Backups that the Center makes: on a schedule with so many kept, and for who asks for one now. One at a time.

The work is `store.backup`'s, in a thread; this says when, where and what goes. Made and run by `app.py`, asked by
`web/backup.py`. A failure is an alarm in the journal and is tried again; the Center goes on.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Any

import msgspec

from controlplane.core.command import NoteBackup
from controlplane.core.record import Now, Refused
from controlplane.store.backup import Manifest, file_name, write_backup
from controlplane.store.folder import BACKUPS
from controlplane.store.store import StoreError

FIRST_S = 600.0
"""The first scheduled copy of a Center that has none comes so long after its start."""

RETRY_S = 600.0
LOOK_S = 60.0
"""How often the clock is looked at: it may be set."""

WAIT_S = 25.0
"""Who asks for a backup waits so long for another one to be done."""

_NAME = re.compile(r"ropeteam-\d{8}T\d{6}Z\.tar\.gz")
_DOWNLOAD = ".download"
_UNFINISHED = re.compile(r"\.(\.download|ropeteam-\d{8}T\d{6}Z\.tar\.gz)\.[0-9a-f]{8}\.(db|new)")

_log = logging.getLogger(__name__)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator chose. `every_s` 0 = no copies. `into` None = `backups` in the data folder."""

    every_s: float = 86_400.0
    keep: int = 7
    into: Path | None = None


class Copies:
    """`tell`: writes a line into the journal. `now`: the Center's clock."""

    def __init__(
        self,
        data: Path,
        plan: Plan,
        version: str,
        now: Callable[[], Now],
        tell: Callable[[NoteBackup], Awaitable[Any]],
    ) -> None:
        self._data = data
        self._plan = plan
        self._version = version
        self._now = now
        self._tell = tell
        self._one = asyncio.Lock()
        self._failing = False
        self.folder = plan.into or data / BACKUPS

    async def run(self) -> None:
        """Make the scheduled copies until cancelled."""
        await asyncio.to_thread(self._sweep)
        if not self._plan.every_s:
            return
        due_at = self._first_due()
        while True:
            wall = self._now().wall
            due_at = min(due_at, wall + self._plan.every_s)  # the clock was set back
            if due_at > wall:
                await asyncio.sleep(min(due_at - wall, LOOK_S))
                continue
            made = await self._scheduled(wall)
            due_at = wall + (self._plan.every_s if made else min(RETRY_S, self._plan.every_s))

    async def download(self) -> tuple[IO[bytes], Manifest]:
        """A backup as of now, as an open file that has no name any more. Raises StoreError, TimeoutError."""
        path = self._data / _DOWNLOAD
        async with asyncio.timeout(WAIT_S):
            await self._one.acquire()
        try:
            manifest = await self._write(path)
            return _taken(path), manifest
        finally:
            self._one.release()

    def _first_due(self) -> float:
        newest = max((path.stat().st_mtime for path in self._made()), default=0.0)
        wall = self._now().wall
        return newest + self._plan.every_s if newest else wall + min(FIRST_S, self._plan.every_s)

    async def _scheduled(self, wall: float) -> bool:
        name = file_name(wall)
        try:
            async with self._one:
                await asyncio.to_thread(self.folder.mkdir, 0o700, parents=True, exist_ok=True)
                await self._write(self.folder / name)
                await asyncio.to_thread(self._forget)
        except (StoreError, OSError) as error:
            _log.warning("no backup was made: %s", error)
            if not self._failing:
                self._failing = True
                await self._note(NoteBackup(actor="", failed=str(error)))
            return False
        self._failing = False
        await self._note(NoteBackup(actor="", name=name))
        return True

    async def _note(self, command: NoteBackup) -> None:
        """On a full disk there is no room for the line either; the log has it."""
        try:
            await self._tell(command)
        except Refused as refused:
            _log.warning("not in the journal: %s", refused.message)

    async def _write(self, path: Path) -> Manifest:
        """Write it in a thread; cancelling ends that soon."""
        unwanted = threading.Event()
        try:
            return await asyncio.to_thread(
                write_backup, self._data, path, self._now().wall, self._version, lambda: not unwanted.is_set()
            )
        finally:
            unwanted.set()

    def _made(self) -> list[Path]:
        """Those of a schedule, oldest first; nothing else in the folder is ours."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))

    def _sweep(self) -> None:
        """Remove what a Center left that was killed while it made a backup."""
        for folder in {self._data, self.folder}:
            for path in folder.iterdir() if folder.is_dir() else ():
                if path.name == _DOWNLOAD or _UNFINISHED.fullmatch(path.name):
                    path.unlink(missing_ok=True)

    def _forget(self) -> None:
        for path in self._made()[: -self._plan.keep]:
            path.unlink(missing_ok=True)


def _taken(path: Path) -> IO[bytes]:
    """The file, opened and without a name: it is gone when it is closed, whatever happens."""
    file = path.open("rb")
    path.unlink()
    return file
