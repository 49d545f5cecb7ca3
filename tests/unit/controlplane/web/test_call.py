"""What a request says, checked and typed."""

import msgspec
import pytest

from controlplane.web.answers import Rejected
from controlplane.web.call import decode, one_of, whole_number
from protocol.api import RestartRequest, ScaleRequest


class Listing(msgspec.Struct):
    """A body with something inside a list."""

    containers: list[dict[str, str]]


@pytest.mark.parametrize(
    ("data", "kind", "field"),
    [
        (b'{"services": {"web": "x"}}', ScaleRequest, "services[...]"),
        (b'{"services": {}, "extra": 1}', ScaleRequest, "extra"),
        (b"{}", ScaleRequest, "services"),
        (b'{"services": [1]}', RestartRequest, "services[0]"),
        (b'{"containers": [{"a": 1}]}', Listing, "containers[0][...]"),
        (b"[]", ScaleRequest, ""),
    ],
)
def test_a_bad_body_names_its_field(data: bytes, kind: type, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(data, kind)
    assert refused.value.code == "bad_request"
    assert refused.value.details[0].field == field
    assert refused.value.details[0].message


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b'{"services": {"\xed\xa0\x80": 1}}'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(Rejected):
        decode(data, ScaleRequest)


@pytest.mark.parametrize(("text", "value"), [("", None), ("0", 0), ("12", 12), ("4611686018427387904", 1 << 62)])
def test_whole_numbers(text: str, value: int | None) -> None:
    assert whole_number("n", text) == value


@pytest.mark.parametrize("text", ["-1", "1.0", " 1", "٣", "1" * 40, "4611686018427387905"])
def test_what_is_no_whole_number_names_its_field(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        whole_number("n", text)
    assert refused.value.details[0].field == "n"


def test_one_of_a_few_words() -> None:
    assert one_of("k", "", ("a", "b")) == ""
    assert one_of("k", "b", ("a", "b")) == "b"
    with pytest.raises(Rejected, match="k: must be one of a, b"):
        one_of("k", "c", ("a", "b"))
