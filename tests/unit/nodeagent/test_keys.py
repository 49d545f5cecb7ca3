"""Signatures both ways."""

from nodeagent.keys import AgentKey, is_signed, new_nonce, new_seed


def test_a_signature_fits_its_key_and_claim_only() -> None:
    key, other = AgentKey(new_seed()), AgentKey(new_seed())
    signature = key.sign(b"claim")
    assert is_signed(key.public, signature, b"claim")
    assert not is_signed(key.public, signature, b"another")
    assert not is_signed(other.public, signature, b"claim")


def test_nonsense_is_no_signature() -> None:
    key = AgentKey(new_seed())
    for public, signature in ((key.public, "zz"), (key.public, ""), ("", "00" * 64), ("zz", "00" * 64)):
        assert not is_signed(public, signature, b"claim")


def test_seeds_and_nonces_are_fresh() -> None:
    assert new_seed() != new_seed() and new_nonce() != new_nonce() and len(new_nonce()) == 64
