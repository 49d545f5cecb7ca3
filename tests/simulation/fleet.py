"""Many seeds on all cores, and what they came to in one line: for `make simulate` and long runs."""

import gc
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import msgspec

from tests.simulation import ledger
from tests.simulation.outcome import Counts, Violation
from tests.simulation.readings import INVARIANTS
from tests.simulation.scenario import scenario
from tests.simulation.story import told
from tests.simulation.world import World


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one seed. `story`: "" = every invariant held."""

    seed: int
    counts: Counts
    cpu_s: float
    story: str = ""


def run_one(seed: int, minutes: float) -> Run:
    """Play one seed."""
    began, story = time.process_time(), ""
    world = World(scenario(seed, minutes))
    gc.disable()  # a run makes little garbage in cycles, and all of it goes with the world
    try:
        world.run()
    except Violation as violation:
        story = told(world.scenario, violation, 40)
    gc.enable()
    return Run(seed=seed, counts=world.counts, cpu_s=time.process_time() - began, story=story)


def run_all(seeds: Iterable[int], minutes: float, jobs: int) -> int:
    """Play them, print the stories of those that fail and the totals; gives the number of violations."""
    began = time.monotonic()
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        runs = _played(pool, seeds, minutes)
    failed = sum(bool(run.story) for run in runs)
    counts = [run.counts for run in runs]
    hours = sum(c.seconds for c in counts) / 3600.0
    print(
        f"{len(runs)} seeds, {hours:,.1f} simulated hours: {sum(c.events for c in counts):,} events, "
        f"{sum(c.faults for c in counts):,} faults, {sum(c.acts for c in counts):,} commands of people, "
        f"{sum(c.commits for c in counts):,} commits, {sum(c.starts for c in counts):,} starts of containers; "
        f"{sum(run.cpu_s for run in runs):,.0f} CPU seconds, {time.monotonic() - began:,.0f} s; {failed} violations "
        f"of {' '.join(INVARIANTS)}"
    )
    return failed


def run_recorded(seeds: range, minutes: float, jobs: int, file: Path) -> int:
    """As `run_all`, slice by slice, each written down when it is over; slices that are in the file are not played."""
    commit = ledger.commit_here()
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        for part in ledger.left(seeds, ledger.read(file), minutes):
            runs = _played(pool, part, minutes)
            ledger.append(file, _slice(part, minutes, commit, runs))
    print(ledger.told(ledger.read(file)))
    return sum(len(s.violations) for s in ledger.read(file))


def _played(pool: ProcessPoolExecutor, seeds: Iterable[int], minutes: float) -> list[Run]:
    runs = []
    for run in pool.map(run_one, seeds, repeat(minutes)):
        runs.append(run)
        if run.story:
            print(run.story, flush=True)
    return runs


def _slice(seeds: range, minutes: float, commit: str, runs: Sequence[Run]) -> ledger.Slice:
    counts = [run.counts for run in runs]
    return ledger.Slice(
        first=seeds.start,
        seeds=len(seeds),
        minutes=minutes,
        commit=commit,
        hours=sum(c.seconds for c in counts) / 3600.0,
        events=sum(c.events for c in counts),
        faults=sum(c.faults for c in counts),
        acts=sum(c.acts for c in counts),
        commits=sum(c.commits for c in counts),
        starts=sum(c.starts for c in counts),
        cpu_s=round(sum(run.cpu_s for run in runs), 1),
        violations=tuple(run.story.partition("\n")[0][:400] for run in runs if run.story),
    )
