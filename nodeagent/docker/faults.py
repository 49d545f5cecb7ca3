"""Sorts what goes wrong at the Docker Engine into the few kinds the agent acts on. Pure; used by this package only.

The engine gives an HTTP status and a sentence; the sentence is the only way to tell a taken port from a broken image.
"""

from nodeagent.core.container import DockerFault, FaultKind
from nodeagent.docker.text import clean

UNREACHABLE = 900
"""Status aiodocker uses for "cannot connect"."""

_PORT_WORDS = ("port is already allocated", "address already in use", "ports are not available")
_ADDRESS_WORDS = ("cannot assign requested address",)
_IMAGE_WORDS = ("no such image", "manifest unknown", "pull access denied", "repository does not exist")


def sort_fault(status: int, message: str) -> DockerFault:
    """The fault for an answer of the engine: HTTP `status` and its message (hostile: may quote a container)."""
    return DockerFault(_kind(status, message.lower()), clean(message) or f"Docker answered {status}")


def _kind(status: int, words: str) -> FaultKind:
    if status == UNREACHABLE:
        return "engine_down"
    if any(w in words for w in _PORT_WORDS):
        return "port_taken"
    if any(w in words for w in _IMAGE_WORDS):
        return "image_missing"
    if status == 404:
        return "not_found"
    if status == 409 and "name" in words and ("already in use" in words or "already exists" in words):
        return "name_taken"
    # 400: an option Docker does not take. A host address this machine does not have is the same kind of trouble.
    if status in (400, 403) or any(w in words for w in _ADDRESS_WORDS):
        return "refused"
    return "error"


def sort_pull_fault(message: str) -> DockerFault:
    """The fault for an error inside a pull: the registry does not have the image, or the pull failed on the way."""
    words = message.lower()
    missing = any(w in words for w in (*_IMAGE_WORDS, "not found", "name unknown"))
    return DockerFault("image_missing" if missing else "pull_failed", clean(message) or "the pull failed")
