"""Adds up a pull's progress over its layers. Pure; used by `LocalDocker.pull`."""

import msgspec

from nodeagent.core.container import PullProgress

_DOWNLOADED = frozenset({"Download complete", "Verifying Checksum", "Extracting", "Pull complete"})


class _Detail(msgspec.Struct, frozen=True):
    current: int = 0
    total: int = 0


class _Failure(msgspec.Struct, frozen=True):
    message: str = ""


class PullLine(msgspec.Struct, frozen=True, rename="camel"):
    """One line of `POST /images/create`."""

    status: str = ""
    id: str = ""
    progress_detail: _Detail | None = None
    error: str = ""
    error_detail: _Failure | None = None

    @property
    def failure(self) -> str:
        """Why the pull failed, "" when this line is no error."""
        return (self.error_detail.message if self.error_detail else "") or self.error


class PullSum:
    """Downloaded bytes and sizes of the layers seen so far; a layer's size is known once its download begins."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}

    def add(self, line: PullLine) -> PullProgress:
        """Count one line; gives the sum so far."""
        done, total = self._layers.get(line.id, (0, 0))
        detail = line.progress_detail or _Detail()
        if line.status == "Downloading":
            total = max(total, detail.total)
            self._layers[line.id] = (max(done, min(detail.current, total or detail.current)), total)
        elif line.status in _DOWNLOADED and total:
            self._layers[line.id] = (total, total)
        return PullProgress(
            done=sum(done for done, _ in self._layers.values()),
            total=sum(max(done, total) for done, total in self._layers.values()),
        )
