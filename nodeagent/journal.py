"""What the agent remembers on disk: the Center's last word (`memory.json`), its tasks (`tasks.jsonl`), and which
images it pulled (`images.json`).

Everything is synced before the call returns. Knows files only: what is saved when is decided by the core. Called by
`loop`, one call at a time, by `images` for its own file, and by `app` at the start.
"""

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from nodeagent.core.events import Memory
from nodeagent.core.tasks import FINISHED_MAX, TaskRecord
from nodeagent.disk import append_line, replace_file, sync_folder

LINES_MAX = 4 * FINISHED_MAX
"""Lines of the task file after which it is written anew with the newest record of each task."""

IMAGES_MAX = 1000
"""Images that are written down; of older ones it is forgotten who pulled them, so they stay."""


class PulledImage(msgspec.Struct, frozen=True, kw_only=True):
    """A pinned image that this agent pulled. `at`: wall seconds."""

    image: str
    at: float


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on disk. `troubles`: sentences on what could not be read."""

    memory: Memory
    tasks: tuple[TaskRecord, ...]
    images: tuple[PulledImage, ...] = ()
    troubles: tuple[str, ...] = ()


class Journal:
    """The files in `folder`, which must exist."""

    def __init__(self, folder: Path) -> None:
        self._memory = folder / "memory.json"
        self._tasks = folder / "tasks.jsonl"
        self._images = folder / "images.json"
        self._images_lock = asyncio.Lock()
        self._latest: dict[str, TaskRecord] = {}
        self._lines = 0
        self._torn = False
        """The task file lacks something or ends in half a line: it is to be written anew, not added to."""

    def load(self) -> Remembered:
        """Read them. What is damaged is left out and told: without a known desired state nothing is started or
        stopped before the Center has spoken.
        """
        troubles: list[str] = []
        memory = Memory()
        try:
            memory = _unsealed(self._memory.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            troubles.append(f"{self._memory} is damaged ({error}): waiting for the Center's word")
        self._torn = self._load_tasks(troubles)
        if self._torn or self._lines > LINES_MAX:
            try:
                self._rewrite_tasks()
            except OSError as error:
                # A full disk tears lines and does not let them be mended; the containers need their agent all the same.
                troubles.append(f"cannot write {self._tasks} anew: {error}")
        images = self._load_images(troubles)
        return Remembered(memory=memory, tasks=tuple(self._latest.values()), images=images, troubles=tuple(troubles))

    def clear(self) -> None:
        """Forget everything: this agent begins a new life in a cluster. Raises OSError."""
        self._memory.unlink(missing_ok=True)
        self._tasks.unlink(missing_ok=True)
        self._images.unlink(missing_ok=True)
        self._latest, self._lines, self._torn = {}, 0, False
        sync_folder(self._memory.parent)

    async def save_memory(self, memory: Memory) -> None:
        """Replace the Center's last word. Raises OSError; then the old word is taken away as well where possible, for
        an outdated one could start what lives elsewhere by now.
        """
        try:
            await asyncio.to_thread(replace_file, self._memory, _sealed(memory))
        except OSError:
            await asyncio.to_thread(self._forget)
            raise

    async def save_task(self, record: TaskRecord) -> None:
        """Add to the tasks. Raises OSError; then the next one that is saved takes this one along."""
        self._latest.pop(record.task, None)
        self._latest[record.task] = record
        self._lines += 1
        try:
            if self._torn or self._lines > LINES_MAX:
                await asyncio.to_thread(self._rewrite_tasks)
            else:
                await asyncio.to_thread(append_line, self._tasks, msgspec.json.encode(record))
        except OSError:
            self._torn = True
            raise

    async def save_images(self, images: tuple[PulledImage, ...]) -> None:
        """Replace the list, oldest first. Raises OSError."""
        async with self._images_lock:
            data = msgspec.json.encode(images[-IMAGES_MAX:])
            await asyncio.to_thread(replace_file, self._images, data)

    def _load_images(self, troubles: list[str]) -> tuple[PulledImage, ...]:
        """None when that is not known: then none is removed."""
        try:
            return msgspec.json.decode(self._images.read_bytes(), type=tuple[PulledImage, ...])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            troubles.append(f"{self._images} is damaged ({error}): the images pulled so far stay")
            return ()

    def _forget(self) -> None:
        self._memory.unlink(missing_ok=True)
        sync_folder(self._memory.parent)

    def _load_tasks(self, troubles: list[str]) -> bool:
        try:
            data = self._tasks.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            troubles.append(f"cannot read {self._tasks}: {error}")
            return False
        bad = 0
        for line in data.splitlines():
            try:
                record = msgspec.json.decode(line, type=TaskRecord)
            except ValueError:
                bad += 1
                continue
            self._latest.pop(record.task, None)
            self._latest[record.task] = record
            self._lines += 1
        if bad:
            troubles.append(f"{self._tasks}: {bad} damaged lines left out")
        return bad > 0 or (data != b"" and not data.endswith(b"\n"))

    def _rewrite_tasks(self) -> None:
        self._latest = _newest(self._latest.values())
        replace_file(self._tasks, b"".join(msgspec.json.encode(record) + b"\n" for record in self._latest.values()))
        self._lines, self._torn = len(self._latest), False


def _newest(records: Iterable[TaskRecord]) -> dict[str, TaskRecord]:
    """All unfinished tasks and the newest finished ones."""
    kept = list(records)
    surplus = max(0, sum(record.finished for record in kept) - FINISHED_MAX)
    newest: dict[str, TaskRecord] = {}
    for record in kept:
        if record.finished and surplus > 0:
            surplus -= 1
        else:
            newest[record.task] = record
    return newest


def _sealed(memory: Memory) -> bytes:
    body = msgspec.json.encode(memory)
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _unsealed(data: bytes) -> Memory:
    seal, _, body = data.partition(b"\n")
    if seal.decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
        raise ValueError("its checksum does not fit")
    return msgspec.json.decode(body, type=Memory)
