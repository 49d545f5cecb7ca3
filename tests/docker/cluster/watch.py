"""Looks at something again and again beside a test, so that what must hold "at every moment" can be judged after."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Watching(Generic[T]):
    """`with Watching(look) as seen: …` calls `look` all the while; `seen.values` are its answers, oldest first.

    An error of `look` is raised at the end.
    """

    def __init__(self, look: Callable[[], T], pause_s: float = 0.1) -> None:
        self.values: list[T] = []
        self._look = look
        self._pause_s = pause_s
        self._done = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watching[T]":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(30)
        if self._error is not None and error is None:
            raise self._error

    def _watch(self) -> None:
        try:
            while not self._done.is_set():
                self.values.append(self._look())
                time.sleep(self._pause_s)
        except Exception as error:  # noqa: BLE001 it belongs to the test, not to this thread
            self._error = error
