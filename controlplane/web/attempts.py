"""How often somebody at an address failed to sign in lately. Bounded. Used by `login.py`; decides nothing else."""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable

FAILURES_MAX = 5
WINDOW_S = 60.0
ADDRESSES_MAX = 4096
"""Policy: the address that failed least recently is forgotten."""


class Attempts:
    """Failures by address; an IPv6 client counts with its whole /64. `now`: monotonic seconds."""

    def __init__(self, now: Callable[[], float], addresses_max: int = ADDRESSES_MAX) -> None:
        self._now = now
        self._max = addresses_max
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until this address may try again; 0 = now."""
        failures = self._failures.get(_place(address))
        if failures is None or len(failures) < FAILURES_MAX:
            return 0.0
        return max(0.0, failures[0] + WINDOW_S - self._now())

    def failed(self, address: str) -> None:
        """Count a failure."""
        place = _place(address)
        if place not in self._failures and len(self._failures) >= self._max:
            self._failures.popitem(last=False)
        self._failures.setdefault(place, deque(maxlen=FAILURES_MAX)).append(self._now())
        self._failures.move_to_end(place)

    def succeeded(self, address: str) -> None:
        """Forget its failures."""
        self._failures.pop(_place(address), None)


def _place(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
