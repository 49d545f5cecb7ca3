"""RESULTS.md: the section "Costs" and, in it, one part for each benchmark. Touches nothing else of the file."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import describe, today
from benchmarks.row import Row, table

FILE = Path(__file__).with_name("RESULTS.md")
HEADING = "## Costs"
_ABOUT = (
    "CPU is the whole process's by the kernel's count. `ratio`: the median over that of a reference in the same run;\n"
    "machines drift, ratios stay. References: `benchmarks/reference.py` (a WebSocket server by hand that decodes the\n"
    "same frames and has no keys, sessions or rules), plain `sqlite3`, and `spin`, a fixed piece of Python.\n"
)


def record(name: str, rows: Sequence[Row], busy: float, file: Path = FILE) -> None:
    """Put the rows of one benchmark in the place of its former ones. `busy`: percent of the machine others used."""
    text = file.read_text() if file.exists() else "# Measured\n"
    file.write_text(with_part(text, name, part(name, rows, busy)))


def with_part(text: str, name: str, part: str) -> str:
    """The text with the section's part of this name replaced, or added at the section's end."""
    if f"\n{HEADING}\n" not in text:
        text = f"{text.rstrip()}\n\n{HEADING}\n\n{_ABOUT}"
    before, _, rest = text.partition(f"\n{HEADING}\n")
    section, after = _until_next(rest, "## ")
    start = section.find(f"\n### {name}\n")
    if start < 0:
        section = f"{section.rstrip()}\n\n{part}"
    else:
        _, later = _until_next(section[start + 1 :].partition("\n")[2], "### ")
        section = section[: start + 1] + part + ("\n" + later.lstrip() if later else "")
    return f"{before}\n{HEADING}\n{section.rstrip()}\n" + (f"\n{after}" if after else "")


def _until_next(text: str, mark: str) -> tuple[str, str]:
    """The text before the next heading of this level, and from it on."""
    found = re.search(rf"^{mark}", text, re.MULTILINE)
    return (text, "") if found is None else (text[: found.start()], text[found.start() :])


def part(name: str, rows: Sequence[Row], busy: float) -> str:
    """What is printed of a benchmark, ready for RESULTS.md. `busy`: percent of the machine others used meanwhile."""
    others = f"Others used {busy:.0f} % of the machine meanwhile."
    return f"### {name}\n\n`python -m benchmarks {name}`, {today()}. {describe()}. {others}\n\n{table(rows)}"
