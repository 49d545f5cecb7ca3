"""How a deployment goes, for people and scripts: a list of steps redrawn in place, a line for each change, or JSON.

Everything goes to stderr but JSON, which is data. Draws what `states` tells; asks nobody.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from protocol.api import StepView
from ropeteam.output import coloured, note, print_json_line, safe
from ropeteam.rows import moment, now
from ropeteam.states import Seen

if TYPE_CHECKING:
    from rich.console import RenderableType

Style = Literal["auto", "tty", "plain", "json"]
Show = Callable[[Seen], None]

STEPS_SHOWN = 16
"""Rows of the list that is redrawn; those before are counted, those behind too."""
PER_SECOND = 8

_MARKS = {"waiting": " ", "running": "…", "done": "✓", "failed": "✗", "skipped": "–"}
_STYLES = {"waiting": "dim", "running": "bold", "done": "green", "failed": "red", "skipped": "dim"}


@contextmanager
def shown(style: Style) -> Iterator[Show]:
    """Something to show states with, until the context ends. `auto`: redrawn on a terminal, else plain."""
    if style == "auto":
        style = "tty" if coloured(sys.stderr.isatty()) else "plain"
    match style:
        case "json":
            yield _json
        case "tty":
            with _screen() as show:
                yield show
        case _:
            yield _Plain().show


def _json(seen: Seen) -> None:
    print_json_line({"schema": 1, "deployment": seen.deployment, "tasks": seen.tasks})


class _Plain:
    """One line for each change, with the time."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def show(self, seen: Seen) -> None:
        for step in seen.deployment.steps:
            said = f"{step.state}{_tenths(seen, step)}" + (f": {step.reason}" if step.reason else "")
            if step.state != "waiting" and self._told.get(step.name) != said:
                self._told[step.name] = said
                note(f"{now().astimezone():%H:%M:%S}  {step.name:<24} {said}")
        state = seen.deployment.state
        if state in ("waiting", "paused") and self._told.get("") != state:
            why = seen.deployment.reason or "nothing goes on until it is resumed"
            note(f"{now().astimezone():%H:%M:%S}  {state}: {why}")
        self._told[""] = state


def _tenths(seen: Seen, step: StepView) -> str:
    """How much of an image is there, in tenths so that not every byte is a line."""
    done, total = _bytes(seen, step)
    return f" {done * 10 // total * 10} % of {total / 1e6:.1f} MB" if total else ""


def _bytes(seen: Seen, step: StepView) -> tuple[int, int]:
    task = next((t for t in seen.tasks if step.task and t.id == step.task), None)
    return (task.bytes_done, task.bytes_total) if task is not None and step.state == "running" else (0, 0)


@contextmanager
def _screen() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr, highlight=False, markup=False)
    with Live(console=console, refresh_per_second=PER_SECOND, vertical_overflow="crop") as drawn:
        yield lambda seen: drawn.update(_table(seen, now()))


def _table(seen: Seen, at: datetime) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    rows, behind, ahead = window(seen.deployment.steps)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, max_width=40, overflow="ellipsis")
    table.add_column(ratio=1, overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    done = sum(s.state in ("done", "skipped") for s in seen.deployment.steps)
    head = f"deployment {seen.deployment.id}: {seen.deployment.kind} of {seen.deployment.project}"
    table.add_row("", Text(safe(head), style="bold"), f"{done} of {len(seen.deployment.steps)} steps", "")
    if behind:
        table.add_row("✓", f"{behind} earlier steps", "", "")
    for step in rows:
        style = _STYLES[step.state]
        cells = (_MARKS[step.state], safe(step.name), safe(_saying(seen, step)), _took(step, at))
        table.add_row(*(Text(cell, style=style) for cell in cells))
    if ahead:
        table.add_row("", Text(f"{ahead} more to come", style="dim"), "", "")
    if seen.deployment.state in ("waiting", "paused"):
        table.add_row("", Text(seen.deployment.state, style="yellow"), safe(seen.deployment.reason), "")
    return table


def window(steps: tuple[StepView, ...]) -> tuple[tuple[StepView, ...], int, int]:
    """The steps to draw, how many lie before them, how many behind: the last done, those that run and the next."""
    first = next((i for i, s in enumerate(steps) if s.state not in ("done", "skipped")), len(steps))
    start = max(0, min(first - 2, len(steps) - STEPS_SHOWN))
    found = steps[start : start + STEPS_SHOWN]
    return found, start, len(steps) - start - len(found)


def _saying(seen: Seen, step: StepView) -> str:
    done, total = _bytes(seen, step)
    pulled = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB  " if total else ""
    return pulled + (step.reason if step.state != "done" else "")


def _took(step: StepView, at: datetime) -> str:
    if step.started_at is None:
        return ""
    until = moment(step.ended_at) if step.ended_at else at
    return f"{max(0.0, (until - moment(step.started_at)).total_seconds()):.1f} s"
