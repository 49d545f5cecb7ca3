"""`python -m controlplane`, which `rope center` starts: settings, socket, loop, exit code. Nothing else."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence

import uvloop

from controlplane import copying
from controlplane.app import run
from controlplane.listener import ListenError, listen
from controlplane.loglines import Sparing
from controlplane.settings import Settings, SettingsError, read_settings
from controlplane.store.store import StoreError

FAILED = 1
MISUSED = 2


def main(arguments: Sequence[str]) -> int:
    """Run the Center. Returns the exit code: 0 after a signal, 1 when it cannot run, 2 when started wrongly."""
    if arguments and arguments[0] in copying.COMMANDS:
        return copying.main(arguments, os.environ)
    _log_to_stderr()
    try:
        settings = read_settings(arguments, os.environ)
    except SettingsError as error:
        return _end(str(error), MISUSED)
    try:
        listener = listen(settings.host, settings.port)
    except ListenError as error:
        return _end(str(error), FAILED)
    with listener:
        return _run(settings, listener)


def _run(settings: Settings, listener: socket.socket) -> int:
    code = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings, listener))
    except* StoreError as group:
        code = _end("; ".join(sorted({str(error) for error in _leaves(group)})), FAILED)
    return code


def _leaves(group: BaseExceptionGroup[StoreError]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def _end(message: str, code: int) -> int:
    sys.stderr.write(f"rope center: {message}\n")
    return code


class _OneLine(logging.Formatter):
    """Text from the network cannot begin a log line of its own, nor steer a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in record.message)
        return super().formatMessage(record)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.addFilter(Sparing())
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("uvicorn", "websockets"):  # they tell of every socket
        logging.getLogger(name).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
