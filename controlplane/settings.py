"""What the operator chose, from flags and `ROPE_…` variables, checked once. Read by `app.py` only.

A flag wins over its variable. Secrets come by variable, never by flag: flags are seen in the process list.
"""

import argparse
import ipaddress
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import msgspec

from controlplane.copies import Plan

LISTEN = "127.0.0.1:8080"

TOKEN_MIN = 16
"""Characters of an admin token chosen by the operator."""

METRICS_REPLICAS = 2000
METRICS_REPLICAS_MAX = 100_000

_IMAGE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._:/@-]{0,254})?")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


class SettingsError(Exception):
    """The Center cannot be started like this; the message says why and what to do."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`host`, `port`: where to listen; port 0 = any free one. `public_url`: "" = from the listening address."""

    data: Path
    host: str
    port: int
    public_url: str = ""
    insecure: bool = False
    restored: bool = False
    """The data come from a backup: raise the incarnation, so that agents obey them."""
    copies: Plan = Plan()
    """Backups that the Center makes of itself."""
    admin_token: str = ""
    image: str = ""
    """The image that agents of this release run from, as other machines reach it; "" = the Center runs from none."""
    join_file: Path | None = None
    """Where to leave a join token for an agent on this machine."""
    metrics_replicas: int = METRICS_REPLICAS
    """Replicas that get series of their own in `/metrics`; 0 = none."""

    @property
    def plain_url(self) -> str:
        """The listening address as a URL, for a port that is not 0."""
        return f"http://{netloc(self.host, self.port)}"


def netloc(host: str, port: int) -> str:
    """`host:port` as it stands in a URL; a wildcard address is written as loopback."""
    if host in ("", "0.0.0.0"):
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from the command line and the environment. Raises SettingsError; `--help` prints and exits."""
    parser = _Parser(prog="rope center", description="Run the Center.")
    parser.add_argument("--data", metavar="DIR", help="folder for everything that must survive [ROPE_DATA]")
    parser.add_argument("--listen", metavar="HOST:PORT", help=f"default {LISTEN} [ROPE_LISTEN]")
    parser.add_argument("--public-url", metavar="URL", help="how browsers and agents reach it [ROPE_PUBLIC_URL]")
    parser.add_argument("--insecure", action="store_true", help="allow plain HTTP beyond loopback [ROPE_INSECURE]")
    parser.add_argument("--image", metavar="REF", help="agent's image that join lines name [ROPE_IMAGE]")
    parser.add_argument("--join-file", metavar="FILE", help="leave a join token for this machine [ROPE_JOIN_FILE]")
    parser.add_argument("--backup-every", metavar="HOURS", help="default 24, 0 = never [ROPE_BACKUP_EVERY]")
    parser.add_argument("--backup-keep", metavar="N", help="scheduled backups kept; default 7 [ROPE_BACKUP_KEEP]")
    parser.add_argument("--backup-dir", metavar="DIR", help="default: backups in the data folder [ROPE_BACKUP_DIR]")
    parser.add_argument("--restored", action="store_true", help="once, after the data were restored from a backup")
    parser.add_argument(
        "--metrics-replicas",
        metavar="N",
        help=f"replicas named in /metrics, 0 = none; default {METRICS_REPLICAS} [ROPE_METRICS_REPLICAS]",
    )
    given = parser.parse_args(arguments)
    data = given.data or environment.get("ROPE_DATA", "")
    if not data:
        raise SettingsError("where shall the data go? give --data DIR or set ROPE_DATA")
    host, port = _listen(given.listen or environment.get("ROPE_LISTEN") or LISTEN)
    settings = Settings(
        data=Path(data),
        host=host,
        port=port,
        public_url=_url(given.public_url or environment.get("ROPE_PUBLIC_URL", "")),
        insecure=given.insecure or _flag("ROPE_INSECURE", environment),
        restored=given.restored,
        copies=_plan(
            given.backup_every or environment.get("ROPE_BACKUP_EVERY", ""),
            given.backup_keep or environment.get("ROPE_BACKUP_KEEP", ""),
            given.backup_dir or environment.get("ROPE_BACKUP_DIR", ""),
        ),
        admin_token=environment.get("ROPE_ADMIN_TOKEN", "").strip(),
        image=_image(given.image or environment.get("ROPE_IMAGE", "")),
        join_file=_file(given.join_file or environment.get("ROPE_JOIN_FILE", "")),
        metrics_replicas=_count(given.metrics_replicas or environment.get("ROPE_METRICS_REPLICAS", "")),
    )
    _check(settings)
    return settings


def _plan(every: str, keep: str, into: str) -> Plan:
    usual = Plan()
    try:
        hours = float(every) if every else usual.every_s / 3600
    except ValueError:
        hours = -1.0
    if not (hours == 0 or 0.1 <= hours <= 8760):
        raise SettingsError(f"--backup-every {every}: hours are due, from 0.1 to 8760, or 0 for never")
    if keep and not (keep.isascii() and keep.isdigit() and 1 <= int(keep) <= 10_000):
        raise SettingsError(f"--backup-keep {keep}: a number from 1 to 10000 is due")
    return Plan(every_s=hours * 3600, keep=int(keep) if keep else usual.keep, into=Path(into) if into else None)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def _check(settings: Settings) -> None:
    if not settings.insecure and not _is_loopback(settings.host):
        raise SettingsError(
            f"plain HTTP on {settings.host or 'all addresses'} can be read and changed by everyone on the way:"
            " put a TLS proxy before a loopback address (--listen 127.0.0.1:8080 --public-url https://…),"
            " or accept it with --insecure"
        )
    if settings.admin_token and len(settings.admin_token) < TOKEN_MIN:
        raise SettingsError(
            f"ROPE_ADMIN_TOKEN has {len(settings.admin_token)} characters, at least {TOKEN_MIN} are due"
        )


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise SettingsError(f"--listen {text}: the form is HOST:PORT, for example {LISTEN} or [::1]:8080")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise SettingsError(f"--listen {text}: an IPv6 address stands in brackets, for example [::1]:8080")
    return host, int(port)


def _url(text: str) -> str:
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username or parts.path not in ("", "/"):
        raise SettingsError(f"--public-url {text}: the form is https://center.example.com or http://10.0.0.5:8080")
    return text.rstrip("/")


def _file(text: str) -> Path | None:
    return Path(text).absolute() if text else None


def _image(text: str) -> str:
    """It stands in a line for a shell; Docker itself knows best whether it is a reference."""
    if not _IMAGE.fullmatch(text):
        raise SettingsError(f"--image {text[:80]!r}: the form is registry.example:5000/ropeteam:1.0")
    return text


def _flag(name: str, environment: Mapping[str, str]) -> bool:
    text = environment.get(name, "").strip().lower()
    if text not in _TRUE | _FALSE:
        raise SettingsError(f"{name}={text}: 1 or 0 is due")
    return text in _TRUE


def _count(text: str) -> int:
    if not text:
        return METRICS_REPLICAS
    if not (text.isascii() and text.isdigit()) or int(text) > METRICS_REPLICAS_MAX:
        raise SettingsError(f"--metrics-replicas {text}: a number from 0 to {METRICS_REPLICAS_MAX} is due")
    return int(text)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
