"""The lines of removed containers: kept, bounded, the oldest go."""

import os
from pathlib import Path

from nodeagent.ring import FILE_BYTES, Ring
from protocol.messages import ContainerRef


def ref(replica: int, service: str = "web") -> ContainerRef:
    return ContainerRef(project="shop", service=service, replica=replica, epoch=1)


def test_what_was_kept_is_read_and_nothing_else(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "logs")
    assert ring.read(ref(1)) is None
    ring.keep(ref(1), b"oone\notwo\n")
    ring.keep(ref(1, "web.1"), b"oother\n")
    assert ring.read(ref(1)) == b"oone\notwo\n"
    assert ring.read(ref(1), 1) == b"otwo\n"
    assert ring.read(ref(11)) is None
    assert (tmp_path / "logs").stat().st_mode & 0o077 == 0, "logs may hold secrets"


def test_a_file_keeps_its_end(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.keep(ref(1), b"oline\n" * FILE_BYTES)
    kept = ring.read(ref(1))
    assert kept is not None and FILE_BYTES - 10 < len(kept) <= FILE_BYTES and kept.startswith(b"oline\n")


def test_the_oldest_file_goes_when_there_is_too_much(tmp_path: Path) -> None:
    ring = Ring(tmp_path, ring_bytes=250)
    for number in range(1, 5):
        ring.keep(ref(number), b"o" + b"x" * 98 + b"\n")
        for age, path in enumerate(sorted(tmp_path.iterdir())):
            os.utime(path, (age, age))
    assert [ring.read(ref(number)) is not None for number in range(1, 5)] == [False, False, True, True]
