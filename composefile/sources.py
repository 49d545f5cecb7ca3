"""What the loader is given: files, variables, profiles, and the one way to read a file. Paths, not contents.

Called by `loading` and its parts, and by whoever makes a request (the command line).
"""

import posixpath
from collections.abc import Callable, Mapping

import msgspec

from composefile.errors import Findings, Mark, escaped
from composefile.variables import Lookup
from protocol.api import Problem

FILES_MAX = 200
"""Files read for one project, each counted once for each use."""

STDIN = "-"


class Unreadable(Exception):
    """A file cannot be read; the text says why. `missing`: it is not there."""

    def __init__(self, why: str, missing: bool = False) -> None:
        super().__init__(why)
        self.missing = missing


ReadFile = Callable[[str], str]
"""Path -> text. Raises Unreadable. A relative path counts from where the command was given; `-` is stdin."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asked for.

    `files`: each over the one before. `env_files`: None = `.env` beside the first file, if there is one. `profiles`:
    those to start. `environment`: of the process; it wins over env files. `project`: its code, for
    COMPOSE_PROJECT_NAME; "" = what the files say. `images`: service -> image to use instead.
    """

    files: tuple[str, ...]
    env_files: tuple[str, ...] | None = None
    profiles: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    project: str = ""
    images: Mapping[str, str] = {}


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file's relative paths count from, and its variables."""

    directory: str
    variables: Mapping[str, str]

    @property
    def lookup(self) -> Lookup:
        """Name -> value."""
        return self.variables.get

    def path(self, written: str) -> str:
        """`written` as a path that can be read."""
        return joined(self.directory, written)


def joined(directory: str, path: str) -> str:
    """`path` as it is found from `directory`; `/` between the parts, also where the file was written on Windows."""
    return posixpath.normpath(posixpath.join(directory, path))


def directory_of(path: str) -> str:
    """The directory of a file; that of stdin is the one in which the command was given."""
    return "" if path == STDIN else posixpath.dirname(path)


class Files:
    """Reads files for one request, within a limit, and notes what cannot be read."""

    def __init__(self, read: ReadFile, findings: Findings) -> None:
        self._read = read
        self._findings = findings
        self._count = 0

    def text(self, path: str, mark: Mark, field: str, *, required: bool = True) -> str | None:
        """The text of `path`, asked for at `mark`; None when it cannot be read, which is noted, or is not required."""
        self._count += 1
        if self._count > FILES_MAX:
            self._error(mark, field, f"more than {FILES_MAX} files", "Use fewer files.")
            return None
        try:
            return self._read(path)
        except Unreadable as error:
            if required or not error.missing:
                self._error(
                    mark, field, f"cannot read {escaped(path)}: {error}", "Check the path, and who may read the file."
                )
            return None

    def _error(self, mark: Mark, field: str, message: str, fix: str) -> None:
        problem = Problem(message=message, field=field, line=mark.line, column=mark.column, file=mark.file, fix=fix)
        self._findings.error(problem)
