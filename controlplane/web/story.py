"""One incident as a readable story: the lines of one cause in order, each so long after the beginning, and its phases.

Pure; made of the journal's lines. Used by `pages.py` for the first paint and `views.py` live, drawn by `_story` and
`_phases`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from controlplane.web.work import Line

LONG_S = 0.5
"""A beginning that lies so far back in silence is told as a phase of its own."""

_SILENT = re.compile(r"silent (?P<s>\d+(?:\.\d+)?) s\b")
_PHASES: Mapping[str, str] = {
    "node.suspect": "suspect",
    "node.offline": "offline",
    "replica.interrupted": "interrupted",
    "replica.placed": "placed",
    "replica.running": "running",
    "replica.healthy": "healthy",
    "node.online": "online",
}
"""Kind of an event -> the phase that its first line begins."""
_MOVED = frozenset({"placed", "running", "healthy"})


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `after_s`: since the story began."""

    key: str
    line: Line
    after_s: float


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """Where the incident stood from `after_s` on. `count`: lines of this kind."""

    name: str
    tone: str
    after_s: float
    count: int = 1


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `phases`: only of a node that fell silent; empty for every other story."""

    chapters: tuple[Chapter, ...]
    phases: tuple[Phase, ...]


def story(lines: Sequence[Line]) -> Story:
    """The lines of one cause, oldest first, as a story. It begins with the silence, where its first lines name one."""
    if not lines:
        return Story(chapters=(), phases=())
    silent_s = _silence(lines)
    began = _wall(lines[0]) - silent_s
    chapters = tuple(Chapter(key=f"chapter-{e.seq}", line=e, after_s=_after(e, began)) for e in lines)
    return Story(chapters=chapters, phases=_phases(chapters, silent_s))


def _silence(lines: Sequence[Line]) -> float:
    """How long the node was silent already when the first line was written, by the first line that tells."""
    for told in lines:
        found = _SILENT.search(told.text) if told.kind in ("node.suspect", "node.offline") else None
        if found:
            return max(0.0, float(found["s"]) - _after(told, _wall(lines[0])))
    return 0.0


def _phases(chapters: Iterable[Chapter], silent_s: float) -> tuple[Phase, ...]:
    """In the order in which they began; a node that joins or a deployment has none."""
    found: dict[str, Phase] = {}
    for chapter in chapters:
        name = _PHASES.get(chapter.line.kind)
        if name is None:
            continue
        known = found.get(name)
        after_s, count = (known.after_s, known.count + 1) if known else (chapter.after_s, 1)
        found[name] = Phase(name=name, tone=chapter.line.tone, after_s=after_s, count=count)
    if not found.keys() & {"suspect", "offline"}:
        return ()
    moved = "interrupted" in found or found.keys() & _MOVED
    shown = [p for p in found.values() if moved or p.name not in _MOVED]
    silence = [Phase(name="silent", tone="id", after_s=0.0)] if silent_s >= LONG_S else []
    return (*silence, *shown)


def _after(line: Line, began: float) -> float:
    return round(max(0.0, _wall(line) - began), 1)


def _wall(line: Line) -> float:
    return datetime.fromisoformat(line.at).timestamp()
