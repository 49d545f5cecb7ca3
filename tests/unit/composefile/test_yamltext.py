"""YAML rules, places, and what a hostile file runs into."""

import time

import pytest

from composefile.yamltext import TEXT_MAX
from tests.unit.composefile.sample import compose, errors, service, web, web_error


def test_yaml_1_2_words_are_text() -> None:
    assert web("restart: no").restart == "no"
    assert web("environment: {A: yes, B: 22:22, C: 1_000}").environment == {"A": "yes", "B": "22:22", "C": "1_000"}


def test_quoted_and_tagged_values_are_text() -> None:
    assert web("environment: {A: '1.10', B: !!str 1.10, C: ! 1.10}").environment == dict.fromkeys("ABC", "1.10")


def test_a_key_given_twice_names_the_first() -> None:
    (problem,) = errors("services:\n  web:\n    image: a\n    init: true\n    image: b\n")
    assert (problem.line, problem.column, problem.field) == (5, 5, "services.web.image")
    assert problem.message == "given twice; first in line 3"


def test_broken_yaml_names_the_line() -> None:
    (problem,) = errors("services:\n  web: [\n")
    assert problem.message.startswith("not YAML: ") and problem.line == 3
    (tab,) = errors("services:\n\tweb:\n")
    assert (tab.line, tab.column) == (2, 1) and "spaces" in tab.fix
    (colon,) = errors("services:\n  web: a: b\n")
    assert colon.line == 2 and "Quote" in colon.fix.title()


def test_what_was_found_before_the_break_is_told_too() -> None:
    found = errors("name: shop\nname: shop\nservices: [\n")
    assert [p.line for p in found] == [2, 4]


def test_unreadable_characters_have_a_place() -> None:
    (control,) = errors("services:\n  web:\n    image: a\x01b\n")
    assert (control.line, control.column) == (3, 13) and "#x0001" in control.message
    (surrogate,) = errors("services:\n  \ud800: 1\n")
    assert (surrogate.line, surrogate.column) == (2, 3)
    (escaped,) = errors('services: {web: {image: "\\ud800"}}\n')
    assert "surrogate" in escaped.message


@pytest.mark.parametrize("text", ["%YAML 1.1\n---\na: b\n", "a: b\n---\na: b\n", "? [a]\n: b\n", ": b\n", "a: *b\n"])
def test_constructs_a_compose_file_has_no_use_for(text: str) -> None:
    (problem,) = errors(text)
    assert problem.line and problem.fix


def test_unknown_tags() -> None:
    problem = web_error("environment: !reset {}")
    assert problem.message == 'the tag "!reset" is not supported' and "Deploy with rope" in problem.fix
    assert web_error("environment: {A: !!int x}").message == '"x" is not of the type int'


def test_a_byte_order_mark_and_windows_lines_are_fine() -> None:
    assert compose("\ufeff" + service("init: true").replace("\n", "\r\n")).spec.services["web"].init


def test_merge_keys() -> None:
    text = """
x-a: &a {hostname: a, user: a}
x-b: &b {user: b, init: true}
services: {web: {<<: [*a, *b], image: x, hostname: own}}
"""
    spec = compose(text).spec.services["web"]
    assert (spec.hostname, spec.user, spec.init) == ("own", "a", True)


def test_merge_takes_mappings_only() -> None:
    (text,) = errors("x-a: &a 1\nservices: {web: {<<: *a, image: x}}\n")
    assert "<< takes a mapping" in text.message
    (twice,) = errors("x-a: &a {}\nservices: {web: {<<: *a, <<: *a, image: x}}\n")
    assert twice.fix == "Write it once: <<: [*a, *b]."
    assert web_error("'<<': {init: true}").message == "unknown key"


def test_an_anchor_cannot_contain_itself() -> None:
    (problem,) = errors("a: &a [*a]\n")
    assert "contains itself" in problem.message


def bomb(line: str, first: str) -> str:
    levels = [f"a0: &a0 {first}\n"]
    levels += [f"a{i}: &a{i} {line.format(', '.join([f'*a{i - 1}'] * 10))}\n" for i in range(1, 10)]
    return "".join(levels)


MANY_ERRORS = "services: {a: {image: x, " + ", ".join(f"k{i}: 1" for i in range(4000)) + "}}"
HOSTILE = {
    "aliases": (bomb("[{}]", "x"), "more than 10000 values"),
    "merges": (bomb("{{<<: [{}]}}", "{k: v}"), "more than 10000 values"),
    "long text many times": (
        "x: &a " + "y" * 400_000 + "\nz: [" + "*a, " * 1000 + "]\n",
        "more than 2097152 characters",
    ),
    "depth": ("[" * 5000, "deeper than 64"),
    "depth of keys": ("? " * 5000, "deeper than 64"),
    "a long tag": ("!" * 900_000, "a tag of more than 128"),
    "many values": ("a: [" + "x," * 20_000 + "]", "more than 10000 values"),
    "many errors": (MANY_ERRORS, "unknown key"),
    "many ports": (
        "services: {a: {image: x, ports: [" + "1-250:1-250, " * 4000 + "]}}",
        "more than 256 published ports",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_soon(name: str) -> None:
    text, why = HOSTILE[name]
    start = time.perf_counter()
    assert why in errors(text)[0].message
    assert time.perf_counter() - start < 5.0


def test_the_most_values_a_file_may_have() -> None:
    values = 10_000 - 9  # the root, two for x-a, six from services down to the image
    assert compose("x-a: [" + "x," * values + "]\nservices: {web: {image: x}}\n")
    (problem,) = errors("x-a: [" + "x," * (values + 1) + "]\nservices: {web: {image: x}}\n")
    assert "more than 10000 values" in problem.message


def test_a_file_has_at_most_1_mib() -> None:
    text = service("") + "#" * TEXT_MAX
    (problem,) = errors(text)
    assert "at most 1048576" in problem.message
    assert compose(text[:TEXT_MAX])


def test_a_list_of_errors_ends_somewhere() -> None:
    found = errors(MANY_ERRORS)
    assert len(found) == 501 and found[-1].message == "more errors are not shown"
