"""The agent's identity on disk."""

from pathlib import Path

import pytest

from nodeagent.identity import Identity, IdentityError, load_identity, save_identity
from nodeagent.keys import new_seed


def test_an_identity_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    identity = Identity(seed=new_seed(), agent_id="a", node="n", cluster="c", center_key="k", center_url="u")
    save_identity(tmp_path, identity)
    assert load_identity(tmp_path) == identity and identity.registered
    assert (tmp_path / "identity.json").stat().st_mode & 0o777 == 0o600


def test_none_is_there_at_first(tmp_path: Path) -> None:
    assert load_identity(tmp_path) is None
    assert not Identity(seed=new_seed()).registered


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"seed":"xyz"}', b'{"seed":"00"}'])
def test_a_damaged_one_is_refused_with_advice(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "identity.json").write_bytes(damage)
    with pytest.raises(IdentityError, match="join again"):
        load_identity(tmp_path)
