"""`python -m nodeagent`: reads the options, sets up the log, runs the agent. Exit codes: 0 stopped by a signal, 1 could
not start or join, 2 options that cannot be obeyed.
"""

import logging
import os
import sys
from collections.abc import Sequence

import uvloop

from nodeagent.app import serve
from nodeagent.host import FolderBusy
from nodeagent.housing import HousingError
from nodeagent.identity import IdentityError
from nodeagent.register import JoinRefused
from nodeagent.settings import SettingsError, read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent until a signal; gives the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)
    failed = 0
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments, os.environ)
        uvloop.run(serve(settings))
    except* (SettingsError, HousingError) as errors:
        failed = _tell(errors, 2)
    except* (FolderBusy, IdentityError, JoinRefused, OSError) as errors:
        failed = _tell(errors, 1)
    return failed


def _tell(errors: BaseExceptionGroup[BaseException], code: int) -> int:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    sys.stderr.write(f"rope agent: {error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
