"""Centers this person has signed in to, in one file that only they can read. Holds tokens; prints none.

`$ROPE_CONFIG`, else `$XDG_CONFIG_HOME/rope/config.toml`, else `~/.config/rope/config.toml`, mode 0600.
"""

import json
import os
import re
import tempfile
import tomllib
from pathlib import Path

import msgspec

from ropeteam.fault import Exit, Fault

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """A Center and the token for it."""

    url: str
    token: str = ""


class Contexts(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. `current`: the one used unless another is named; "" = none."""

    current: str = ""
    contexts: dict[str, Context] = {}

    def named(self, name: str) -> Context:
        """The context of that name. Raises Fault."""
        found = self.contexts.get(name)
        if found is None:
            known = ", ".join(sorted(self.contexts)) or "none"
            raise Fault(
                f"there is no context {name!r}", f"Known: {known}. Sign in with: rope login URL", Exit.NOT_FOUND
            )
        return found

    def with_one(self, name: str, context: Context) -> "Contexts":
        """With this one, which is the current one from now on. Raises Fault on a name that is none."""
        if not NAME.fullmatch(name):
            raise Fault(f"{name!r} is no name for a context", f"It must match {NAME.pattern}.", Exit.USAGE)
        return Contexts(current=name, contexts={**self.contexts, name: context})

    def without(self, name: str) -> "Contexts":
        """Without this one. Raises Fault when there is none."""
        self.named(name)
        left = {key: value for key, value in self.contexts.items() if key != name}
        return Contexts(current="" if self.current == name else self.current, contexts=left)


def path() -> Path:
    """Where the file is, be it there or not."""
    if given := os.environ.get("ROPE_CONFIG"):
        return Path(given)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "rope" / "config.toml"


def load() -> Contexts:
    """The file's content; nothing when there is no file. Raises Fault when it cannot be read."""
    file = path()
    try:
        return msgspec.convert(tomllib.loads(file.read_text()), Contexts)
    except FileNotFoundError:
        return Contexts()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Fault(f"{file} cannot be read: {error}", "Mend or remove it, and sign in again.") from error


def save(contexts: Contexts) -> None:
    """Put it in the file's place, whole or not at all. Raises Fault."""
    file = path()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".config-", delete=False) as out:  # mode 0600
            out.write(_toml(contexts))
        os.replace(out.name, file)
    except OSError as error:
        raise Fault(f"{file} cannot be written: {error}") from error


def _toml(contexts: Contexts) -> str:
    lines = [f"current = {_quoted(contexts.current)}"]
    for name, context in sorted(contexts.contexts.items()):
        lines += [
            "",
            f"[contexts.{_quoted(name)}]",
            f"url = {_quoted(context.url)}",
            f"token = {_quoted(context.token)}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # the same as a basic string of TOML for printable text
