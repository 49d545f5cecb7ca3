"""The Center's identity key: Ed25519, made once, kept in the data folder with rights 0600, pinned by every agent.

Used by `link/` to sign and by `web/` for the fingerprint in join tokens. The key itself never leaves this module.
"""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from controlplane.store.folder import IDENTITY, write_once
from controlplane.store.store import StoreRefused
from protocol.handshake import key_fingerprint

_KEY_BYTES = 32


class Identity:
    """The key pair. `public_key`, `fingerprint`: hex."""

    def __init__(self, private: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.public_key = self._key.public_key().public_bytes_raw().hex()
        self.fingerprint = key_fingerprint(self.public_key)

    def sign(self, claim: bytes) -> str:
        """The signature over `claim`, hex."""
        return self._key.sign(claim).hex()


def open_identity(folder: Path, *, new_cluster: bool) -> Identity:
    """Read the key, or make it for a new cluster.

    Raises StoreRefused when it is unreadable, or missing although agents of this cluster know it.
    """
    path = folder / IDENTITY
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        if not new_cluster:
            raise StoreRefused(f"{path} is missing; every agent pins this key: restore it from your backup") from None
        private = Ed25519PrivateKey.generate().private_bytes_raw()
        write_once(path, private.hex().encode() + b"\n")
        return Identity(private)
    except (OSError, UnicodeDecodeError) as error:
        raise StoreRefused(f"cannot read {path}: {error}") from error
    try:
        private = bytes.fromhex(text)
    except ValueError:
        private = b""
    if len(private) != _KEY_BYTES:
        raise StoreRefused(f"{path} is damaged: {_KEY_BYTES * 2} hex characters are due; restore it from your backup")
    return Identity(private)


def is_signed(public_key: str, signature: str, claim: bytes) -> bool:
    """True when `signature` (hex) over `claim` was made with the private half of `public_key` (hex)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), claim)
    except (ValueError, InvalidSignature):
        return False
    return True
