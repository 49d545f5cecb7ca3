"""A file from the Center: into a new file that is there whole or not at all, for its owner alone."""

import contextlib
import os
import re
from pathlib import Path
from typing import IO, NamedTuple

from ropeteam.client import Client, Incoming
from ropeteam.fault import Fault

_NAMED = re.compile(r'filename="([A-Za-z0-9][A-Za-z0-9._-]{0,100})"')


class Saved(NamedTuple):
    """Where it is, and its bytes."""

    path: Path
    size: int


def download(client: Client, path: str, target: str) -> Saved:
    """`/api/v1/<path>` into `target`, or without one into the name that the Center gives, in this folder.

    Raises Refusal, Unreachable; Fault when the file is there already, cannot be written or did not come whole.
    """
    with client.stream(path) as (headers, content):
        named = _NAMED.search(headers.get("content-disposition", ""))
        goal = Path(target) if target else Path(named[1] if named else "download")
        if goal.exists():
            raise Fault(f"{goal} is there already; nothing was written")
        new = goal.with_name(f".{goal.name}.new")
        try:
            with _private(new) as file:
                size = _copy(content, file)
            if headers.get("content-length", str(size)) != str(size):
                raise Fault("the line broke before everything had come; nothing was written")
            new.rename(goal)
        except OSError as error:
            raise Fault(f"cannot write {goal}: {error.strerror or error}") from error
        finally:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
    return Saved(goal, size)


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")


def _copy(content: Incoming, file: IO[bytes]) -> int:
    size = 0
    while piece := content.read(1 << 20):
        file.write(piece)
        size += len(piece)
    file.flush()
    os.fsync(file.fileno())
    return size
