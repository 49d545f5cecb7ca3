"""Languages: the choice, the complete catalogues, and what the core says put into the reader's words."""

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import get_args

import jinja2
import msgspec
import pytest

import composefile
import controlplane.core
from composefile.errors import ComposeError
from composefile.read import read
from controlplane.core.deployment import DeploymentKind, DeploymentState, StepKind, StepState
from controlplane.core.node import NodeState
from controlplane.core.project import ProjectState
from controlplane.web.language import SENTENCE_MAX, Catalogue, Language, chosen, languages
from protocol.messages import Health, ReplicaState

CORE = Path(next(iter(controlplane.core.__path__)))
KINDS = (NodeState, ProjectState, ReplicaState, Health, DeploymentKind, DeploymentState, StepKind, StepState)
WORDS = {"draining", "unschedulable", "upgrading"} | {word for kind in KINDS for word in get_args(kind)}
CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
HOLE = re.compile(r"\{([a-z_]+)")


def catalogue(code: str) -> Catalogue:
    data = files("templates").joinpath("locale", f"{code}.json").read_bytes()
    return msgspec.json.decode(data, type=Catalogue)


def templates(folder: Traversable) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from templates(entry)
        elif entry.name.endswith(".html"):
            yield entry.read_text()


def messages() -> set[str]:
    """Every text of the templates, as the templates ask for it."""
    environment = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # added by the i18n extension
    found: set[str] = set()
    for source in templates(files("templates")):
        for _, _, text in environment.extract_translations(source):  # type: ignore[attr-defined]  # added by the i18n extension
            found.update(t for t in (text if isinstance(text, tuple) else (text,)) if t is not None)
    return found


def told_by_the_core() -> dict[str, str]:
    """Sentences of events in the core, with `abc` in each hole -> where."""
    found = {}
    for path in sorted(CORE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="event"), args=[_, text, *_]):
                    pass
                case ast.Tuple(elts=[ast.Constant(value=str(kind)), text]) if "." in kind:
                    pass
                case _:
                    continue
            if (sample := _sample(text)) is not None:
                found[sample] = f"{path.name}:{node.lineno}"
    return found


def _sample(text: ast.expr) -> str | None:
    match text:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(str(v.value) if isinstance(v, ast.Constant) else "abc" for v in values)
        case ast.BinOp(left=left):
            return _sample(left)
        case _:
            return None


OTHERS = [code for code in languages() if code != "en"]


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_of_a_template_is_translated_and_no_other(code: str) -> None:
    assert set(catalogue(code).messages) == messages()


@pytest.mark.parametrize("code", OTHERS)
def test_every_word_is_translated_and_no_other(code: str) -> None:
    assert set(catalogue(code).words) == WORDS


@pytest.mark.parametrize("code", OTHERS)
def test_translations_keep_their_holes(code: str) -> None:
    for source, target in catalogue(code).messages.items():
        assert set(re.findall(r"%\((\w+)\)s", source)) == set(re.findall(r"%\((\w+)\)s", target)), source
        target % dict.fromkeys(re.findall(r"%\((\w+)\)s", target), 1)
    for source, target in (catalogue(code).sentences | catalogue(code).problems).items():
        assert sorted(HOLE.findall(source)) == sorted(HOLE.findall(target)), source


@pytest.mark.parametrize("code", OTHERS)
def test_every_event_of_the_core_can_be_told(code: str) -> None:
    language, told = languages()[code], told_by_the_core()
    assert len(told) > 20
    missing = {where: text for text, where in told.items() if language.sentence(text) == text}
    assert not missing, "a pattern is missing in `sentences`"


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("3 of 3 healthy", "3/3 健康"),
        (
            "2 of 3 healthy; web/3 on fra-2 unhealthy: exit 7: connection refused",
            "2/3 健康；web/3（fra-2）不健康：exit 7: connection refused",
        ),
        (
            "deployment failed: cannot resolve web:2: node-1: no answer; 0 of 2 running",
            "部署失败：无法解析 web:2：node-1：无应答；0/2 运行中",
        ),
        ("node-1 offline: silent 15.2 s", "node-1 失联：静默 15.2 秒"),
        ("node-1 offline (held: nothing moves): silent 15.2 s", "node-1 失联（保持中，不做迁移）：静默 15.2 秒"),
        (
            "shop/web/1 placed on node-2 at 10.0.0.12:20431, 10.0.0.12:20432",
            "shop/web/1 放置到 node-2，地址 10.0.0.12:20431, 10.0.0.12:20432",
        ),
        (
            "waits for node-2, node-3, node-4, … to come back after the start of the Center",
            "等待 node-2, node-3, node-4, … 在 Center 启动后重新连接",
        ),
        ("deployment 5 rolled_back after 14.6 s", "部署 5 已回滚，用时 14.6 秒"),
        (
            "web/1 interrupted: volume data lives on node-1 (and 2 more)",
            "web/1 已中断：卷数据在 node-1 上（另有 2 个）",
        ),
        (
            "web/1 pending: node-1, node-2 and 3 more: port 8080 is taken by a/b; node-9: 300 MB short",
            "web/1 待放置：node-1, node-2 and 3 more：端口 8080 被 a/b 占用；node-9：缺 300 MB 内存",
        ),
    ],
)
def test_what_the_core_says_in_chinese(english: str, chinese: str) -> None:
    assert languages()["zh"].sentence(english) == chinese
    assert languages()["en"].sentence(english) == english


