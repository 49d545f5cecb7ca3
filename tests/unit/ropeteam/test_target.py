"""PROJECT[/SERVICE[/REPLICA]] as people write it."""

import pytest

from ropeteam.fault import Exit, Fault
from ropeteam.target import Target, parse_target


def test_it_is_read_as_far_as_it_goes() -> None:
    assert parse_target("shop") == Target("shop")
    assert parse_target("shop/web") == Target("shop", "web")
    assert parse_target("shop/web.1/12") == Target("shop", "web.1", 12)


@pytest.mark.parametrize("text", ["", "Shop", "shop/", "shop/web/", "shop/web/0", "shop/web/x", "a/b/1/2", "shop/we b"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(Fault) as raised:
        parse_target(text)
    assert raised.value.code == Exit.USAGE


def test_a_service_may_be_needed() -> None:
    with pytest.raises(Fault, match="PROJECT/SERVICE"):
        parse_target("shop", service=True)
