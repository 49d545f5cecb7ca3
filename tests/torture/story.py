"""What happened in a run, in order, for whoever has to find out why it failed."""

import time
from collections import Counter, deque
from pathlib import Path

LINES_SHOWN = 150


class Story:
    """Lines with the seconds since the start. Kept whole in a file, the end of it in memory."""

    def __init__(self, path: Path) -> None:
        self.counts: Counter[str] = Counter()
        """How often each kind of thing happened."""
        self._begun = time.monotonic()
        self._file = path.open("w", buffering=1)
        self._last: deque[str] = deque(maxlen=LINES_SHOWN)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._begun

    def tell(self, kind: str, text: str) -> None:
        """One more line; `kind` is counted."""
        self.counts[kind] += 1
        line = f"{self.seconds:8.2f} {kind:<9} {text}"
        self._last.append(line)
        self._file.write(line + "\n")

    def tail(self) -> str:
        """The end of it."""
        return "\n".join(self._last)

    def close(self) -> None:
        """No more lines."""
        self._file.close()
