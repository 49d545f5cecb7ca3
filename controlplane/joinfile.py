"""A join token in a file, for an agent on the Center's own machine: nobody has to carry it from one to the other.

Written anew at each start, for one use within the hour. Run by `app` when the operator named a file (`--join-file`).
"""

import asyncio
import logging
import os
from pathlib import Path

from controlplane.core.record import Refused
from controlplane.web.door import Door
from controlplane.web.tokens import new_ticket

TTL_S = 3600.0

_log = logging.getLogger(__name__)


async def offer(door: Door, file: Path) -> None:
    """Make a join token and put it into `file`, mode 0600. What goes wrong is logged: the Center does without."""
    token, command = new_ticket(door.settings.fingerprint, "", TTL_S, "join file")
    try:
        await door.controller.ask(command)
        await asyncio.to_thread(_write, file, f"{token}\n")
    except (Refused, OSError) as error:
        _log.error("no join token in %s: %s", file, error)


def _write(file: Path, text: str) -> None:
    """Whole or not at all: an agent may read it at any moment."""
    beside = file.with_name(f"{file.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
    beside.replace(file)
