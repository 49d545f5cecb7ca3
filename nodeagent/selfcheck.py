"""Answers "ok" at a socket in the data folder, so that a health check sees that the event loop turns.

Says nothing of the Center or of Docker: an agent that waits for them is well. Run by `app`; `deploy/health.py` asks.
"""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

SOCKET = "health.sock"
ANSWER = b"ok\n"

log = logging.getLogger(__name__)


async def answer_checks(folder: Path) -> None:
    """Answer until cancelled. Where there can be no socket (a long path, a full disk), that is logged."""
    path = folder / SOCKET
    try:
        with suppress(FileNotFoundError):
            path.unlink()  # of an agent that was killed; the folder's lock says that it is gone
        server = await asyncio.start_unix_server(_answer, path)
        path.chmod(0o600)
    except (OSError, ValueError) as error:
        log.warning("no health checks at %s: %s", path, error)
        return
    async with server:
        await server.serve_forever()


async def _answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.write(ANSWER)
        await writer.drain()
    writer.close()
