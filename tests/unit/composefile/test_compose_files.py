"""Real-world style Compose files, each deployed or refused exactly as its `expect.yaml` says.

A case is a folder of `tests/compose_files`: the files a person has, and beside them what was asked for (`request`), the
services that are deployed, what of the specification matters (`spec`, a part of the whole), and every error and warning
as it reads on a terminal.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from composefile.errors import ComposeError, render
from composefile.read import read
from composefile.resolving import Resolved, load, resolve
from composefile.sourcemap import in_sources
from composefile.sources import Request, Unreadable
from protocol.api import Problem
from protocol.spec import ProjectSpec

CASES = Path(__file__).parents[2] / "compose_files"
NAMES = sorted(folder.name for folder in CASES.iterdir() if (folder / "expect.yaml").is_file())
FOLDER = "case"
"""The project of a case that names none."""


class Expected(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A sidecar."""

    about: str
    request: dict[str, Any] = {}
    services: list[str] = []
    spec: dict[str, Any] = {}
    warnings: list[str] = []
    errors: list[str] = []


def expected(name: str) -> Expected:
    return msgspec.convert(YAML(typ="safe", pure=True).load(CASES / name / "expect.yaml"), Expected)


def resolved(name: str, asked: Mapping[str, Any]) -> Resolved:
    def read_file(path: str) -> str:
        try:
            return (CASES / name / path).read_bytes().decode("utf-8-sig")
        except FileNotFoundError as error:
            raise Unreadable("there is no such file", missing=True) from error
        except UnicodeDecodeError as error:
            raise Unreadable("it is not UTF-8") from error

    request = msgspec.convert({"files": ["compose.yaml"], **asked}, Request)
    loaded = load(request, read_file)
    return resolve(loaded, loaded.name or FOLDER)


def told(problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> list[str]:
    return render("compose.yaml", problems, warnings).splitlines()[:-1]


def assert_part(part: object, whole: object, path: str) -> None:
    """`part` is in `whole`: mappings may have more keys, everything else is equal."""
    if isinstance(part, dict) and isinstance(whole, dict):
        for key, value in part.items():
            assert key in whole or value in (None, [], {}), f"{path}.{key} is not there"
            assert_part(value, whole.get(key, value), f"{path}.{key}")
    elif isinstance(part, list) and isinstance(whole, list):
        assert len(part) == len(whole), f"{path}: {whole}"
        for index, (one, other) in enumerate(zip(part, whole, strict=True)):
            assert_part(one, other, f"{path}[{index}]")
    else:
        assert part == whole, path


def spelt_out(spec: ProjectSpec) -> dict[str, Any]:
    """Every field by name, also those with their default value, as JSON would say it."""

    def spell(value: object) -> object:
        match value:
            case msgspec.Struct():
                return {name: spell(getattr(value, name)) for name in value.__struct_fields__}
            case dict():
                return {key: spell(item) for key, item in value.items()}
            case tuple():
                return [spell(item) for item in value]
            case _:
                return value

    found = spell(spec)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_deployed_or_refused_as_it_says(name: str) -> None:
    wanted = expected(name)
    assert wanted.about and bool(wanted.services) != bool(wanted.errors)
    try:
        found = resolved(name, wanted.request)
    except ComposeError as error:
        assert told(error.problems, error.warnings) == wanted.errors + wanted.warnings
        return
    assert told((), found.compose.warnings) == wanted.warnings
    assert not wanted.errors, "it was deployed"
    spec = spelt_out(found.compose.spec)
    assert sorted(spec["services"]) == wanted.services
    assert_part(wanted.spec, spec, "spec")
    at_the_center = read(found.text, project=found.compose.spec.code)
    assert at_the_center.spec == found.compose.spec
    known = {(p.file, p.line, p.field, p.message) for p in found.compose.warnings}
    again = in_sources(at_the_center.warnings, found.sources)
    assert {(p.file, p.line, p.field, p.message) for p in again} <= known


def test_there_are_enough_of_them() -> None:
    assert len(NAMES) >= 40
    refused = [name for name in NAMES if expected(name).errors]
    assert 10 <= len(refused) <= len(NAMES) - 20
