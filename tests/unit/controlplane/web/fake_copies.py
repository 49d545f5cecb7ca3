"""Backups for tests of the web ring: of what the test says, or none for a reason."""

import io
from typing import IO

from controlplane.store.backup import Manifest

MANIFEST = Manifest(format=1, cluster="c1", incarnation=1, schema=3, taken_at=1_700_000_000.0, version="0", files={})


class FakeCopies:
    """`fault`: raised instead."""

    def __init__(self) -> None:
        self.content = b"a backup"
        self.fault: Exception | None = None
        self.given: list[IO[bytes]] = []

    async def download(self) -> tuple[IO[bytes], Manifest]:
        """See `Copies.download`."""
        if self.fault is not None:
            raise self.fault
        self.given.append(io.BytesIO(self.content))
        return self.given[-1], MANIFEST
