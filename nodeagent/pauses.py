"""How long to wait before asking the Center again: full jitter with a cap, and the Center's own wish (DESIGN §3.7)."""

import random  # noqa: TID251  the edge: agents that lost the Center together must not come back together

FIRST_S = 0.5
CAP_S = 8.0
WISH_MAX_S = 300.0


def full_jitter_s(failures: int) -> float:
    """Anything from 0 to 0.5 s, 1 s, 2 s … 8 s after so many failures in a row."""
    return random.uniform(0.0, min(CAP_S, FIRST_S * 2.0 ** min(failures, 16)))  # noqa: S311  jitter, not a secret


def wished_s(after_s: float) -> float:
    """The Center's "come back in n s", at most 5 min, and up to a tenth more."""
    return min(max(after_s, 0.0), WISH_MAX_S) * random.uniform(1.0, 1.1)  # noqa: S311  jitter, not a secret


def retry_after_s(header: str | None) -> float | None:
    """The pause an HTTP answer asks for in seconds; None when it asks for none (or for a date)."""
    try:
        return wished_s(float(header)) if header else None
    except ValueError:
        return None


def beat_s(period_s: float) -> float:
    """The pause before the next heartbeat: the period, 10 % more or less."""
    return period_s * random.uniform(0.9, 1.1)  # noqa: S311  jitter, not a secret
