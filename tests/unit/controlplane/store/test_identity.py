"""The identity key: made once, private, and missed when it is gone."""

from pathlib import Path

import pytest

from controlplane.store.folder import IDENTITY
from controlplane.store.identity import is_signed, open_identity
from controlplane.store.store import StoreRefused
from protocol.handshake import key_fingerprint


def test_it_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = open_identity(tmp_path, new_cluster=True)
    again = open_identity(tmp_path, new_cluster=False)
    assert first.public_key == again.public_key
    assert first.fingerprint == key_fingerprint(first.public_key)
    assert (tmp_path / IDENTITY).stat().st_mode & 0o777 == 0o600


def test_a_signature_holds_for_its_claim_and_key_only(tmp_path: Path) -> None:
    key = open_identity(tmp_path, new_cluster=True)
    signature = key.sign(b"claim")
    assert is_signed(key.public_key, signature, b"claim")
    assert not is_signed(key.public_key, signature, b"another claim")
    assert not is_signed("00" * 32, signature, b"claim")


@pytest.mark.parametrize("key, signature", [("", ""), ("zz", "zz"), ("ab" * 31, "cd" * 64), ("ab" * 32, "cd" * 63)])
def test_nonsense_is_not_a_signature(key: str, signature: str) -> None:
    assert not is_signed(key, signature, b"claim")


def test_a_known_cluster_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="is missing"):
        open_identity(tmp_path, new_cluster=False)
    assert not (tmp_path / IDENTITY).exists(), "no other key takes its place"


@pytest.mark.parametrize("content", [b"", b"abc", b"zz" * 32, b"ab" * 31, b"\xff" * 64])
def test_a_damaged_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / IDENTITY).write_bytes(content)
    with pytest.raises(StoreRefused, match=r"damaged|cannot read"):
        open_identity(tmp_path, new_cluster=True)
    assert (tmp_path / IDENTITY).read_bytes() == content
