"""How long to wait before asking the Center again: full jitter with a cap, and the Center's own wish (DESIGN §3.7)."""

import random  # noqa: TID251  the edge: agents that lost the Center together must not come back together
from collections.abc import Callable

FIRST_S = 0.5
CAP_S = 8.0
WISH_MIN_S = 0.5
WISH_MAX_S = 300.0
SETTLED_S = 10.0
"""A session that lasted so long was one; those that break sooner are failures, also after a welcome."""


def full_jitter_s(failures: int) -> float:
    """Anything from 0 to 0.5 s, 1 s, 2 s … 8 s after so many failures in a row."""
    return random.uniform(0.0, min(CAP_S, FIRST_S * 2.0 ** min(failures, 16)))  # noqa: S311  jitter, not a secret


def wished_s(after_s: float) -> float:
    """The Center's "come back in n s", at most 5 min, and up to a tenth more."""
    return min(max(0.0, after_s), WISH_MAX_S) * random.uniform(1.0, 1.1)  # noqa: S311  jitter, not a secret


class Patience:
    """The pauses between sessions. `jitter`: seconds after so many failures in a row."""

    def __init__(self, jitter: Callable[[int], float] = full_jitter_s) -> None:
        self._jitter = jitter
        self._failures = 0

    def after(self, *, held_s: float, wish_s: float | None) -> float:
        """Seconds to wait after a session that was open for `held_s` (0 = never). `wish_s`: what the Center asked for:
        it knows when it has a place for us. One under `WISH_MIN_S` is none.
        """
        self._failures = 0 if held_s >= SETTLED_S else self._failures + 1
        own_s = self._jitter(self._failures)
        return wished_s(wish_s) if wish_s is not None and wish_s >= WISH_MIN_S else own_s


def retry_after_s(header: str | None) -> float | None:
    """The pause an HTTP answer asks for in seconds; None when it asks for none (or for a date)."""
    try:
        return float(header) if header else None
    except ValueError:
        return None


def beat_s(period_s: float) -> float:
    """The pause before the next heartbeat: the period, 10 % more or less."""
    return period_s * random.uniform(0.9, 1.1)  # noqa: S311  jitter, not a secret
