"""The Center's address as the user wrote it: checked, and the URLs made from it. Pure."""

import ipaddress
from urllib.parse import SplitResult, urlsplit, urlunsplit


def checked_center(url: str, *, insecure: bool) -> str:
    """The URL without its last slash. Raises ValueError when it is none, or plain HTTP to another machine without
    `insecure` (DESIGN §8).
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"--center {url!r} is not an address like https://center.example:8300")
    if parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
        raise ValueError(
            f"--center {url} is plain HTTP to another machine: keys are proved, but anyone on the way can read along. "
            "Use https://, or say --insecure."
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """True for this machine's own addresses and `localhost`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def session_url(center: str, session_path: str) -> str:
    """The WebSocket address below the Center's: `http` becomes `ws`. Raises ValueError when the path is not plain."""
    if not session_path.startswith("/") or session_path.startswith("//") or "\\" in session_path:
        raise ValueError(f"the Center named an odd session path: {session_path!r}")
    parts = urlsplit(center)
    scheme = {"http": "ws", "https": "wss"}[parts.scheme]
    return urlunsplit(SplitResult(scheme, parts.netloc, parts.path.rstrip("/") + session_path, "", ""))
