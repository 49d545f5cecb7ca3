"""What long runs came to: one JSON line for each slice of seeds, so that a run can stop at any time and go on later.

Slices may have run on different commits; each line names its own. Written and summed up by `fleet`.
"""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

SLICE = 50
"""Seeds in one line."""


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Seeds `first` … `first + seeds - 1`, what they came to, and the first line of each failure's story."""

    first: int
    seeds: int
    minutes: float
    commit: str
    hours: float
    events: int
    faults: int
    acts: int
    commits: int
    starts: int
    cpu_s: float
    violations: tuple[str, ...] = ()


def commit_here() -> str:
    """The commit that is being run, `-dirty` when files differ from it; "" outside a repository."""
    asked = subprocess.run(
        ("git", "describe", "--always", "--dirty"),
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()


def read(file: Path) -> list[Slice]:
    """All lines, oldest first; none when there is no file."""
    if not file.exists():
        return []
    return [msgspec.json.decode(line, type=Slice) for line in file.read_bytes().splitlines()]


def append(file: Path, slice_: Slice) -> None:
    """Add a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as out:
        out.write(msgspec.json.encode(slice_) + b"\n")


def left(seeds: range, done: Iterable[Slice], minutes: float) -> Iterator[range]:
    """The slices of `seeds` that are not among those `done`."""
    known = {(s.first, s.minutes) for s in done}
    for first in range(seeds.start, seeds.stop, SLICE):
        if (first, minutes) not in known:
            yield range(first, min(first + SLICE, seeds.stop))


def told(slices: Iterable[Slice]) -> str:
    """Their sum in one line, and every violation in a line of its own."""
    every = list(slices)
    commits = sorted({s.commit for s in every})
    return "\n".join(
        (
            f"{sum(s.seeds for s in every):,} seeds, {sum(s.hours for s in every):,.1f} simulated hours: "
            f"{sum(s.events for s in every):,} events, {sum(s.faults for s in every):,} faults, "
            f"{sum(s.acts for s in every):,} commands of people, {sum(s.commits for s in every):,} commits, "
            f"{sum(s.starts for s in every):,} starts of containers; {sum(s.cpu_s for s in every):,.0f} CPU seconds; "
            f"{sum(len(s.violations) for s in every)} violations; commits {', '.join(commits)}",
            *(f"  at {s.commit}: {text}" for s in every for text in s.violations),
        )
    )
