"""Figures over time as one line of text: a block for each, a dot where there was none. Pure. Used by `rope top`."""

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*#@"
"""For terminals whose encoding has no blocks."""
GAP = "·"
PLAIN_GAP = " "


def sparkline(figures: Sequence[float | None], most: float = 0.0, encoding: str = "utf-8") -> str:
    """`most`: what the highest block stands for; 0 = the highest figure. "-" without any figure."""
    known = [f for f in figures if f is not None]
    if not known:
        return "-"
    marks, gap = (BLOCKS, GAP) if _can(encoding) else (PLAIN, PLAIN_GAP)
    top = most or max(known) or 1.0
    steps = len(marks)
    return "".join(gap if f is None else marks[min(steps - 1, max(0, int(f / top * steps)))] for f in figures)


def _can(encoding: str) -> bool:
    try:
        (BLOCKS + GAP).encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
