"""The reference pages say what the code says: no command, option or variable is left out, and they are up to date."""

import re
from pathlib import Path

import click
import pytest

from controlplane.settings import read_settings as read_center
from nodeagent.settings import read_settings as read_agent
from tests.references import PAGES, cli, configuration

ROOT = Path(__file__).parents[2]
INNER = {"ROPE_COMPLETE", "ROPE_RESULTS"}
"""Variables of a shell's completion and of the tests: nobody sets them."""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_page_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path](), "make references"


def test_a_terminal_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cli.page()
    for name, value in (("COLUMNS", "40"), ("FORCE_COLOR", "1"), ("LC_ALL", "C"), ("ROPE_URL", "http://10.9.9.9:1")):
        monkeypatch.setenv(name, value)
    assert cli.page() == before


def test_every_option_of_every_command_is_there() -> None:
    text = cli.page()
    for name, command in cli.commands():
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert all(one in section for one in option.opts), (name, option.opts)


@pytest.mark.parametrize(("read", "heading"), [(read_center, "Center"), (read_agent, "Agent")])
def test_the_processes_have_no_other_options(read: object, heading: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        assert callable(read)
        read(["--help"], {})
    own = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE)) - {"--help"}
    section = configuration.page().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    assert own == set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))


def test_every_variable_in_the_sources_is_there() -> None:
    folders = ("controlplane", "nodeagent", "ropeteam", "deploy")
    files = [f for folder in folders for f in (ROOT / folder).rglob("*") if f.suffix in (".py", ".yaml", ".service")]
    found = {name for f in files for name in re.findall(r"\bROPE_[A-Z_]*[A-Z]\b", f.read_text(encoding="utf-8"))}
    assert len(found) > 20
    page = configuration.page()
    assert sorted(name for name in found - INNER if f"`{name}`" not in page) == []
