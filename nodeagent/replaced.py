"""What two agents and the process between them tell each other through their data folder, in three small files.

`session.json`: which container's agent opened a session. `replaced.json`: how the last replacement went. Written by
`app` and `replacing`, read by `replacing` and `upgrading`. Blocking.
"""

from pathlib import Path
from typing import TypeVar

import msgspec

from nodeagent.core.replacing import Verdict
from nodeagent.disk import replace_file

T = TypeVar("T")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: the containers by id, the name that the agent's shall have in the end."""

    task: str
    docker: str
    data: str
    name: str
    old: str
    new: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How it went, for the task that ordered it."""

    task: str
    verdict: Verdict
    reason: str = ""


class _Session(msgspec.Struct, frozen=True, kw_only=True):
    container: str


def note_session(folder: Path, container: str) -> None:
    """The agent of this container has a session with the Center. Raises OSError."""
    replace_file(folder / "session.json", msgspec.json.encode(_Session(container=container)))


def had_session(folder: Path) -> str:
    """The container whose agent opened the last session; "" when none did."""
    found = _read(folder / "session.json", _Session)
    return found.container if found is not None else ""


def note_outcome(folder: Path, outcome: Outcome) -> None:
    """Decided. Raises OSError."""
    replace_file(folder / "replaced.json", msgspec.json.encode(outcome))


def outcome_of(folder: Path, task: str) -> Outcome | None:
    """What was decided for this task; None when nothing was."""
    found = _read(folder / "replaced.json", Outcome)
    return found if found is not None and found.task == task else None


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, ValueError):
        return None
