"""The Compose files that a command is about: found, read, worked out, and ready to be sent.

All rules are in `composefile`; here is only what touches this machine: files, stdin and the environment.
"""

import os
import sys
from pathlib import Path

import msgspec

from composefile.dotenv import BadEnvFile, parse
from composefile.errors import ComposeError
from composefile.resolving import Resolved, load, resolve
from composefile.sources import STDIN, Request, Unreadable
from composefile.yamltext import TEXT_MAX
from protocol.api import DeployRequest, Problem
from protocol.names import PROJECT, is_legal
from ropeteam.fault import Exit, Fault

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""Looked for here, then in the directories above, where no file is named, in Compose's order."""

_BODY_MAX = 1024 * 1024
"""Bytes that the Center takes; a source map that does not fit is left out."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What was said on the command line about files."""

    files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    images: dict[str, str] = {}
    project: str = ""


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """A project to send. `file`: what a message names when it has no file of its own."""

    project: str
    file: str
    resolved: Resolved

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What was noted on this machine; the Center will say some of it again."""
        return self.resolved.compose.warnings

    def body(self) -> msgspec.Struct | bytes:
        """What is sent: the file with its source map, without it where that would be too much."""
        request = DeployRequest(compose=self.resolved.text, sources=self.resolved.sources)
        return request if len(msgspec.json.encode(request)) <= _BODY_MAX else self.resolved.text.encode()


class BadFiles(Fault):
    """The files cannot be deployed; `problems` says why, all of it."""

    def __init__(self, file: str, error: ComposeError) -> None:
        count = len(error.problems)
        super().__init__(f"the Compose file has {count} error{'s' if count != 1 else ''}; nothing was changed")
        self.file = file
        self.problems = error.problems
        self.warnings = error.warnings


def compose(said: Said) -> Composed:
    """The project that was asked for. Raises BadFiles with every error of every file, Fault for wrong usage."""
    environment = dict(os.environ)
    files = said.files or _found(environment)
    shown = "stdin" if files[0] == STDIN else files[0]
    request = Request(
        files=files,
        env_files=said.env_files or _listed(environment.get("COMPOSE_ENV_FILES", ""), ",") or None,
        profiles=said.profiles,
        environment=environment,
        project=said.project,
        images=said.images,
    )
    loaded = load(request, _read)
    try:
        if loaded.root is None:
            loaded.findings.check()
        project = project_of(loaded.name, files[0], said.project)
        return Composed(project=project, file=shown, resolved=resolve(loaded, project))
    except ComposeError as error:
        raise BadFiles(shown, error) from error


def project_of(name: str, file: str, given: str) -> str:
    """The project: `-p`, else what COMPOSE_PROJECT_NAME or the files say (`name`), else the first file's folder.

    Raises Fault when none fits.
    """
    if given or name:
        return _checked(given or name, "-p" if given else f"name: in {file}")
    folder = (Path.cwd() if file == STDIN else Path(file).resolve().parent).name
    if is_legal(PROJECT, folder):
        return folder
    raise Fault(
        f"which project? {folder!r} is no project code", "Say -p CODE, or write name: into the file.", Exit.USAGE
    )


def _checked(code: str, where: str) -> str:
    if is_legal(PROJECT, code):
        return code
    then = "A project code is a-z, 0-9 and '-', at most 40 characters, not '-' first."
    raise Fault(f"{where}: {code!r} is no project code", then, Exit.USAGE)


def _listed(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(separator) if part)


def _found(environment: dict[str, str]) -> tuple[str, ...]:
    """COMPOSE_FILE, also from `.env` here; else the file that Compose would take, with its override file."""
    known = {**_dotenv(environment), **environment}
    separator = known.get("COMPOSE_PATH_SEPARATOR", "") or os.pathsep
    named = _listed(known.get("COMPOSE_FILE", ""), separator)
    if named:
        return named
    here = Path.cwd()
    for folder in (here, *here.parents):
        for name in NAMES:
            if (folder / name).is_file():
                stem, _, suffix = name.rpartition(".")
                override = next((o for o in _overrides(stem, suffix) if (folder / o).is_file()), "")
                return tuple(_shown(folder / n, here) for n in (name, override) if n)
    raise Fault(f"no {NAMES[0]} here or above", "Name the file with -f; - is stdin.", Exit.USAGE)


def _dotenv(environment: dict[str, str]) -> dict[str, str]:
    """The variables of `.env` here; nothing when it cannot be read, which is told when the files are worked out."""
    try:
        return {v.name: v.value for v in parse(_read(".env"), environment.get, lambda _line, _name: None)}
    except (Unreadable, BadEnvFile):
        return {}


def _overrides(stem: str, suffix: str) -> tuple[str, ...]:
    other = "yml" if suffix == "yaml" else "yaml"
    return f"{stem}.override.{suffix}", f"{stem}.override.{other}"


def _shown(path: Path, here: Path) -> str:
    return path.name if path.parent == here else os.path.relpath(path, here)


def _read(path: str) -> str:
    """The text of a file, or of stdin for `-`. Raises Unreadable, and Fault for a first file that is not there."""
    try:
        data = _bytes(path)
    except FileNotFoundError as error:
        raise Unreadable("there is no such file", missing=True) from error
    except OSError as error:
        raise Unreadable(error.strerror or "it cannot be read") from error
    if len(data) > TEXT_MAX:
        raise Unreadable(f"it has more than {TEXT_MAX} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8 ({error.reason} at byte {error.start})") from error


def _bytes(path: str) -> bytes:
    if path == STDIN:
        return sys.stdin.buffer.read(TEXT_MAX + 1)
    with Path(path).open("rb") as file:
        return file.read(TEXT_MAX + 1)
