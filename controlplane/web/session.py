"""Who is signed in: sessions in this process's memory, found by a cookie, forgotten when idle or when too many.

A restart of the Center signs everybody out. The cookie's value is kept as a hash only. Not for the JSON API, which
takes bearer tokens only. Used by `visit.py`, `login.py` and `live.py`.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from controlplane.web.policy import Who
from protocol.handshake import secret_hash

IDLE_S = 12 * 3600.0
"""A session without a request or an open page for so long is over."""
LIFE_S = 7 * 86400.0
"""No session is older."""
SESSIONS_MAX = 1000
"""Policy: the one that was idle for longest goes."""
COOKIE_MAX = 128


class Session(msgspec.Struct, kw_only=True):
    """One sign-in. Times are monotonic seconds."""

    who: Who
    csrf: str
    """Must come back with every form."""
    began: float
    used: float


class Sessions:
    """All sessions. `now`: monotonic seconds."""

    def __init__(self, now: Callable[[], float], sessions_max: int = SESSIONS_MAX) -> None:
        self._now = now
        self._max = sessions_max
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        """By the hash of the cookie's value, the longest idle first."""

    def begin(self, who: Who) -> str:
        """A new session; returns the value for the cookie, which is told this once."""
        value = secrets.token_urlsafe(32)
        now = self._now()
        if len(self._sessions) >= self._max:
            self._sessions.popitem(last=False)
        self._sessions[secret_hash(value)] = Session(who=who, csrf=secrets.token_urlsafe(24), began=now, used=now)
        return value

    def find(self, value: str) -> Session | None:
        """The session of a cookie's value, used from now on; None when there is none any more."""
        if not value or len(value) > COOKIE_MAX:
            return None
        key, now = secret_hash(value), self._now()
        session = self._sessions.get(key)
        if session is None:
            return None
        if now - session.used > IDLE_S or now - session.began > LIFE_S:
            del self._sessions[key]
            return None
        session.used = now
        self._sessions.move_to_end(key)
        return session

    def end(self, value: str) -> None:
        """Forget it; open pages notice within a second."""
        self._sessions.pop(secret_hash(value), None)

    def end_others(self, value: str) -> None:
        """Forget all but this one."""
        kept = secret_hash(value)
        for key in [k for k in self._sessions if k != kept]:
            del self._sessions[key]

    def __len__(self) -> int:
        return len(self._sessions)
