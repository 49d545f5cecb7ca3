"""Compose files on this machine: which are taken, which project they are for, what is sent, what is wrong."""

import io
import sys
from pathlib import Path

import pytest

from composefile.read import read
from protocol.api import DeployRequest, PlanAnswer, Problem
from ropeteam.composing import BadFiles, Composed, Said, compose, project_of
from ropeteam.fault import Exit, Fault
from tests.unit.ropeteam.conftest import Rope
from tests.unit.ropeteam.fake_api import FakeApi

WEB = "services: {web: {image: 'nginx:${TAG:-1}'}}\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder `shop`, where commands are given."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("TAG", "COMPOSE_FILE", "COMPOSE_ENV_FILES", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return folder


def image(composed: Composed) -> str:
    return composed.resolved.compose.spec.services["web"].image


def test_the_option_wins_over_the_file_and_the_folder() -> None:
    assert project_of("inside", "/srv/folder/compose.yaml", "given") == "given"
    assert project_of("inside", "/srv/folder/compose.yaml", "") == "inside"
    assert project_of("", "/srv/folder/compose.yaml", "") == "folder"


def test_stdin_stands_for_the_current_folder(shop: Path) -> None:
    assert project_of("", "-", "") == "shop"


@pytest.mark.parametrize(
    ("name", "file", "given"),
    [("", "/srv/My Shop/compose.yaml", ""), ("My_Shop", "/srv/shop/compose.yaml", ""), ("", "/srv/shop/a", "Shop")],
)
def test_what_is_no_project_code_is_a_usage_error(name: str, file: str, given: str) -> None:
    with pytest.raises(Fault) as wrong:
        project_of(name, file, given)
    assert wrong.value.code == Exit.USAGE


@pytest.mark.parametrize("name", ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"])
def test_files_are_found_as_compose_finds_them(name: str, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / name).write_text(WEB)
    assert compose(Said()).file == name
    (shop / name.replace(".y", ".override.y")).write_text("services: {web: {image: other}}")
    assert image(compose(Said())) == "other"
    (shop / "below").mkdir()
    monkeypatch.chdir(shop / "below")
    found = compose(Said())
    assert (found.file, found.project, image(found)) == (f"../{name}", "shop", "other")


def test_compose_file_names_files(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "a.yaml").write_text(WEB)
    (shop / "b.yaml").write_text("services: {web: {init: true}}")
    monkeypatch.setenv("COMPOSE_FILE", "a.yaml:b.yaml")
    assert compose(Said()).resolved.compose.spec.services["web"].init
    assert compose(Said(files=("a.yaml",))).resolved.compose.spec.services["web"].init is False
    monkeypatch.delenv("COMPOSE_FILE")
    (shop / ".env").write_text("COMPOSE_FILE=a.yaml|b.yaml\nCOMPOSE_PATH_SEPARATOR=|\nTAG=7\n")
    both = compose(Said()).resolved.compose.spec.services["web"]
    assert (both.init, both.image) == (True, "nginx:7")
    (shop / "c.env").write_text("TAG=8")
    monkeypatch.setenv("COMPOSE_ENV_FILES", "c.env")
    assert image(compose(Said(files=("a.yaml",)))) == "nginx:8"


def test_no_file_at_all_says_what_to_name(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ropeteam.composing.NAMES", ("no-such-compose.yaml",))
    with pytest.raises(Fault, match="no no-such-compose") as wrong:
        compose(Said())
    assert wrong.value.code == Exit.USAGE and "-f" in wrong.value.then


def test_variables_come_from_the_environment_then_from_files(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "compose.yaml").write_text(WEB)
    assert image(compose(Said())) == "nginx:1"
    (shop / ".env").write_text("TAG=2")
    assert image(compose(Said())) == "nginx:2"
    (shop / "prod.env").write_text("TAG=3")
    assert image(compose(Said(env_files=("prod.env",)))) == "nginx:3"
    monkeypatch.setenv("TAG", "4")
    assert image(compose(Said(env_files=("prod.env",)))) == "nginx:4"


def test_the_project_may_come_from_the_environment(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "compose.yaml").write_text("name: inside\n" + WEB)
    assert compose(Said()).project == "inside"
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "outside")
    assert compose(Said()).project == "outside"
    given = compose(Said(project="given"))
    assert given.project == given.resolved.compose.spec.code == "given"


def test_what_is_sent_means_the_same_at_the_center(shop: Path) -> None:
    (shop / "compose.yaml").write_text(WEB)
    composed = compose(Said())
    request = composed.body()
    assert isinstance(request, DeployRequest) and request.sources == composed.resolved.sources
    assert read(request.compose, project="shop").spec == composed.resolved.compose.spec


def test_a_source_map_that_does_not_fit_is_left_out(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "compose.yaml").write_text(WEB)
    monkeypatch.setattr("ropeteam.composing._BODY_MAX", 60)
    composed = compose(Said())
    assert composed.body() == composed.resolved.text.encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such file"),
        (b"\xff", "not UTF-8"),
        (b"#" * (1024 * 1024 + 1), "more than 1048576 bytes"),
        (b"", "the file is empty"),
        (b"[]", "must be a mapping"),
        (b"a: [", "not YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(content: bytes | None, why: str, shop: Path) -> None:
    if content is not None:
        (shop / "compose.yaml").write_bytes(content)
    with pytest.raises(BadFiles) as wrong:
        compose(Said(files=("compose.yaml",)))
    assert why in wrong.value.problems[0].message


def test_a_folder_is_no_file(shop: Path) -> None:
    with pytest.raises(BadFiles) as wrong:
        compose(Said(files=(".",)))
    assert wrong.value.problems[0].message == "cannot read .: Is a directory"


def test_every_error_of_every_file_is_shown_and_nobody_is_asked(rope: Rope, api: FakeApi, shop: Path) -> None:
    (shop / "a.yaml").write_text("services:\n  web:\n    image: 'x:${NOPE:?set it}'\n    links: [db]\n")
    (shop / "b.yaml").write_text("services:\n  web:\n    comand: x\n    build: .\n")
    ran = rope("deploy", "-f", "a.yaml", "-f", "b.yaml")
    assert ran.code == Exit.ERROR and ran.out == "" and api.asked == []
    assert ran.err.splitlines() == [
        "rope: the Compose file has 3 errors; nothing was changed",
        "a.yaml:3:5  services.web.image  NOPE is not set: set it. "
        "Set NOPE in the environment, in .env or with --env-file.",
        "a.yaml:4:5  services.web.links  not supported: containers find each other by service name. Remove it.",
        'b.yaml:3:5  services.web.comand  unknown key. Did you mean "command"?',
        "b.yaml:4:5  services.web.build  warning: ignored: the Center never builds; it runs image. "
        "Remove it, or keep it for docker compose.",
    ]


def test_compose_config_prints_the_resolved_file(rope: Rope, api: FakeApi, shop: Path) -> None:
    (shop / "compose.yaml").write_text(WEB)
    ran = rope("compose", "config", "--set-image", "web=nginx:9")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "name: shop\nservices:\n  web:\n    image: nginx:9\n"
    assert rope("plan", "--print").out == ran.out.replace("nginx:9", "nginx:1")
    assert rope("compose", "config", "-q").out == "" and api.asked == []


def test_wrong_options_are_usage_errors(rope: Rope, shop: Path) -> None:
    (shop / "compose.yaml").write_text(WEB)
    assert rope("compose", "config", "--set-image", "web").code == Exit.USAGE
    unknown = rope("compose", "config", "--set-image", "webb=x", "--profile", "debug")
    assert unknown.code == Exit.ERROR
    assert '--set-image  "webb" is no service. Did you mean "web"?' in unknown.err
    assert '--profile  warning: no service has the profile "debug". Leave it out.' in unknown.err


def test_what_is_printed_can_be_piped_back(rope: Rope, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "compose.yaml").write_text(WEB)
    once = rope("compose", "config").out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(once.encode())))
    assert rope("compose", "config", "-f", "-").out == once


def test_deploy_dry_run_shows_the_plan_and_changes_nothing(rope: Rope, api: FakeApi, shop: Path) -> None:
    (shop / "compose.yaml").write_text(WEB + "version: '3'\n")
    again = Problem(message="ignored: obsolete in Compose", field="version", line=2, column=1, fix="Remove it.")
    other = Problem(message="db is elsewhere")
    api.on("POST projects/shop/plan", PlanAnswer(project="shop", unchanged=True, steps=(), warnings=(again, other)))
    ran = rope("deploy", "--dry-run")
    assert ran.code == 0 and [asked.method for asked in api.asked] == ["POST"]
    assert ran.err.splitlines() == [
        "compose.yaml:2:1  version  warning: ignored: obsolete in Compose. Remove it.",
        "warning: db is elsewhere",
        "shop: nothing to do",
    ]
