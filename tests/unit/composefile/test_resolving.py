"""Files in memory -> one file: what the cases in `tests/compose_files` do not say, limits, and any text at all."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composefile.errors import ComposeError, render
from composefile.read import read
from composefile.resolving import Resolved, load, resolve
from composefile.sourcemap import in_sources
from composefile.sources import FILES_MAX, Request, Unreadable
from protocol.api import Problem
from tests.unit.composefile.sample import FILE
from tests.unit.composefile.test_robustness import SCRAPS, change

Files = Mapping[str, str]


def resolved(files: Files, *names: str, **asked: Any) -> Resolved:
    def read_file(path: str) -> str:
        if path not in files:
            raise Unreadable("there is no such file", missing=True)
        return files[path]

    loaded = load(Request(files=names or ("compose.yaml",), **asked), read_file)
    return resolve(loaded, loaded.name or "shop")


def problems(files: Files, *names: str, **asked: Any) -> tuple[Problem, ...]:
    with pytest.raises(ComposeError) as caught:
        resolved(files, *names, **asked)
    return caught.value.problems


def test_the_sample_goes_through_unchanged() -> None:
    found = resolved({"compose.yaml": FILE})
    assert found.compose.spec == read(FILE, project="shop").spec == read(found.text, project="shop").spec
    assert found.sources.files[0] == "compose.yaml"


def test_a_project_that_is_chosen_wins_over_the_name_in_the_file() -> None:
    found = resolved({"compose.yaml": "name: a\nservices: {w: {image: 'x:$COMPOSE_PROJECT_NAME'}}"}, project="b")
    assert (found.compose.spec.code, found.compose.spec.services["w"].image) == ("b", "x:b")
    assert found.text.startswith("name: b\n")


def test_what_the_center_finds_is_told_in_the_users_files() -> None:
    files = {
        "compose.yaml": "services:\n  web:\n    image: nginx\n    extends: {file: b.yaml, service: s}\n",
        "b.yaml": "services:\n  s:\n    environment:\n      - A=1\n    env_file: c.env\n    ports: ['80:80']\n",
        "c.env": "\n\nLONG=x\n",
    }
    found = resolved(files)
    lines = found.text.splitlines()

    def place(text: str) -> tuple[str, int, int]:
        number = next(index for index, line in enumerate(lines, 1) if text in line)
        column = len(lines[number - 1]) - len(lines[number - 1].lstrip(" -")) + 1
        (problem,) = in_sources([Problem(message="m", line=number, column=column)], found.sources)
        return problem.file, problem.line, problem.column

    assert place("image:") == ("compose.yaml", 3, 5)
    assert place("A:") == ("b.yaml", 4, 9)
    assert place("LONG:") == ("c.env", 3, 1)
    assert place("80:80") == ("b.yaml", 6, 13)


def test_files_read_are_limited() -> None:
    many = "\n".join(f"  - path: gone{i}.env\n    required: false" for i in range(FILES_MAX + 5))
    text = "services:\n  web:\n    image: x\n    env_file:\n" + many.replace("  - ", "      - ").replace(
        "\n    r", "\n        r"
    )
    assert problems({"compose.yaml": text})[0].message == f"more than {FILES_MAX} files"


def test_a_file_that_includes_much_of_itself_ends() -> None:
    files = {"compose.yaml": "include: [a.yaml, a.yaml]\nservices: {w: {image: x}}"}
    for index, name in enumerate("abcdefghij"):
        following = "abcdefghijk"[index + 1]
        files[f"{name}.yaml"] = f"include: [{following}.yaml, {following}.yaml]\n"
    files["k.yaml"] = "services: {k: {image: x}}"
    assert any("more than" in problem.message for problem in problems(files))


def test_a_result_that_is_too_large_is_refused() -> None:
    text = "services:\n" + "".join(f"  s{i}:\n    image: x\n    env_file: big.env\n" for i in range(60))
    big = "\n".join(f"V{i}={'x' * 1000}" for i in range(30))
    (problem,) = problems({"compose.yaml": text, "big.env": big})
    assert "a file has at most" in problem.message


def test_merging_keeps_the_place_of_what_is_kept() -> None:
    files = {
        "a.yaml": "services:\n  web:\n    image: x\n    links: [a]\n",
        "b.yaml": "services:\n  web:\n    image: y\n    links:\n",
    }
    (problem,) = problems(files, "a.yaml", "b.yaml")
    assert (problem.file, problem.line) == ("a.yaml", 4)


@pytest.mark.parametrize(
    ("base", "over", "image"), [("x", "y", "y"), ("x", "", "x"), ("x", "!reset y", None), ("x", "!override y", "y")]
)
def test_one_value_over_another(base: str, over: str, image: str | None) -> None:
    files = {"a": f"services: {{w: {{image: {base}}}}}", "b": f"services: {{w: {{image: {over}}}}}"}
    if image is None:
        assert problems(files, "a", "b")[0].message == "a service needs image"
    else:
        assert resolved(files, "a", "b").compose.spec.services["w"].image == image


def test_forms_that_do_not_meet_name_the_service() -> None:
    text = "services: {a: {image: x, ports: ['80']}, b: {extends: a, ports: {http: 80}}}"
    (problem,) = problems({"compose.yaml": text})
    assert problem.field == "services.b.ports" and "a list in compose.yaml line 1" in problem.message


def test_an_override_counts_only_among_the_files_it_is_in() -> None:
    files = {
        "base": "services: {w: {image: x, ports: ['80']}}",
        "over": "include: [{path: [inc, inc2]}]\n",
        "inc": "services: {w: {image: x, ports: ['81']}}",
        "inc2": "services: {w: {ports: !override ['82']}}",
    }
    ports = resolved(files, "base", "over").compose.spec.services["w"].ports
    assert [port.container for port in ports] == [80, 82]


def test_a_command_over_a_command_may_be_nothing() -> None:
    files = {"a": "services: {w: {image: x, command: run, init: true}}", "b": "services: {w: {command: , init: }}"}
    service = resolved(files, "a", "b").compose.spec.services["w"]
    assert (service.command, service.init) == (None, True)


def test_a_service_may_be_reset_as_a_whole() -> None:
    files = {"a": "services: {w: {image: x}, d: {image: x}}", "b": "services: {d: !reset null}"}
    assert list(resolved(files, "a", "b").compose.spec.services) == ["w"]


def test_names_without_a_value_come_from_the_variables() -> None:
    text = "services: {w: {image: x, env_file: e.env, environment: {A: , B: , C: }}}"
    found = resolved(
        {"compose.yaml": text, "e.env": "A=file\nC=file\nD=file$C", ".env": "A=dotenv"}, environment={"B": "sh$ell"}
    )
    assert found.compose.spec.services["w"].environment == {"A": "dotenv", "B": "sh$ell", "D": "filefile"}
    (warning,) = found.compose.warnings
    assert warning.field == "services.w.environment.C" and "left out" in warning.message


def test_extension_fields_are_not_filled_in() -> None:
    text = "x-a: &a ${NOPE:?}\nservices: {w: {image: x, x-b: '${NOPE:?}', hostname: *a}}"
    (problem,) = problems({"compose.yaml": text})
    assert problem.field == "services.w.hostname"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("include: a.yaml", "include"),
        ("include: [{env_file: x}]", "include[0]"),
        ("include: [[a]]", "include[0]"),
        ("include: [{path: a, paht: b}]", "include[0].paht"),
        ("services: {w: {image: x, extends: [a]}}", "services.w.extends"),
        ("services: {w: {image: x, extends: {file: a.yaml}}}", "services.w.extends"),
        ("services: {w: {image: x, extends: {service: w}}}", "services.w.extends"),
        ("services: {w: {image: x, env_file: {path: a}}}", "services.w.env_file"),
        ("services: {w: {image: x, env_file: ['']}}", "services.w.env_file[0]"),
        ("services: {w: {image: x, env_file: [{required: false}]}}", "services.w.env_file[0]"),
        ("services: {w: {image: x, env_file: [{path: e, format: json}]}}", "services.w.env_file[0].format"),
        ("services: {w: {image: x, profiles: {a: b}}}", "services.w.profiles"),
        ("services: [a]", "services"),
    ],
)
def test_wrong_forms(text: str, field: str) -> None:
    found = problems({"compose.yaml": text, "a.yaml": "services: {}", "e": "A=1"})
    assert field in [problem.field for problem in found]


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(change, min_size=1, max_size=4), st.sampled_from(["!reset ", "!override ", "${A:-", "$A", *SCRAPS]))
def test_any_files_give_only_compose_errors(changes: list[tuple[int, int, str]], scrap: str) -> None:
    text = FILE
    for start, length, new in changes:
        text = text[:start] + new + text[start + length :]
    over = (
        f"services:\n  web:\n    env_file: e.env\n    ports: {scrap}\n    environment: {{A: {scrap}}}\n  db: {scrap}\n"
    )
    try:
        found = resolved({"a": FILE, "b": text, "c": over, "e.env": text[:200]}, "a", "b", "c")
    except ComposeError as error:
        assert error.problems
        shown = render("compose.yaml", error.problems, error.warnings)
        assert all(line.isprintable() for line in shown.split("\n"))
    else:
        assert read(found.text, project=found.compose.spec.code).spec == found.compose.spec
