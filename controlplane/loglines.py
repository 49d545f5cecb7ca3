"""What strangers can cause at will must not fill the disk: of each kind of log line only so many in a minute.

Errors are never left out. Installed by `__main__` on the one handler of the process.
"""

import logging

LINES_MAX = 600
"""Lines of one kind in a minute: more than all agents of a large cluster cause together when they come back."""

WINDOW_S = 60.0

KINDS_MAX = 1000
"""Kinds remembered. There are some dozens: a kind is what stands in the code, not what is put into it."""


class Sparing(logging.Filter):
    """Lets the first `LINES_MAX` lines of a kind through; the first of the next minute says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}
        """Kind -> when its minute began (wall seconds), lines since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if record.levelno >= logging.ERROR:
            return True
        kind = (record.name, str(record.msg))
        begun, count = self._seen.get(kind, (record.created, 0))
        if not 0 <= record.created - begun < WINDOW_S:
            if count > LINES_MAX:
                record.msg = f"{record.msg} (after {count - LINES_MAX} lines of this kind that were left out)"
            begun, count = record.created, 0
        if kind not in self._seen and len(self._seen) >= KINDS_MAX:
            self._seen.clear()
        self._seen[kind] = (begun, count + 1)
        return count < LINES_MAX
