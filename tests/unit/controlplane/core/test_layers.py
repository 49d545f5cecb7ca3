"""One mapping over another."""

import pytest

from controlplane.core.layers import Layered


def test_the_upper_one_counts_where_it_knows_the_key() -> None:
    made = Layered({"a": 1, "b": 2}, {"b": 3, "c": 4})
    assert dict(made) == {"a": 1, "b": 2, "c": 4} and len(made) == 3
    assert [made.get(key) for key in "abcd"] == [1, 2, 4, None] and made.get("d", 5) == 5


def test_what_neither_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        Layered({"a": 1}, {"b": 2})["c"]
