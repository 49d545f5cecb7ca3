"""What both sides of a session sign, and what a join token holds (DESIGN §3.1-2). Bytes only, no keys."""

import hashlib

import msgspec

NONCE_BYTES = 32
"""Random bytes of a nonce; they travel as hex."""

_JOIN_PREFIX = "rope1"


def center_claim(cluster: str, agent_id: str, agent_nonce: str, center_nonce: str) -> bytes:
    """What the Center signs with its identity key in `Challenge`."""
    return _claim("ropeteam.center.v1", cluster, agent_id, agent_nonce, center_nonce)


def agent_claim(cluster: str, agent_id: str, agent_nonce: str, center_nonce: str) -> bytes:
    """What the agent signs with its own key in `Proof`."""
    return _claim("ropeteam.agent.v1", cluster, agent_id, agent_nonce, center_nonce)


def register_claim(token: str, public_key: str, name: str) -> bytes:
    """What a registering agent signs, so that nobody registers a key that is not theirs."""
    return _claim("ropeteam.register.v1", secret_hash(token), public_key, name)


def registered_claim(cluster: str, agent_id: str, public_key: str) -> bytes:
    """What the Center signs in its answer to a registration."""
    return _claim("ropeteam.registered.v1", cluster, agent_id, public_key)


def _claim(*parts: str) -> bytes:
    return msgspec.json.encode(parts)


def key_fingerprint(public_key_hex: str) -> str:
    """64 hex characters that name a public key; what a join token carries of the Center's."""
    return hashlib.sha256(bytes.fromhex(public_key_hex)).hexdigest()


def secret_hash(secret: str) -> str:
    """How a token is stored: SHA-256 of 256 random bits needs no salt and no stretching."""
    return hashlib.sha256(secret.encode()).hexdigest()


class JoinToken(msgspec.Struct, frozen=True):
    """`rope1.<id>.<secret>.<fingerprint of the Center's identity key>`; `id` may be shown, `secret` may not."""

    id: str
    secret: str
    fingerprint: str

    def __str__(self) -> str:
        return ".".join((_JOIN_PREFIX, self.id, self.secret, self.fingerprint))

    @classmethod
    def parse(cls, text: str) -> "JoinToken":
        """Read a join token. Raises ValueError naming what is wrong with it."""
        parts = text.strip().split(".")
        if len(parts) != 4 or parts[0] != _JOIN_PREFIX or not all(parts):
            raise ValueError(f"not a join token: it has the form {_JOIN_PREFIX}.ID.SECRET.FINGERPRINT")
        return cls(*parts[1:])
