"""Commits are durable, whole, grouped when busy, and fail as one; whatever the caller does meanwhile."""

import asyncio
import itertools
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controlplane.core.cluster import Changes, Meta
from controlplane.core.journal import Event
from controlplane.core.node import Node
from controlplane.core.project import Project
from controlplane.store import database
from controlplane.store.database import Database, open_database
from controlplane.store.folder import DATABASE
from controlplane.store.store import EVENTS_MAX, StoreBroken, StoreError, StoreFull


def node(name: str, address: str = "10.0.0.1") -> Node:
    return Node(name=name, agent_id=f"agent of {name}", public_key="", address=address, registered_at=1.0)


def event(seq: int, project: str = "", on: str = "", cause: int = 0) -> Event:
    return Event(seq=seq, at=seq, kind="k.x", text=f"event {seq}", cause=cause or seq, project=project, node=on)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path) as opened:
        yield opened


async def nodes(store: Database) -> set[str]:
    return {r.name for r in (await store.load())[1] if isinstance(r, Node)}


async def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    async with open_database(tmp_path) as store:
        await store.commit(Changes(puts=[Meta(cluster="c1", event_seq=1), node("a"), node("b")], events=[event(1)]))
        await store.commit(Changes(puts=[node("a", "10.0.0.9")], drops=[node("b")]))
        await store.set_admin_token_hash("hash")
    async with open_database(tmp_path) as store:
        assert await store.load() == (Meta(cluster="c1", event_seq=1), [node("a", "10.0.0.9")])
        assert await store.events(0, 10) == (event(1),)
        assert await store.admin_token_hash() == "hash"


async def test_an_unknown_token_is_empty(store: Database) -> None:
    assert await store.admin_token_hash() == ""


async def test_events_are_paged_and_filtered(store: Database) -> None:
    given = (event(1, "shop", "n1"), event(2, "blog", "n1", cause=1), event(3, "shop", "n2", cause=1), event(4))
    await store.commit(Changes(events=list(given)))
    assert await store.events(0, 2) == given[:2]
    assert await store.events(2, 10) == given[2:]
    assert await store.events(0, 10, project="shop") == (given[0], given[2])
    assert await store.events(0, 10, node="n1") == given[:2]
    assert await store.events(0, 10, cause=1) == given[:3]
    assert await store.events(0, 10, project="shop", node="n2", cause=1) == (given[2],)
    assert await store.events(0, 10, project="shop", node="n2", cause=4) == ()
    assert await store.events(0, -5) == ()


async def test_an_answer_has_a_most(store: Database) -> None:
    await store.commit(Changes(events=[event(n) for n in range(1, EVENTS_MAX + 3)]))
    assert len(await store.events(0, 10**9)) == EVENTS_MAX


async def test_commits_that_wait_go_in_one_transaction_and_in_order(store: Database) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(100):
            tasks.create_task(store.commit(Changes(puts=[node("a", str(number)), node(f"n{number}")])))
    assert len(await nodes(store)) == 101
    assert node("a", "99") in (await store.load())[1], "the last one asked is the last one written"
    assert store.groups <= 3


async def test_one_that_cannot_be_written_does_not_take_its_group_with_it(store: Database) -> None:
    await store.commit(Changes(events=[event(1)]))
    async with asyncio.TaskGroup() as tasks:
        good = [tasks.create_task(store.commit(Changes(puts=[node(f"n{n}")]))) for n in range(3)]
        bad = tasks.create_task(expect(store.commit(Changes(puts=[node("lost")], events=[event(1)]))))
        good.append(tasks.create_task(store.commit(Changes(puts=[node("n3")]))))
    assert isinstance(bad.result(), sqlite3.IntegrityError)
    assert await nodes(store) == {"n0", "n1", "n2", "n3"}


async def expect(commit: "asyncio.Future[None] | object") -> BaseException | None:
    try:
        await commit  # type: ignore[misc]  # what was kept to be awaited late
    except (StoreError, sqlite3.Error) as error:
        return error
    return None


