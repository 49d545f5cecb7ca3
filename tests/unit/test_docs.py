"""The pages for people: their links lead somewhere, and every `rope` command that they name exists."""

import re
from pathlib import Path

import click
import pytest

from ropeteam.root import rope

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?:^\s*\$? ?|`)rope ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    lost = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_named_exist(page: Path) -> None:
    named = COMMAND.findall(page.read_text())
    assert [(first, second) for first, second in named if not _known(first, second)] == []


def _known(first: str, second: str) -> bool:
    command = rope.get_command(click.Context(rope), first)
    if isinstance(command, click.Group) and second:
        return command.get_command(click.Context(command), second) is not None
    return command is not None
