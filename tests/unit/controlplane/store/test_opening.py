"""A database that is damaged, newer or not ours is refused and keeps every byte."""

import sqlite3
from pathlib import Path

import pytest

from controlplane.core.cluster import Changes, Meta
from controlplane.store import opening
from controlplane.store.database import open_database
from controlplane.store.folder import DATABASE
from controlplane.store.opening import APPLICATION_ID, migrations
from controlplane.store.store import StoreRefused


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


async def refused(folder: Path, match: str) -> None:
    """Opening is refused with these words, and no file changes, comes or goes."""
    before = contents(folder)
    with pytest.raises(StoreRefused, match=match):
        async with open_database(folder):
            pass
    assert contents(folder) == before
    assert DATABASE in before


async def filled(folder: Path, rows: int = 200) -> Path:
    async with open_database(folder) as store:
        await store.commit(Changes(puts=[Meta(cluster="c1")]))
        for number in range(rows):
            await store.commit(Changes(puts=[Meta(cluster="c1", revision=number)]))
    return folder / DATABASE


async def test_a_new_folder_gets_a_private_database_of_todays_schema(tmp_path: Path) -> None:
    async with open_database(tmp_path) as store:
        assert await store.load() == (None, [])
    path = tmp_path / DATABASE
    assert path.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(migrations()),)
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


async def test_an_empty_file_counts_as_new(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    async with open_database(tmp_path) as store:
        assert await store.load() == (None, [])


async def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_text("Dear diary, " * 1000)
    await refused(tmp_path, "is not a database")


async def test_a_torn_header(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    path.write_bytes(b"\0" * 16 + path.read_bytes()[16:])
    await refused(tmp_path, "is not a database")


@pytest.mark.parametrize("page", [0, 1, 3])
async def test_a_damaged_page(tmp_path: Path, page: int) -> None:
    path = await filled(tmp_path)
    content = bytearray(path.read_bytes())
    start = page * 4096 + (100 if page == 0 else 0)
    content[start : start + 3000] = b"\xa5" * 3000
    path.write_bytes(content)
    await refused(tmp_path, "is damaged")


async def test_a_file_cut_short(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    path.write_bytes(path.read_bytes()[: 3 * 4096 + 100])
    await refused(tmp_path, "is damaged")


async def test_a_newer_schema(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    newer = len(migrations()) + 1
    db = sqlite3.connect(path)
    db.executescript(f"PRAGMA user_version = {newer}; CREATE TABLE wonders (x)")
    db.close()
    await refused(tmp_path, f"has schema {newer}, this version of Ropeteam knows up to {newer - 1}")


async def test_a_newer_schema_that_is_still_in_the_log(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("PRAGMA user_version = 99")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (DATABASE, f"{DATABASE}-wal"):  # as after a power loss
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    db.close()
    assert (copy / f"{DATABASE}-wal").stat().st_size > 0
    await refused(copy, "has schema 99")


async def test_a_database_of_another_program(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / DATABASE)
    db.executescript("CREATE TABLE bookmarks (url TEXT)")
    db.close()
    await refused(tmp_path, "of another program")


async def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("INSERT INTO nodes VALUES ('n1', '{\"name\": 5}')")
    db.close()
    async with open_database(tmp_path) as store:
        with pytest.raises(StoreRefused, match="a Node in the database cannot be read"):
            await store.load()


def test_migrations_are_numbered_without_a_gap_and_each_is_one_transaction() -> None:
    steps = migrations()
    assert [s.number for s in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        statements = [s.strip() for s in step.script.split(";")]
        assert any(s.endswith("BEGIN IMMEDIATE") for s in statements)
        assert f"PRAGMA user_version = {step.number}" in step.script
        assert statements[-2] == "COMMIT"


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await filled(tmp_path)
    known = migrations()
    number = len(known) + 1
    bad = opening.Migration(
        number,
        "bad.sql",
        f"BEGIN IMMEDIATE; CREATE TABLE a (x); CREATE TABLE a (y); PRAGMA user_version = {number}; COMMIT;",
    )
    monkeypatch.setattr(opening, "migrations", lambda: (*known, bad))
    with pytest.raises(StoreRefused, match="cannot bring"):
        async with open_database(tmp_path):
            pass
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (number - 1,)
    assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'a'").fetchone() == (0,)
    db.close()
