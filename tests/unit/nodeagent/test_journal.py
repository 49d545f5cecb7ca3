"""What survives on disk, and what a damaged disk does."""

import os
from pathlib import Path

import pytest

from nodeagent import journal as journal_module
from nodeagent.core.desired import DesiredState
from nodeagent.core.events import Memory
from nodeagent.core.tasks import FINISHED_MAX, TaskRecord
from nodeagent.journal import LINES_MAX, Journal
from tests.unit.nodeagent.core.made import a_want

MEMORY = Memory(
    desired=DesiredState(incarnation=2, revision=7, replicas=(a_want(port=80),)),
    boot_id="b",
    state_seq=9,
    removed=False,
)


def a_task(task: str = "t", *, done: bool = True) -> TaskRecord:
    return TaskRecord(task=task, kind="pull", state="done" if done else "accepted", deadline_at=1.0, image="i")


async def test_what_was_saved_is_found(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.save_memory(MEMORY)
    await journal.save_task(a_task(done=False))
    await journal.save_task(a_task())
    found = Journal(tmp_path).load()
    assert found.memory == MEMORY and found.tasks == (a_task(),) and found.troubles == ()
    assert [os.stat(tmp_path / name).st_mode & 0o777 for name in ("memory.json", "tasks.jsonl")] == [0o600, 0o600]


def test_an_empty_folder_is_a_beginning(tmp_path: Path) -> None:
    found = Journal(tmp_path).load()
    assert found.memory == Memory() and found.tasks == () and found.troubles == ()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
async def test_a_damaged_word_is_told_and_left_out(tmp_path: Path, damage: str) -> None:
    await Journal(tmp_path).save_memory(MEMORY)
    path = tmp_path / "memory.json"
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-20], "flipped": data.replace(b'"shop"', b'"shot"'), "empty": b""}[damage])
    found = Journal(tmp_path).load()
    assert found.memory == Memory() and "memory.json is damaged" in found.troubles[0]


async def test_a_torn_line_loses_only_itself(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.save_task(a_task("one"))
    with (tmp_path / "tasks.jsonl").open("ab") as file:
        file.write(b'{"task":"tw')
    journal = Journal(tmp_path)
    found = journal.load()
    assert [record.task for record in found.tasks] == ["one"] and "1 damaged" in found.troubles[0]
    await journal.save_task(a_task("three"))
    again = Journal(tmp_path).load()
    assert [record.task for record in again.tasks] == ["one", "three"] and again.troubles == ()


async def test_the_task_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeagent.disk.os.fsync", lambda _: None)
    journal = Journal(tmp_path)
    await journal.save_task(a_task("open", done=False))
    for n in range(LINES_MAX + 10):
        await journal.save_task(a_task(f"t{n}"))
    assert len((tmp_path / "tasks.jsonl").read_bytes().splitlines()) < FINISHED_MAX + 50
    tasks = [record.task for record in Journal(tmp_path).load().tasks]
    assert tasks[0] == "open" and tasks[-1] == f"t{LINES_MAX + 9}"


async def test_a_word_that_cannot_be_saved_does_not_leave_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    await journal.save_memory(MEMORY)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_module, "replace_file", full)
    with pytest.raises(OSError, match="No space"):
        await journal.save_memory(MEMORY)
    assert Journal(tmp_path).load().memory == Memory()


async def test_a_new_life_begins_empty(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.save_memory(MEMORY)
    await journal.save_task(a_task())
    journal.clear()
    assert Journal(tmp_path).load().tasks == () and Journal(tmp_path).load().memory == Memory()


async def test_a_full_disk_does_not_keep_the_agent_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Journal(tmp_path).save_task(a_task("one"))
    with (tmp_path / "tasks.jsonl").open("ab") as file:
        file.write(b'{"task":"tw')

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as while_full:
        while_full.setattr(journal_module, "replace_file", full)
        journal = Journal(tmp_path)
        found = journal.load()
    assert [record.task for record in found.tasks] == ["one"] and any("No space" in t for t in found.troubles)
    await journal.save_task(a_task("three"))
    assert [record.task for record in Journal(tmp_path).load().tasks] == ["one", "three"], "not glued to the torn line"


async def test_a_line_that_was_cut_off_by_a_full_disk_spoils_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)

    def torn(path: Path, line: bytes) -> None:
        with path.open("ab") as file:
            file.write(line[:9])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as while_full:
        while_full.setattr(journal_module, "append_line", torn)
        with pytest.raises(OSError, match="No space"):
            await journal.save_task(a_task("one", done=False))
    await journal.save_task(a_task("two"))
    await journal.save_task(a_task("one"))
    found = Journal(tmp_path).load()
    assert {record.task: record.state for record in found.tasks} == {"one": "done", "two": "done"}
