"""The same parsers under Hypothesis, which shrinks what it finds: JSON of any shape where a message or a file is due.

The mutation fuzzers are faster and come further; these are better at telling what is wrong.
"""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composefile import keys
from composefile.errors import ComposeError, render
from composefile.images import fault_in
from composefile.read import read
from nodeagent.core.container import DockerFault
from nodeagent.docker.reference import parse
from protocol.codec import ProtocolError, decode_from_agent, decode_from_center, encode
from protocol.handshake import JoinToken
from protocol.messages import FromAgent, FromCenter
from tests.fuzz.shapes import NUMBERS, TEXTS

QUICK = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

scalar = (
    st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(TEXTS) | st.text(max_size=20)
)  # fmt: skip


def tree(names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Values of JSON whose mappings have these keys."""
    return st.recursive(scalar, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5))


def field_names(union: Any) -> list[str]:
    """Every field of every message of a direction."""
    return sorted({f.encode_name for kind in union.__args__ for f in msgspec.structs.fields(kind)} | {"type"})


@pytest.mark.parametrize(
    ("decode", "union"), [(decode_from_agent, FromAgent), (decode_from_center, FromCenter)], ids=["agent", "center"]
)
def test_json_of_any_shape_is_a_message_or_a_protocol_error(decode: Any, union: Any) -> None:
    names = field_names(union)
    tags = st.sampled_from([kind.__name__.lower() for kind in union.__args__])

    @QUICK
    @given(tags | scalar, st.dictionaries(st.sampled_from(names), tree(st.sampled_from(names)), max_size=8))
    def check(tag: Any, fields: dict[str, Any]) -> None:
        try:
            message = decode(json.dumps(fields | {"type": tag}))
        except ProtocolError:
            return
        assert decode(encode(message)) == message

    check()


@QUICK
@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_a_message_or_a_protocol_error(frame: bytes) -> None:
    for decode in (decode_from_agent, decode_from_center):
        try:
            decode(frame)
        except ProtocolError:
            continue


known = st.sampled_from(sorted({*keys.TOP, *keys.SERVICE, "web", "db", "x-rope", "target", "strategy", "a"}))


@QUICK
@given(st.dictionaries(known, tree(known), max_size=4), st.dictionaries(known, tree(known), max_size=8))
def test_files_of_known_keys_in_any_shape_give_only_compose_errors(top: dict[str, Any], web: dict[str, Any]) -> None:
    text = json.dumps(top | {"services": {"web": {"image": "web:1"} | web}}, ensure_ascii=False)
    try:
        read(text, project="shop")
    except ComposeError as error:
        assert error.problems
        assert all(line.isprintable() for line in render("c.yaml", error.problems, error.warnings).split("\n"))


@QUICK
@given(
    st.from_regex(r"([a-z0-9.\-_:]{0,12}/){0,3}[a-zA-Z0-9._\-]{0,12}(:[\w.\-]{0,12})?(@sha256:[0-9a-f]{62,66})?\n?")
    | st.text(max_size=40)
)
def test_what_the_center_takes_for_an_image_the_agent_takes_too(text: str) -> None:
    try:
        parsed = parse(text)
    except DockerFault as fault:
        assert fault.kind == "refused"
        assert fault_in(text) is not None or "@sha" in text or "[" in text, "the Center let it pass"
        return
    assert parse(parsed.pinned or parsed.name).name == parsed.name


@QUICK
@given(st.text(max_size=60) | st.lists(st.text(max_size=10), max_size=6).map(".".join))
def test_join_tokens_are_read_back_or_refused_with_a_reason(text: str) -> None:
    try:
        token = JoinToken.parse(text)
    except ValueError as error:
        assert "join token" in str(error)
        return
    assert JoinToken.parse(str(token)) == token
