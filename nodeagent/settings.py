"""The agent's options: command line first, then `ROPE_…` variables, then defaults. Checked before anything starts.

Pure but for the host's name and the file with the join token. Called by `__main__`.
"""

import argparse
import ipaddress
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from nodeagent.addresses import checked_center
from protocol.handshake import JoinToken
from protocol.names import LABEL_KEY, LABEL_VALUE_MAX, NODE, is_legal

DOCKER_SOCKET = "unix:///var/run/docker.sock"
WEIGHT_MAX = 100.0


class SettingsError(Exception):
    """An option that cannot be obeyed; the text names it and says how to mend it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wants. `center` "" = as remembered from the last time; `join` None = no token given."""

    data: Path
    center: str = ""
    join: JoinToken | None = None
    docker: str = DOCKER_SOCKET
    name: str = ""
    address: str = ""
    labels: dict[str, str] = {}
    weight: float = 1.0
    bind_roots: tuple[str, ...] = ()
    port_from: int = 20000
    port_to: int = 29999
    subnet_pool: str = "10.213.0.0/16"
    insecure: bool = False
    no_exec: bool = False
    """People may not run commands in containers here."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings from the command line and the variables. Raises SettingsError; exits by itself for `--help`."""
    given = _parser(environment).parse_args(arguments)
    if not given.data:
        raise SettingsError("--data DIR is missing: where the agent keeps its key and its journal")
    insecure = given.insecure or _truth(environment, "ROPE_INSECURE")
    try:
        settings = Settings(
            data=Path(given.data).absolute(),
            center=checked_center(given.center, insecure=insecure) if given.center else "",
            join=_token(given.join, given.join_file),
            docker=given.docker,
            name=given.name or socket.gethostname(),
            address=_address(given.address),
            labels=_labels(given.label if given.label is not None else _split(environment.get("ROPE_LABEL", ""))),
            weight=_weight(given.weight),
            bind_roots=_roots(
                given.bind_root if given.bind_root is not None else _split(environment.get("ROPE_BIND_ROOT", ""))
            ),
            port_from=_ports(given.port_range)[0],
            port_to=_ports(given.port_range)[1],
            subnet_pool=_pool(given.subnet_pool),
            insecure=insecure,
            no_exec=given.no_exec or _truth(environment, "ROPE_NO_EXEC"),
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if not is_legal(NODE, settings.name):
        raise SettingsError(f"--name {settings.name!r}: letters, digits, '_', '.', '-', at most 63, not '.' first")
    return settings


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rope agent",
        description="Holds the rope to the Center and keeps this node's containers as it wants them.",
        epilog="Every option also as a variable: ROPE_CENTER, ROPE_JOIN, ROPE_DATA, … Lists with commas.",
        allow_abbrev=False,
    )

    def variable(name: str, default: str = "") -> str:
        return environment.get(f"ROPE_{name}") or default

    docker = variable("DOCKER") or environment.get("DOCKER_HOST") or DOCKER_SOCKET
    parser.add_argument("--center", metavar="URL", default=variable("CENTER"), help="where the Center answers")
    parser.add_argument("--join", metavar="TOKEN", default=variable("JOIN"), help="join token; needed once")
    file = variable("JOIN_FILE")
    parser.add_argument("--join-file", metavar="FILE", default=file, help="join token in a file, if it is there")
    parser.add_argument("--data", metavar="DIR", default=variable("DATA"), help="where key and journal are kept")
    parser.add_argument("--docker", metavar="URL", default=docker, help=f"the Docker Engine (default {DOCKER_SOCKET})")
    parser.add_argument("--name", metavar="N", default=variable("NAME"), help="the node's name (default: host name)")
    parser.add_argument("--address", metavar="IP", default=variable("ADDRESS"), help="where people reach its ports")
    parser.add_argument("--label", metavar="K=V", action="append", help="a label of the node; may be repeated")
    parser.add_argument("--weight", metavar="W", default=variable("WEIGHT", "1"), help="how much it likes work (1)")
    parser.add_argument("--bind-root", metavar="DIR", action="append", help="bind mounts may point below; repeatable")
    parser.add_argument("--port-range", metavar="A-B", default=variable("PORT_RANGE", "20000-29999"))
    parser.add_argument("--subnet-pool", metavar="CIDR", default=variable("SUBNET_POOL", "10.213.0.0/16"))
    parser.add_argument("--no-exec", action="store_true", help="nobody may run commands in containers of this node")
    parser.add_argument("--insecure", action="store_true", help="plain HTTP to a Center on another machine")
    return parser


def _token(text: str, file: str) -> JoinToken | None:
    """The join token, in so many words or in a file: flags and variables of a container can be read by others."""
    if not text and file:
        try:
            text = Path(file).read_text(errors="replace").strip()
        except FileNotFoundError:  # it may be gone once the agent has joined
            return None
        except OSError as error:
            raise ValueError(f"--join-file {file}: {error.strerror}") from None
    return JoinToken.parse(text) if text else None


def _truth(environment: Mapping[str, str], name: str) -> bool:
    said = environment.get(name, "").lower()
    if said not in ("", "0", "1", "false", "true", "no", "yes"):
        raise SettingsError(f"{name} is 1 or 0")
    return said in ("1", "true", "yes")


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _address(text: str) -> str:
    if text:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError(f"--address {text!r} is not an IP address") from None
    return text


def _labels(pairs: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not is_legal(LABEL_KEY, key) or len(value) > LABEL_VALUE_MAX:
            raise ValueError(f"--label {pair!r} is not KEY=VALUE")
        labels[key] = value
    return labels


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0.0 < weight <= WEIGHT_MAX:
        raise ValueError(f"--weight {text!r} is not a number above 0, at most {WEIGHT_MAX:g}")
    return weight


def _roots(folders: Sequence[str]) -> tuple[str, ...]:
    for folder in folders:
        if not os.path.isabs(folder):
            raise ValueError(f"--bind-root {folder!r} is not an absolute path")
    return tuple(dict.fromkeys(os.path.normpath(folder) for folder in folders))


def _ports(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 65535):
        raise ValueError(f"--port-range {text!r} is not like 20000-29999")
    return int(first), int(last)


def _pool(text: str) -> str:
    try:
        pool = ipaddress.IPv4Network(text)
    except ValueError:
        pool = None
    if pool is None or pool.prefixlen > 26:
        raise ValueError(f"--subnet-pool {text!r} is not an IPv4 network of at least a /26, like 10.213.0.0/16")
    return text
