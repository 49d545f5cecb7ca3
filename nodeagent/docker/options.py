"""Checks again what a container's options may be, before Docker is asked. Pure. Called by `create_body`.

What Compose files may say is checked by `composefile`; this is the last word, for a Center that errs or lies.
"""

from collections.abc import Mapping, Sequence

from nodeagent.core.container import DockerFault
from nodeagent.docker.text import clean
from nodeagent.hostports import is_address
from protocol.options import (
    CAPABILITIES,
    ITEMS_MAX,
    LOG_FILES_MAX,
    LOG_SIZE_MAX,
    SYSCTLS,
    ULIMITS,
    Logging,
    Ulimit,
)

_WORD_MAX = 253


def words(given: Sequence[str]) -> tuple[str, ...]:
    """Plain words without spaces and control characters. Raises DockerFault `refused`."""
    if len(given) > ITEMS_MAX:
        raise _refused(f"more than {ITEMS_MAX} items")
    for word in given:
        if not 0 < len(word) <= _WORD_MAX or not word.isascii() or not word.isprintable() or " " in word:
            raise _refused(f"{clean(word, 80)!r} is not a plain word")
    return tuple(given)


def capabilities(given: Sequence[str]) -> tuple[str, ...]:
    """Capabilities to drop; any may be, and `ALL`."""
    for name in words(given):
        if not all(char.isupper() or char == "_" for char in name):
            raise _refused(f"{clean(name, 80)!r} is not a capability")
    return tuple(given)


def kept_capabilities(given: Sequence[str]) -> tuple[str, ...]:
    """Capabilities to keep: only of those that a container has anyway."""
    for name in words(given):
        if name not in CAPABILITIES:
            raise _refused(f"capability {clean(name, 80)!r} may not be given")
    return tuple(given)


def addresses(given: Sequence[str]) -> tuple[str, ...]:
    """IP addresses."""
    for text in words(given):
        if not is_address(text):
            raise _refused(f"{clean(text, 80)!r} is not an IP address")
    return tuple(given)


def hosts(given: Sequence[str]) -> tuple[str, ...]:
    """`name:address` pairs."""
    for text in words(given):
        name, _, address = text.partition(":")
        if not name or not is_address(address):
            raise _refused(f"{clean(text, 80)!r} is not a host and its address")
    return tuple(given)


def sysctls(given: Mapping[str, str]) -> dict[str, str]:
    """Kernel settings that each container has for itself."""
    for name, value in given.items():
        if name not in SYSCTLS:
            raise _refused(f"kernel setting {clean(name, 80)!r} may not be changed")
        if len(value) > _WORD_MAX or not value.isascii() or not value.isprintable():
            raise _refused(f"{clean(value, 80)!r} is not a kernel setting's value")
    return dict(given)


def ulimits(given: Mapping[str, Ulimit]) -> dict[str, Ulimit]:
    """Resource limits; none that gives priority over other containers."""
    for name, limit in given.items():
        if name not in ULIMITS:
            raise _refused(f"limit {clean(name, 80)!r} may not be set")
        if limit.soft < -1 or limit.hard < -1:
            raise _refused(f"limit {name} is below -1")
    return dict(given)


def log_limits(logging: Logging, size: str, files: str) -> tuple[str, str]:
    """(max-size, max-file) as Docker takes them; `size` and `files` where nothing is said."""
    if not 0 <= logging.size <= LOG_SIZE_MAX or not 0 <= logging.files <= LOG_FILES_MAX:
        raise _refused("logs may have at most 20 files of 1 GiB")
    return str(logging.size) if logging.size else size, str(logging.files) if logging.files else files


def _refused(text: str) -> DockerFault:
    return DockerFault("refused", text)
