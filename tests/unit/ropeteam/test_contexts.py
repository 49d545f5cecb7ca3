"""Centers a person has signed in to: the file, and which Center a command speaks to."""

import os
import stat
from pathlib import Path

import click
import pytest

from ropeteam import contexts
from ropeteam.contexts import Context, Contexts
from ropeteam.fault import Exit, Fault
from ropeteam.session import DEFAULT_URL, Session, spoken_to

HOME = Context(url="https://center.example", token="secret")


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "deep" / "config.toml"
    monkeypatch.setenv("ROPE_CONFIG", str(found))
    return found


def test_what_is_saved_is_loaded_and_only_its_owner_can_read_it(file: Path) -> None:
    made = Contexts().with_one("home", HOME).with_one("lab.1", Context(url="http://10.0.0.9:8080"))
    contexts.save(made)
    assert contexts.load() == made and made.current == "lab.1"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and os.listdir(file.parent) == ["config.toml"]


def test_no_file_is_no_context_and_a_broken_one_is_said(file: Path) -> None:
    assert contexts.load() == Contexts()
    file.parent.mkdir()
    for text in ("current = [", "current = 3", "[contexts.a]\nurl = 1"):
        file.write_text(text)
        with pytest.raises(Fault, match=r"config\.toml cannot be read"):
            contexts.load()


def test_a_context_that_is_removed_is_not_current_any_more() -> None:
    made = Contexts().with_one("home", HOME)
    assert made.without("home") == Contexts()
    with pytest.raises(Fault) as unknown:
        made.without("other")
    assert unknown.value.code == Exit.NOT_FOUND and "home" in unknown.value.then


@pytest.mark.parametrize("name", ["", "-a", "a b", 'a"', "x" * 41])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Fault, match="no name for a context"):
        Contexts().with_one(name, HOME)


def said(**given: str) -> Context:
    context = click.Context(click.Command("x"))
    context.obj = Session(**given)
    return spoken_to(context)


def test_without_a_word_it_is_the_current_context_else_this_machine() -> None:
    assert said() == Context(url=DEFAULT_URL)
    contexts.save(Contexts().with_one("home", HOME))
    assert said() == HOME


def test_what_is_said_wins() -> None:
    contexts.save(Contexts().with_one("lab", Context(url="http://lab", token="t")).with_one("home", HOME))
    assert said(context="lab") == Context(url="http://lab", token="t")
    assert said(token="other") == Context(url=HOME.url, token="other")
    assert said(url="http://a", token="b") == Context(url="http://a", token="b")
    with pytest.raises(Fault, match="no context 'none'"):
        said(context="none")


def test_a_token_goes_to_its_own_center_only() -> None:
    contexts.save(Contexts().with_one("home", HOME))
    assert said(url=HOME.url).token == "secret"
    assert said(url="http://elsewhere").token == ""