async def test_a_cancelled_caller_leaves_no_transaction_open(store: Database) -> None:
    for turns in range(12):  # cancel at every point of the way
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(
                store.commit(
                    Changes(
                        puts=[node(f"n{turns}"), Project(code=f"p{turns}", revision=1, last_revision=1, created_at=1.0)]
                    )
                )
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        await store.commit(Changes(puts=[node("after", str(turns))]))
        _, records = await store.load()
        names = {r.name for r in records if isinstance(r, Node)}
        codes = {r.code for r in records if isinstance(r, Project)}
        assert (f"n{turns}" in names) == (f"p{turns}" in codes), "both or neither"
        assert node("after", str(turns)) in records


async def test_nothing_to_write_is_no_transaction(store: Database) -> None:
    await store.commit(Changes())
    assert store.groups == 0


async def test_readers_do_not_see_half_a_transaction_and_cannot_write(store: Database) -> None:
    reader = store._reader
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await reader.execute("DELETE FROM nodes")


async def test_a_full_disk_fails_the_commit_as_a_whole_and_later_ones_work(store: Database) -> None:
    await store.commit(Changes(puts=[node("a")]))
    ((pages,),) = await store._writer.execute_fetchall("PRAGMA page_count")
    await store._writer.execute(f"PRAGMA max_page_count = {pages}")
    big = [node(f"big{n}", "x" * 4000) for n in range(50)]
    with pytest.raises(StoreFull, match="disk with the Center's data is full"):
        await store.commit(Changes(puts=[node("b"), *big]))
    assert await nodes(store) == {"a"}, "reads go on, nothing is half applied"
    await store._writer.execute("PRAGMA max_page_count = 100000")
    await store.commit(Changes(puts=[node("b"), *big]))
    assert len(await nodes(store)) == 52


async def test_a_locked_database_is_full_for_now(tmp_path: Path) -> None:
    async with open_database(tmp_path) as store:
        await store._writer.execute("PRAGMA busy_timeout = 50")
        other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFull, match="another program locks"):
            await store.commit(Changes(puts=[node("a")]))
        other.execute("ROLLBACK")
        other.close()
        await store.commit(Changes(puts=[node("a")]))
        assert await nodes(store) == {"a"}


async def test_the_log_is_written_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAL_MAX", 50_000)
    wal = tmp_path / f"{DATABASE}-wal"
    async with open_database(tmp_path) as store:
        sizes = []
        for number in range(100):
            await store.commit(Changes(puts=[node("a", str(number))]))
            sizes.append(size(wal))
    shrunk = sum(after < before for before, after in itertools.pairwise(sizes))
    assert max(sizes[1:]) < 130_000 and shrunk >= 3, "the first one still holds the making of the tables"


def size(path: Path) -> int:
    return path.stat().st_size


async def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    async with open_database(tmp_path) as store:
        pass
    with pytest.raises(StoreBroken, match="closed"):
        await store.commit(Changes(puts=[node("a")]))


_WRITER = """
import asyncio, sys
from pathlib import Path
from controlplane.core.cluster import Changes, Meta
from controlplane.core.journal import Event
from controlplane.store.database import open_database
async def main():
    async with open_database(Path(sys.argv[1])) as store:
        for seq in range(1, 1_000_000):
            event = Event(seq=seq, at=0.0, kind="k", text="x" * 500, cause=seq)
            await store.commit(Changes(puts=[Meta(cluster="c", event_seq=seq)], events=[event]))
            print(seq, flush=True)
asyncio.run(main())
"""


def write_until_killed(folder: Path, after: int) -> int:
    """Commit in a process of its own, end it with SIGKILL; returns the last commit that was acknowledged."""
    acknowledged = 0
    with subprocess.Popen([sys.executable, "-c", _WRITER, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged == after:
                process.kill()
    return acknowledged


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    for round_number in range(3):
        folder = tmp_path / str(round_number)
        folder.mkdir()
        acknowledged = write_until_killed(folder, after=40 + 7 * round_number)
        async with open_database(folder) as store:
            meta, _ = await store.load()
            events = await store.events(0, EVENTS_MAX)
        assert meta is not None and meta.event_seq >= acknowledged >= 40
        assert [e.seq for e in events] == list(range(1, meta.event_seq + 1)), "whole transactions only"


_LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from controlplane.core.cluster import Changes, Meta
from controlplane.store.database import open_database
from controlplane.store.store import StoreBroken
async def main():
    async with open_database(Path(sys.argv[1])) as store:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        for seq in range(1, 1000):
            try:
                await store.commit(Changes(puts=[Meta(cluster="c", event_seq=seq)]))
            except StoreBroken as error:
                print("told:", error, flush=True)
                await asyncio.sleep(10)
                print("not ended", flush=True)
            print(seq, flush=True)
asyncio.run(main())
"""


def write_to_a_limit(folder: Path) -> "subprocess.CompletedProcess[str]":
    command: list[str | Path] = [sys.executable, "-c", _LIMITED, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


async def test_an_io_error_is_told_and_ends_the_process(tmp_path: Path) -> None:
    done = await asyncio.to_thread(write_to_a_limit, tmp_path)
    *numbers, told = done.stdout.splitlines()
    assert told.startswith("told: the database failed") and done.returncode != 0
    assert "StoreBroken" in done.stderr
    async with open_database(tmp_path) as store:
        meta, _ = await store.load()
    assert meta is not None and meta.event_seq == int(numbers[-1])
