"""Durable changes per second of the store: one caller, a hundred at once; beside plain SQLite on the same disk."""

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.row import Row, percentile, row
from benchmarks.sample import Sample
from controlplane.core.cluster import Changes
from controlplane.core.journal import Event
from controlplane.store.database import Database, open_database
from controlplane.store.folder import locked_folder

ONE = 500
MANY = 4000
CALLERS = 100
SLOW_ONE = 100
FSYNC_S = 0.01
"""What a slow disk takes for a commit, on top of what this one does."""


def measure(rounds: int = 5) -> list[Row]:
    """All rows; a change is one replica and one line of the journal."""
    with tempfile.TemporaryDirectory(prefix="rope-bench-", dir="/var/tmp") as folder:  # /tmp may be memory
        return asyncio.run(_measure(Path(folder), rounds))


async def _measure(path: Path, rounds: int) -> list[Row]:
    changes = _changes((ONE + MANY) * rounds + SLOW_ONE + MANY)
    one, many, plain, groups = [], [], [], []
    ones: list[float] = []
    manies: list[float] = []
    with locked_folder(path / "data") as folder:
        async with open_database(folder) as store:
            for number in range(rounds):
                plain.append(_plain(path / f"plain-{number}.db"))
                one.append(await _run(store, [changes.pop() for _ in range(ONE)], 1, ones))
                before = store.groups
                many.append(await _run(store, [changes.pop() for _ in range(MANY)], CALLERS, manies))
                groups.append(MANY / (store.groups - before))
            _slow_down(store)
            slow_one = [await _run(store, [changes.pop() for _ in range(SLOW_ONE)], 1, [])]
            slow_many = [await _run(store, [changes.pop() for _ in range(MANY)], CALLERS, [])]
    beside = "plain sqlite3, one thread"
    grouped = f"{sum(groups) / rounds:.0f} changes a transaction"
    return [
        row("store: commits, one caller", one, "1/s", beside=plain, reference=beside),
        row("store: one commit, p99", [percentile(ones, 0.99) * 1e3], "ms"),
        row(f"store: commits, {CALLERS} callers", many, "1/s", beside=plain, reference=beside, note=grouped),
        row(f"store: one commit of {CALLERS}, p99", [percentile(manies, 0.99) * 1e3], "ms"),
        row(
            f"store: commits, one caller, {FSYNC_S * 1e3:g} ms more for each", slow_one, "1/s", note="100 is the limit"
        ),
        row(f"store: commits, {CALLERS} callers, {FSYNC_S * 1e3:g} ms more for each transaction", slow_many, "1/s"),
    ]


def _changes(count: int) -> list[Changes]:
    sample = Sample(nodes=100, replicas=count)
    found = []
    for i in range(count):
        replica = sample.replica(i)
        line = Event(seq=i + 1, at=0.0, kind="replica.running", text=f"{replica.id} running", cause=i + 1)
        found.append(Changes(puts=[replica], events=[line]))
    return found


def _slow_down(store: Database) -> None:
    """From now on the writing thread sleeps before it commits."""
    writer = store._writer
    execute = writer.execute

    async def slow(sql: str, *values: Any) -> Any:
        if sql == "COMMIT":
            await writer._execute(time.sleep, FSYNC_S)  # type: ignore[no-untyped-call]  # aiosqlite gives its own call no types
        return await execute(sql, *values)

    writer.execute = slow  # type: ignore[method-assign,assignment]  # a slower disk is put under it


async def _run(store: Database, changes: list[Changes], callers: int, took: list[float]) -> float:
    """Commits per second; appends the seconds each took."""

    async def call() -> None:
        while changes:
            one = changes.pop()
            begun = time.perf_counter()
            await store.commit(one)
            took.append(time.perf_counter() - begun)

    count, begun = len(changes), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(call())
    return count / (time.perf_counter() - begun)


def _plain(path: Path) -> float:
    """Commits per second without us: the same settings, two rows of the same size."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)")
        begun = time.perf_counter()
        for i in range(ONE):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO t VALUES (?, ?)", [(2 * i, "x" * 400), (2 * i + 1, "x" * 100)])
            connection.execute("COMMIT")
        took = time.perf_counter() - begun
    connection.close()
    return ONE / took
