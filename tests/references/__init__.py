"""Reference pages that are made from the code, so that they cannot lie. `python -m tests.references` writes them;
tests/unit/test_references.py compares. Docs that people write are not made here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.references import cli, configuration

_DOCS = Path(__file__).parents[2] / "docs"

PAGES: Mapping[Path, Callable[[], str]] = {
    _DOCS / "cli.md": cli.page,
    _DOCS / "configuration.md": configuration.page,
}
"""Where each page lies, and what makes its text."""
