"""One measured figure, how it is printed, and the statistics of repeated runs. Measures nothing."""

import statistics
from collections.abc import Iterable, Sequence

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`least`, `median`: of `n` figures in `unit`. `ratio`: median over that of a reference of the same run."""

    name: str
    least: float
    median: float
    unit: str
    n: int
    ratio: float | None = None
    reference: str = ""
    note: str = ""


COLUMNS = ("what", "min", "median", "unit", "n", "ratio", "to", "note")


def row(
    name: str,
    figures: Sequence[float],
    unit: str,
    *,
    beside: Sequence[float] = (),
    reference: str = "",
    note: str = "",
) -> Row:
    """A row of repeated figures; `beside`: those of the reference named `reference`."""
    median = statistics.median(figures)
    return Row(
        name=name,
        least=min(figures),
        median=median,
        unit=unit,
        n=len(figures),
        ratio=median / statistics.median(beside) if beside else None,
        reference=reference,
        note=note,
    )


def percentile(figures: Iterable[float], share: float) -> float:
    """The figure below which `share` (0 to 1) of them lie."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(_cells(r) for r in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
    return (row.name, _short(row.least), _short(row.median), row.unit, str(row.n), ratio, row.reference, row.note)


def _short(figure: float) -> str:
    """Three digits that count."""
    return f"{figure:,.0f}" if abs(figure) >= 100 or figure == 0 else f"{figure:.3g}"
