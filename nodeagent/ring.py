"""The last lines of containers that were removed: a file for each, the oldest removed when there are too many.

Written once, when a container is about to be removed; a file that is torn by a crash loses lines, nothing else. Blocks:
call it in a thread. Used by `logs` and `tails`.
"""

import os
from pathlib import Path

from protocol.loglines import cut_front, last_lines
from protocol.messages import ContainerRef

FILE_BYTES = 256 * 1024
"""Bytes of one container's lines."""
RING_BYTES = 64 * 1024 * 1024
"""Bytes of all files."""


class Ring:
    """Files in `folder`, which is made when it is needed."""

    def __init__(self, folder: Path, ring_bytes: int = RING_BYTES) -> None:
        self._folder = folder
        self._ring_bytes = ring_bytes

    def keep(self, target: ContainerRef, lines: bytes) -> None:
        """Keep the last of these lines. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(target)
        new = path.with_suffix(".new")
        new.write_bytes(cut_front(lines, FILE_BYTES))
        new.replace(path)
        self._make_room()

    def read(self, target: ContainerRef, count: int = -1, since_ns: int = 0) -> bytes | None:
        """The last `count` (-1 = all) lines, none from before `since_ns`; None when nothing was kept."""
        try:
            return last_lines(self._path(target).read_bytes(), count, since_ns)
        except OSError:
            return None

    def _path(self, target: ContainerRef) -> Path:
        # '@' is in no name; legal names have no '/'.
        return self._folder / f"{target.project}@{target.service}@{target.replica}@{target.epoch}.log"

    def _make_room(self) -> None:
        with os.scandir(self._folder) as entries:
            found = sorted((e.stat().st_mtime_ns, e.stat().st_size, e.path) for e in entries if e.is_file())
        surplus = sum(size for _, size, _ in found) - self._ring_bytes
        for _, size, path in found:
            if surplus <= 0:
                return
            Path(path).unlink(missing_ok=True)
            surplus -= size
