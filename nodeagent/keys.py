"""The agent's own Ed25519 key, and the check of the Center's signatures. Only cryptography; claims come from
`protocol.handshake`. Used by registration and session.
"""

import secrets

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol.handshake import NONCE_BYTES


class AgentKey:
    """A private key made from its 32-byte seed, in hex."""

    def __init__(self, seed: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))

    @property
    def public(self) -> str:
        """The public key in hex, as it travels."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, claim: bytes) -> str:
        """The signature in hex."""
        return self._key.sign(claim).hex()


def new_seed() -> str:
    """A fresh seed in hex."""
    return secrets.token_hex(32)


def new_nonce() -> str:
    """Fresh random bytes for one handshake, in hex."""
    return secrets.token_hex(NONCE_BYTES)


def is_signed(public_key: str, signature: str, claim: bytes) -> bool:
    """True when `signature` (hex) over `claim` was made by `public_key` (hex). Nonsense is False."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), claim)
    except (InvalidSignature, ValueError):
        return False
    return True
