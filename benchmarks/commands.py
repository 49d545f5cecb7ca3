"""How long the command line takes: `rope --help`, `rope ps` against a Center with replicas to list."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.center import TOKEN, center
from benchmarks.row import Row, row

REPLICAS = 100


def measure(runs: int = 7) -> list[Row]:
    """All rows; each round runs every command once, so that they share the machine's moods."""
    python, click, shown, listed = [], [], [], []
    with center(10, REPLICAS) as ours:
        ours.child.rss()
        for _ in range(runs):
            python.append(_ms(["-c", "pass"]))
            click.append(_ms(["-c", "import click"]))
            shown.append(_ms(["-m", "ropeteam", "--help"]))
            listed.append(_ms(["-m", "ropeteam", "--url", ours.url, "ps"]))
    return [
        row("cli: python -c pass", python, "ms"),
        row("cli: rope --help", shown, "ms", beside=click, reference="python -c 'import click'"),
        row(f"cli: rope ps, {REPLICAS} replicas", listed, "ms", beside=click, reference="python -c 'import click'"),
    ]


def _ms(arguments: Sequence[str]) -> float:
    """Milliseconds from start to end. Raises CalledProcessError when it fails."""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, env=os.environ | {"ROPE_TOKEN": TOKEN}
    )
    return (time.perf_counter() - begun) * 1e3
