"""How problems read."""

from composefile.errors import ComposeError, printable, render
from protocol.api import Problem


def test_lines_and_count() -> None:
    links = Problem(message="not supported: why", field="services.web.links", line=14, column=5, fix="Remove it.")
    plain = Problem(message="odd")
    assert render("compose.yaml", [links, plain]) == (
        "compose.yaml:14:5  services.web.links  not supported: why. Remove it.\n"
        "compose.yaml  odd.\n"
        "2 errors. Nothing was changed."
    )


def test_warnings_follow_and_change_nothing_by_themselves() -> None:
    warning = Problem(message="ignored: why", field="version", line=1, column=1)
    text = render("c.yaml", [], [warning])
    assert text == "c.yaml:1:1  version  warning: ignored: why.\n1 warning."
    both = render("c.yaml", [Problem(message="bad", line=2, column=1)], [warning])
    assert both.endswith("\n1 error, 1 warning. Nothing was changed.")


def test_no_terminal_obeys_a_file() -> None:
    assert printable("a\x1b[2J\nb") == r"a\x1b[2J\nb"
    assert len(printable("x" * 1000)) == 60


def test_the_exception_says_the_first() -> None:
    error = ComposeError([Problem(message="bad", field="name", line=3, column=1)])
    assert str(error) == "line 3: name: bad" and error.warnings == ()
