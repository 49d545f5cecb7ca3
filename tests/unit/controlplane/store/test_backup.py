"""A backup is whole and of one instant while the Center writes; it is restored into an empty folder or not at all."""

import asyncio
import gzip
import io
import shutil
import sqlite3
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from controlplane.core.cluster import Changes, Meta
from controlplane.core.journal import Event
from controlplane.store import backup
from controlplane.store.backup import MANIFEST, Abandoned, Manifest, NothingThere, file_name, write_backup
from controlplane.store.database import open_database
from controlplane.store.folder import BACKUPS, DATABASE, IDENTITY, LOCK
from controlplane.store.identity import open_identity
from controlplane.store.opening import APPLICATION_ID, migrations
from controlplane.store.restoring import read_manifest, restore_backup
from controlplane.store.store import StoreError, StoreFull, StoreRefused

TAKEN = 1_700_000_000.0


def an_event(seq: int) -> Event:
    return Event(seq=seq, at=1.0, kind="k.x", text="x" * 500, cause=seq)


def keyed(folder: Path) -> None:
    """A new data folder with a key."""
    folder.mkdir(mode=0o700)
    open_identity(folder, new_cluster=True)


async def filled(folder: Path, events: int = 10) -> Path:
    """A data folder of a Center that was used."""
    keyed(folder)
    async with open_database(folder) as store:
        await store.commit(Changes(puts=[Meta(cluster="c1", event_seq=events, task_seq=7)]))
        await store.commit(Changes(events=[an_event(seq) for seq in range(1, events + 1)]))
    return folder


def save(data: Path, file: Path) -> Manifest:
    return write_backup(data, file, TAKEN, "9.9")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {LOCK} if folder.exists() else set()


async def test_a_backup_restored_is_the_same_cluster_with_more_authority_that_adopts(tmp_path: Path) -> None:
    data, file, new = await filled(tmp_path / "data"), tmp_path / "b.tar.gz", tmp_path / "new"
    made = save(data, file)
    assert (made.cluster, made.incarnation, made.schema, made.version) == ("c1", 1, len(migrations()), "9.9")
    assert file.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == {"data", "b.tar.gz"}, "nothing is left beside it"
    assert await asyncio.to_thread(restore_backup, file, new) == made == read_manifest(file)
    assert {path.name: path.stat().st_mode & 0o777 for path in new.iterdir()} == dict.fromkeys(
        (DATABASE, IDENTITY, LOCK), 0o600
    )
    assert open_identity(new, new_cluster=False).fingerprint == open_identity(data, new_cluster=False).fingerprint
    async with open_database(new) as store:
        meta, _ = await store.load()
        assert meta is not None and (meta.cluster, meta.incarnation, meta.adopting) == ("c1", 2, True)
        assert meta.task_seq > 7 + 1000, "numbers that were given out since are not given out again"
        assert len(await store.events(0, 1000)) == 10


async def test_it_is_of_one_instant_while_the_center_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "STEP_PAGES", 1)
    data, file = await filled(tmp_path / "data", 300), tmp_path / "b.tar.gz"
    async with open_database(data) as store:
        saving = asyncio.ensure_future(asyncio.to_thread(save, data, file))
        seq = 300
        while not saving.done():
            seq += 1
            meta = Meta(cluster="c1", event_seq=seq)
            await store.commit(Changes(puts=[meta], events=[an_event(seq)]))
        await saving
        assert seq > 301, "it was written to meanwhile"
    await asyncio.to_thread(restore_backup, file, tmp_path / "new")
    with sqlite3.connect(tmp_path / "new" / DATABASE) as db:
        (last,) = db.execute("SELECT max(seq) FROM events").fetchone()
        body = db.execute("SELECT body FROM meta").fetchone()[0]
    db.close()
    skipped = 10_000
    assert msgspec.json.decode(body, type=Meta).event_seq - skipped == last, "meta and journal are of the same commit"


async def test_the_writer_does_not_wait_for_a_backup_when_it_writes_its_log_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controlplane.store.database.WAL_MAX", 0)
    data = await filled(tmp_path / "data")
    reading = sqlite3.connect(data / DATABASE, isolation_level=None)
    reading.execute("BEGIN")
    reading.execute("SELECT * FROM meta").fetchone()
    async with open_database(data) as store, asyncio.timeout(2.0):
        for seq in range(11, 15):
            await store.commit(Changes(events=[an_event(seq)]))
    reading.close()


async def test_what_nobody_wants_any_more_leaves_nothing(tmp_path: Path) -> None:
    data = await filled(tmp_path / "data")
    with pytest.raises(Abandoned):
        write_backup(data, tmp_path / "b.tar.gz", TAKEN, "9.9", lambda: False)
    assert names(tmp_path) == {"data"}


