"""API tokens: a name once, a life within bounds, told in the journal without their secret."""

import pytest

from controlplane.core.access import RESERVED, TOKENS_MAX
from controlplane.core.center import handle
from controlplane.core.cluster import Cluster
from controlplane.core.command import CreateApiToken, RevokeApiToken
from controlplane.core.record import Now, Refused
from tests.unit.controlplane.sample_cluster import NOW, WALL, shop


def make(cluster: Cluster, name: str = "ci", ttl_s: float = 0.0, number: str = "ab") -> None:
    found = handle(cluster, CreateApiToken(id=number, secret_hash="h", name=name, ttl_s=ttl_s, actor="eve"), NOW)
    cluster.apply(found.changes)


def test_a_token_is_made_told_and_revoked() -> None:
    cluster = shop()
    make(cluster, ttl_s=60)
    made = cluster.api_tokens["ab"]
    assert (made.name, made.actor, made.created_at, made.expires_at) == ("ci", "eve", WALL, WALL + 60)
    assert made.lasts(WALL + 59.9) and not made.lasts(WALL + 60)
    found = handle(cluster, RevokeApiToken(id="ab", actor="eve"), Now(NOW.mono, WALL))
    assert [e.text for e in found.changes.events] == ["API token ci revoked by eve"]
    cluster.apply(found.changes)
    assert not cluster.api_tokens


def test_without_an_end_it_lasts() -> None:
    cluster = shop()
    make(cluster)
    assert cluster.api_tokens["ab"].lasts(WALL * 2)


@pytest.mark.parametrize("name", ["", "-x", "<b>", "A", "x" * 41, *RESERVED])
def test_a_name_must_be_one_and_nobody_elses(name: str) -> None:
    with pytest.raises(Refused, match="cannot be a token's name"):
        make(shop(), name)


@pytest.mark.parametrize("ttl_s", [-1.0, 1e12, float("nan"), float("inf")])
def test_a_life_is_within_bounds(ttl_s: float) -> None:
    with pytest.raises(Refused, match="lives up to"):
        make(shop(), ttl_s=ttl_s)


def test_a_name_is_given_once_and_there_is_a_limit() -> None:
    cluster = shop()
    make(cluster)
    with pytest.raises(Refused, match="already"):
        make(cluster, number="cd")
    for n in range(TOKENS_MAX - 1):
        make(cluster, f"t{n}", number=f"{n:x}00")
    with pytest.raises(Refused, match="revoke some"):
        make(cluster, "one-more", number="ff")


def test_what_is_not_there_cannot_be_revoked() -> None:
    with pytest.raises(Refused, match="there is no API token"):
        handle(shop(), RevokeApiToken(id="ab"), NOW)
