"""Last lines of containers: kept once, bounded in every direction, gone without harm when the file is damaged."""

import asyncio
from pathlib import Path

from controlplane.store.folder import TAILS
from controlplane.store.tails import COPIES_MAX, COPY_BYTES, PENDING_MAX, Tails
from protocol.messages import ContainerRef
from protocol.names import ReplicaId
from protocol.streams import Tail

WEB = ReplicaId("shop", "web", 1)


def line(second: int, text: str = "x") -> bytes:
    return f"o2026-11-22T20:{second // 60:02d}:{second % 60:02d}.000000000Z {text}\n".encode()


def tail(*lines: bytes, epoch: int = 1, replica: int = 1, ended: bool = False) -> Tail:
    target = ContainerRef(project="shop", service="web", replica=replica, epoch=epoch)
    return Tail(target=target, lines=b"".join(lines), ended=ended)


async def test_lines_are_appended_and_those_that_come_again_are_left_out(tmp_path: Path) -> None:
    tails = Tails(tmp_path)
    tails.keep("node-1", tail(line(1), line(2)))
    tails.keep("node-1", tail(line(2), line(3)))
    assert await tails.lines(WEB, 1) == line(1) + line(2) + line(3)
    tails.keep("node-1", tail(line(3), line(4), ended=True))
    assert await tails.lines(WEB, 1) == line(1) + line(2) + line(3) + line(4)
    (copy,) = await tails.copies("shop")
    assert (copy.replica, copy.epoch, copy.node, copy.ended) == (WEB, 1, "node-1", True)
    assert await tails.copies("shop", "db") == [] and await tails.copies("other") == []
    assert len(await tails.copies("shop", "web", 1)) == 1
    assert await tails.lines(WEB, 2) == b""


async def test_a_copy_a_replica_and_all_are_bounded(tmp_path: Path) -> None:
    tails = Tails(tmp_path, all_bytes=8 * COPY_BYTES)
    for epoch in range(1, COPIES_MAX + 3):
        tails.keep("node-1", tail(line(epoch, "y" * 1000), epoch=epoch))
    assert [c.epoch for c in await tails.copies("shop")] == list(range(3, COPIES_MAX + 3))
    for second in range(100):
        tails.keep("node-1", tail(line(second, "z" * 1000), epoch=9))
    kept = await tails.lines(WEB, 9)
    assert COPY_BYTES - 1100 < len(kept) <= COPY_BYTES and kept.endswith(line(99, "z" * 1000))
    for replica in range(2, 20):
        for second in range(100):
            tails.keep("node-1", tail(line(replica * 100 + second, "z" * 1000), replica=replica))
        await tails.copies("shop")
    copies = await tails.copies("shop")
    assert 5 <= len(copies) <= 9 and copies[-1].replica.index == 19, "the newest are kept"


async def test_what_was_told_is_on_disk_after_the_end(tmp_path: Path) -> None:
    tails = Tails(tmp_path)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(tails.run())
        await asyncio.sleep(0)
        tails.keep("node-1", tail(line(1)))
        running.cancel()
    again = Tails(tmp_path)
    assert await again.lines(WEB, 1) == line(1)
    assert (tmp_path / TAILS).stat().st_mode & 0o077 == 0, "logs may hold secrets"


async def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / TAILS).write_bytes(b"no database at all" * 1000)
    tails = Tails(tmp_path)
    tails.keep("node-1", tail(line(1)))
    assert await tails.lines(WEB, 1) == b""
    tails.keep("node-1", tail(line(2)))
    assert await tails.lines(WEB, 1) == line(2)


async def test_no_node_writes_into_what_another_one_said(tmp_path: Path) -> None:
    tails = Tails(tmp_path)
    tails.keep("node-1", tail(line(1)))
    tails.keep("node-2", tail(line(2)))
    assert await tails.lines(WEB, 1) == line(1)
    tails.keep("node-2", tail(line(3)))
    assert await tails.lines(WEB, 1) == line(1)


async def test_a_copy_that_nobody_knows_begins_no_lines_but_ends_them(tmp_path: Path) -> None:
    tails = Tails(tmp_path)
    tails.keep("node-1", tail(line(1), epoch=5), new=False)
    assert await tails.copies("shop") == []
    tails.keep("node-1", tail(line(1), epoch=5))
    await tails.copies("shop")
    tails.keep("node-1", tail(line(2), epoch=5, ended=True), new=False)
    assert await tails.lines(WEB, 5) == line(1) + line(2)


async def test_tails_beyond_what_may_wait_are_counted(tmp_path: Path) -> None:
    tails = Tails(tmp_path)
    for replica in range(1, PENDING_MAX + 3):
        tails.keep("node-1", tail(line(1), replica=replica))
    assert (tails.waiting, tails.dropped) == (PENDING_MAX, 2)
