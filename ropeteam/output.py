"""What people and scripts read: data on stdout as table, JSON or names; everything else on stderr.

Texts from containers are hostile: nothing in them may reach the terminal as a control sequence.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

Format = Literal["table", "json", "name"]

_GOOD = frozenset({"online", "running", "healthy", "succeeded", "done"})
_BAD = frozenset({"offline", "failed", "interrupted", "unhealthy", "rolled_back"})
_WIDE = 1000
"""Columns where no terminal says how many it has: nothing is cut."""


def safe(text: str) -> str:
    """`text` with control characters escaped; one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_json(value: object) -> None:
    """The API's object, indented."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_json_line(value: object) -> None:
    """The API's object on one line, at once: for streams."""
    print(msgspec.json.encode(value).decode(), flush=True)


def print_lines(lines: Iterable[str]) -> None:
    """Data, a line each."""
    for line in lines:
        print(safe(line))


def note(text: str, *, dim: bool = False) -> None:
    """Progress or a remark: a line on stderr."""
    line = safe(text)
    print(f"\x1b[2m{line}\x1b[0m" if dim and coloured(sys.stderr.isatty()) else line, file=sys.stderr, flush=True)


def coloured(is_tty: bool) -> bool:
    """True where colours are wanted: on a terminal that has them, unless `NO_COLOR` is set."""
    return is_tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Rows for people, fitted to the terminal. `empty` is said on stderr when there are none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = [list(row) for row in rows]
    if not found:
        note(empty)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, no_wrap=position == 0, overflow="fold")
    for row in found:
        table.add_row(*(Text(safe(cell), style=_style(cell)) for cell in row))
    tty = sys.stdout.isatty()
    colours = coloured(tty)
    console = Console(
        file=sys.stdout, width=None if tty else _WIDE, no_color=not colours, highlight=False, markup=False
    )
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _style(cell: str) -> str:
    word = cell.partition(" ")[0]
    return "green" if word in _GOOD else "red" if word in _BAD else ""