_NAMES = "choosing dotenv envfiles extending filling loading merging printing resolving sources variables"
BY_ROPE = frozenset(f"{name}.py" for name in _NAMES.split(" "))
"""Modules of `composefile` that only the command line uses, which speaks English."""


def said_of_files() -> dict[str, str]:
    """What the reader of Compose files says, with `abc` in each hole -> where. As far as it is written out there."""
    found = {}
    for path in sorted(Path(next(iter(composefile.__path__))).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())) if path.name not in BY_ROPE else ():
            match node:
                case ast.Call(func=ast.Attribute(attr="fault" | "error" | "warn"), args=args):
                    pass
                case ast.Call(func=ast.Name(id="permission" | "ignored" | "refused" | "not_yet"), args=args):
                    pass
                case _:
                    continue
            samples = (_sample(a) for a in args if isinstance(a, ast.Constant | ast.JoinedStr))
            found.update({text: f"{path.name}:{node.lineno}" for text in samples if text and " " in text})
    return found


@pytest.mark.parametrize("code", OTHERS)
def test_all_that_can_be_wrong_with_a_file_can_be_told(code: str) -> None:
    language, said = languages()[code], said_of_files()
    assert len(said) > 200
    assert {where: text for text, where in said.items() if language.problem(text) == text} == {}


BROKEN = """services:
  web:
    imagee: x
    privileged: true
    ports: ["99999", "x"]
    environment: {A: [1]}
    depends_on: [db]
    deploy: {replicas: many}
    healthcheck: {interval: 5}
    volumes: ["./here:/there", "data:/data"]
    build: .
    container_name: web
    gpus: all
    user: "$"
"""


def test_what_is_wrong_with_a_file_in_chinese() -> None:
    zh, en = languages()["zh"], languages()["en"]
    with pytest.raises(ComposeError) as found:
        read(BROKEN, project="shop", file="compose.yaml")
    problems = (*found.value.problems, *found.value.warnings)
    assert len(problems) >= 12
    left = [p.message for p in problems if not CHINESE.search(zh.problem(p.message))]
    assert left == []
    assert [en.problem(p.message) for p in problems] == [p.message for p in problems]
    assert zh.problem("node-1 is offline") == "node-1 失联", "what the core refuses is told there, too"


@pytest.mark.parametrize("text", ["", "something quite new", "x" * (SENTENCE_MAX + 1), "a;b", "{node}", "%(n)s"])
def test_what_no_pattern_fits_stays_as_it_is(text: str) -> None:
    assert languages()["zh"].sentence(text) == text


@pytest.mark.parametrize("filler", [": ", "; ", " on ", " failed on ", "(", " and 3 more", ", ", "a "])
def test_hostile_text_costs_little(filler: str) -> None:
    text = ("x" + filler) * (SENTENCE_MAX // (len(filler) + 1))
    assert isinstance(languages()["zh"].sentence(text), str)


def test_words_of_english_are_readable() -> None:
    assert languages()["en"].word("rolled_back") == "Rolled back"
    assert languages()["zh"].word("rolled_back") == "已回滚"


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "code"),
    [
        ("", "", "", "en"),
        ("zh", "en", "en", "zh"),
        ("xx", "zh", "en", "zh"),
        ("../zh", "", "", "en"),
        ("", "", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "", "de, en;q=0.3, zh;q=0.7", "zh"),
        ("", "", "zh;q=0, en", "en"),
        ("", "", "*;q=x,,;;=", "en"),
    ],
)
def test_the_query_is_before_the_cookie_before_the_browser(asked: str, kept: str, accepted: str, code: str) -> None:
    assert chosen(("en", "zh"), asked, kept, accepted) == code


def test_a_text_without_translation_is_shown_in_english() -> None:
    language = Language("xx", Catalogue(tag="xx", name="X"))
    assert (language.message("Nodes"), language.word("running")) == ("Nodes", "Running")