async def test_nothing_to_back_up_no_room_and_no_right_to_write_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NothingThere):
        save(tmp_path, tmp_path / "b.tar.gz")
    async with open_database(tmp_path):
        with pytest.raises(NothingThere):
            save(tmp_path, tmp_path / "b.tar.gz")
    data = await filled(tmp_path / "data")
    with pytest.raises(StoreError, match="cannot write"):
        save(data, data)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(StoreFull, match="no room"):
        save(data, tmp_path / "b.tar.gz")


async def refused(file: Path, folder: Path, match: str) -> None:
    """Restoring is refused with these words, and the folder is as it was."""
    before = names(folder)
    with pytest.raises(StoreRefused, match=match):
        await asyncio.to_thread(restore_backup, file, folder)
    assert names(folder) == before


async def test_only_into_an_empty_folder(tmp_path: Path) -> None:
    data, file = await filled(tmp_path / "data"), tmp_path / "b.tar.gz"
    save(data, file)
    await refused(file, data, "not empty")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").touch()
    await refused(file, tmp_path / "other", "not empty")


def packed(manifest: Any, **files: bytes) -> bytes:
    """An archive of these."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in {MANIFEST: msgspec.json.encode(manifest), **files}.items():
            entry = tarfile.TarInfo(name.replace("_", "."))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


async def test_what_is_no_backup_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    data, file, new = await filled(tmp_path / "data"), tmp_path / "b.tar.gz", tmp_path / "new"
    made = msgspec.to_builtins(save(data, file))
    whole = file.read_bytes()
    key, database = (data / IDENTITY).read_bytes(), b"x" * made["files"][DATABASE]["bytes"]
    cases = {
        "no backup": b"Dear diary",
        "cannot restore|no backup": whole[: len(whole) // 2],
        "does not begin": gzip.compress(b"\0" * 10240),
        "is newer": packed(made | {"format": 2}),
        "cannot be read": packed({"format": 1}),
        "is missing": packed(made, identity_key=key),
        "not as its manifest says": packed(made, identity_key=key, center_db=database),
        "'center.db' is not as": packed(made, identity_key=key, center_db=database + b"x"),
        "'passwd' is not as": packed(made, passwd=b"x"),
        "not whole: identity.key": packed(made | {"files": {DATABASE: made["files"][DATABASE]}}),
        "not whole: ../x": packed(made | {"files": made["files"] | {"../x": made["files"][DATABASE]}}),
    }
    for match, content in cases.items():
        file.write_bytes(content)
        await refused(file, new, match)
    with pytest.raises(StoreRefused, match="no backup"):
        read_manifest(tmp_path / "nothing")
    file.write_bytes(whole)
    await asyncio.to_thread(restore_backup, file, new)


async def test_a_backup_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    data, file = await filled(tmp_path / "data"), tmp_path / "b.tar.gz"
    with sqlite3.connect(data / DATABASE) as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    save(data, file)
    await refused(file, tmp_path / "new", "schema 9999")


async def test_no_room_to_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, file = await filled(tmp_path / "data"), tmp_path / "b.tar.gz"
    save(data, file)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    await refused(file, tmp_path / "new", "no room")


@pytest.mark.parametrize("schema", range(1, len(migrations())))
async def test_a_former_schema_is_kept_in_a_backup_before_it_is_migrated(tmp_path: Path, schema: int) -> None:
    data = tmp_path / "data"
    keyed(data)
    with sqlite3.connect(data / DATABASE) as db:
        for step in migrations()[:schema]:
            db.executescript(step.script)
        db.execute('INSERT INTO meta (id, body) VALUES (1, \'{"cluster": "old"}\')')
    db.close()
    async with open_database(data) as store:
        assert await store.load() == (Meta(cluster="old"), [])
    kept = data / BACKUPS / f"schema-{schema}-before-{len(migrations())}.tar.gz"
    assert (read_manifest(kept).schema, read_manifest(kept).cluster) == (schema, "old")
    await asyncio.to_thread(restore_backup, kept, tmp_path / "back")
    with sqlite3.connect(tmp_path / "back" / DATABASE) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema,)
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    db.close()


async def test_what_cannot_be_backed_up_is_not_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.executescript(migrations()[0].script)
        db.execute('INSERT INTO meta (id, body) VALUES (1, \'{"cluster": "old"}\')')
    db.close()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(StoreRefused, match=r"not migrated.*no room"):
        async with open_database(tmp_path):
            pass
    with sqlite3.connect(tmp_path / DATABASE) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


def test_names_sort_by_age() -> None:
    found = [file_name(TAKEN + day * 86_400) for day in range(400)]
    assert found == sorted(found) and found[0] == "ropeteam-20231114T221320Z.tar.gz"
