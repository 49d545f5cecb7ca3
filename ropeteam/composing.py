"""The Compose file that a command is about: its text, and the project it is for."""

import sys
from pathlib import Path

from composefile.errors import ComposeError, Findings
from composefile.yamltext import Mapping, Scalar, parse
from protocol.names import PROJECT, is_legal
from ropeteam.fault import Exit, Fault


def read_text(file: str) -> bytes:
    """The bytes of the file, or of stdin for `-`."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Fault(f"cannot read {file}: {error.strerror}", "Name the file with -f.", Exit.USAGE) from error


def project_of(text: bytes, file: str, given: str) -> str:
    """The project: `-p`, else `name:` in the file, else its folder's name. Raises Fault when none fits."""
    if given:
        return _checked(given, "-p")
    name = _name(text)
    if name:
        return _checked(name, f"name: in {file}")
    folder = (Path.cwd() if file == "-" else Path(file).resolve().parent).name
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


def _name(text: bytes) -> str:
    try:
        tree = parse(text.decode(), Findings())
    except (ComposeError, UnicodeDecodeError):
        return ""  # the Center says what is wrong with the file
    if not isinstance(tree, Mapping):
        return ""
    return next((e.value.text for e in tree.entries if e.key == "name" and isinstance(e.value, Scalar)), "")
