"""What is signed, and the form of a join token."""

import pytest

from protocol import handshake
from protocol.handshake import JoinToken


def test_a_join_token_reads_back() -> None:
    token = JoinToken("k1", "s3cret", "ab12")
    assert str(token) == "rope1.k1.s3cret.ab12"
    assert JoinToken.parse(f" {token}\n") == token


@pytest.mark.parametrize("text", ["", "rope1.a.b", "rope2.a.b.c", "rope1.a.b.c.d", "rope1..b.c"])
def test_anything_else_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"rope1\.ID\.SECRET\.FINGERPRINT"):
        JoinToken.parse(text)


def test_claims_of_the_two_sides_differ_and_parts_cannot_run_together() -> None:
    parts = ("c", "a", "n1", "n2")
    assert handshake.center_claim(*parts) != handshake.agent_claim(*parts)
    assert handshake.center_claim("ca", "", "n1", "n2") != handshake.center_claim("c", "a", "n1", "n2")
