"""What is printed reads back as the same tree, and its map leads back to every line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composefile.errors import Findings, Mark
from composefile.loading import same
from composefile.printing import print_tree, quote
from composefile.yamltext import Entry, Listing, Mapping, Node, Scalar, parse
from tests.unit.composefile.sample import FILE

MARK = Mark(file="a.yaml", line=7, column=3)


def text_node(text: str) -> Scalar:
    return Scalar(text=text, kind="text", mark=MARK)


def parsed(text: str) -> Mapping:
    findings = Findings()
    node = parse(text, findings)
    assert isinstance(node, Mapping) and findings.errors == ()
    return node


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "no",
        "Yes",
        "~",
        "null",
        "22:22",
        "1e3",
        "0x1",
        ".5",
        "- a",
        "a: b",
        "a #b",
        "#",
        "*a",
        "&a",
        "!x",
        "@",
        "%",
        "{",
        "[a",
        "a\nb\n",
        "\x85",
        "\u2028",
        "\ufeff",
        "\x00".replace("\x00", "\x1b"),
        "'",
        '"',
        "\\",
        "é🚀",
        "=",
        "<<",
        "?",
        "...",
        "---",
        "a:",
        "x" * 500,
    ],
)
def test_a_text_stays_a_text(text: str) -> None:
    tree = Mapping(
        entries=(
            Entry(key="k", mark=MARK, value=text_node(text)),
            Entry(key=text or "k2", mark=MARK, value=Listing(items=(text_node(text), text_node("z")), mark=MARK)),
        ),
        mark=MARK,
    )
    printed, _ = print_tree(tree)
    assert same(parsed(printed), tree)


@pytest.mark.parametrize("text", ["nginx:1.27", "/var/lib/data", "a b", "./x", "k=v", "user@example.com"])
def test_what_nobody_can_mistake_has_no_quotes(text: str) -> None:
    assert quote(text) == text


def test_a_whole_file_comes_back() -> None:
    tree = parsed(FILE)
    printed, sources = print_tree(tree)
    assert same(parsed(printed), tree)
    lines = printed.splitlines()
    assert {place[0] for place in sources.places} == set(range(1, len(lines) + 1))
    assert sources.files == ("",) and all(line >= 1 for *_, line, _ in sources.places)


values = st.recursive(
    st.text(max_size=8).filter(lambda t: "\0" not in t).map(text_node)
    | st.sampled_from(["1", "true", "~", "1.5"]).map(
        lambda t: Scalar(text=t, kind={"1": "int", "true": "bool", "~": "null", "1.5": "float"}[t], mark=MARK)  # type: ignore[arg-type]  # one of the kinds
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: Listing(items=tuple(items), mark=MARK))
        | st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda t: "\0" not in t), inner, max_size=3).map(
            lambda d: Mapping(entries=tuple(Entry(key=k, mark=MARK, value=v) for k, v in d.items()), mark=MARK)
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(values)
def test_any_tree_comes_back(value: Node) -> None:
    tree = Mapping(entries=(Entry(key="root", mark=MARK, value=value),), mark=MARK)
    printed, _ = print_tree(tree)
    back = parsed(printed)
    assert _texts(back) == _texts(tree)


def _texts(node: Node) -> object:
    match node:
        case Scalar():
            return None if node.kind == "null" else (node.text, node.kind)
        case Listing():
            return [_texts(item) for item in node.items]
        case Mapping():
            return {entry.key: _texts(entry.value) for entry in node.entries}
