"""The benchmarks run: a real Center process and simulated agents, for two seconds."""

from pathlib import Path

from benchmarks import heartbeat
from benchmarks.results import record
from benchmarks.row import Row, row, table


def test_heartbeats_of_five_agents_are_measured_and_write_nothing_to_the_disk() -> None:
    rows = {r.name: r for r in heartbeat.measure(agents=5, window_s=2.0, rounds=1)}
    cost = rows["heartbeat: Center CPU, 5 agents"]
    assert 1.0 < cost.median < 10_000.0
    assert cost.ratio is not None
    assert rows["heartbeat: disk writes"].median == 0.0  # `measure` raises when it is not, and when no write is seen
    assert rows["heartbeat: Center in all"].median > 10.0
    assert table(rows.values()).count("\n") == len(rows) + 2


def test_a_recorded_part_takes_the_place_of_its_former_one_and_of_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    file.write_text("# Measured\n\n## What it must show\n\nkept\n")
    for name, figure in (("core", 1.0), ("store", 2.0), ("core", 3.0), ("store", 4.0)):
        record(name, [_figure(name, figure)], busy=0.0, file=file)
    file.write_text(file.read_text() + "\n## Later\n\nkept too\n")
    record("core", [_figure("core", 5.0)], busy=0.0, file=file)
    text = file.read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Measured",
        "## What it must show",
        "## Costs",
        "### core",
        "### store",
        "## Later",
    ]
    assert "kept\n" in text and "kept too\n" in text
    assert [line.split(" | ")[:2] for line in text.splitlines() if "figure" in line] == [
        ["| core figure", "5"],
        ["| store figure", "4"],
    ]


def _figure(name: str, figure: float) -> Row:
    return row(f"{name} figure", [figure], "s")
