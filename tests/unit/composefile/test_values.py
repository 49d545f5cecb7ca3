"""Command lines, environment and labels: Compose's rules."""

import pytest

from tests.unit.composefile.sample import web, web_error, web_warning


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('sh -c "echo hi"', ("sh", "-c", "echo hi")),
        ("[sh, -c, echo hi]", ("sh", "-c", "echo hi")),
        ("[sleep, 10, true]", ("sleep", "10", "true")),
        ('""', ()),
        ("[]", ()),
    ],
)
def test_command_lines(written: str, words: tuple[str, ...]) -> None:
    assert web(f"command: {written}").command == words
    assert web(f"entrypoint: {written}").entrypoint == words


def test_no_command_is_the_images_own() -> None:
    assert web("command:").command is None


def test_an_open_quote_is_an_error() -> None:
    assert "cannot be split" in web_error("command: 'echo \"a'").message
    assert web_error("command: [a, [b]]").field == "services.web.command[1]"
    assert web_error("command: [a, ~]").message == "has no value"


def test_environment_as_map_and_as_list() -> None:
    as_map = web("environment: {A: b, EMPTY: '', N: 1}").environment
    assert as_map == {"A": "b", "EMPTY": "", "N": "1"}
    assert web("environment: [A=b, EMPTY=, N=1]").environment == as_map
    assert web("environment: [URL=a=b]").environment == {"URL": "a=b"}


@pytest.mark.parametrize("written", ["{A: }", "{A: ~}", "[A]"])
def test_a_variable_without_a_value_is_an_error(written: str) -> None:
    problem = web_error(f"environment: {written}")
    assert "no shell environment" in problem.message and problem.fix == "Write A: VALUE."


@pytest.mark.parametrize("written", ["{'A B': x}", "['=x']", "{1A: x}", "[A=1, A=2]", "[1]", "x", "{A: [b]}"])
def test_environment_errors(written: str) -> None:
    assert web_error(f"environment: {written}").message


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1.10", "1.1"),
        ("True", "true"),
        ("0x1F", "31"),
        ("0o17", "15"),
        ("+5", "5"),
        ("1e3", "1000"),
        ("1e21", "1e+21"),
        ("0.00001", "1e-05"),
        ("123456789.5e1", "1234567895"),
        ("-0.50", "-0.5"),
    ],
)
def test_numbers_become_what_compose_makes_of_them_with_a_warning(written: str, text: str) -> None:
    assert web(f"environment: {{A: {written}}}").environment == {"A": text}
    assert web_warning(f"environment: {{A: {written}}}").message == f'{written} becomes "{text}", as in Compose'


@pytest.mark.parametrize("written", ["0", "8080", "-5", "1.5", "true", "9" * 30])
def test_numbers_that_stay_as_they_are(written: str) -> None:
    assert web(f"environment: {{A: {written}}}").environment == {"A": written}


@pytest.mark.parametrize("written", ["0755", ".inf", ".nan", "1e999"])
def test_numbers_nobody_can_be_sure_of(written: str) -> None:
    assert web_error(f"environment: {{A: {written}}}").fix == f'Quote it: "{written}".'


def test_labels_as_map_and_as_list() -> None:
    assert web("labels: {a.b: c, empty: , n: 1}").labels == {"a.b": "c", "empty": "", "n": "1"}
    assert web("labels: [a.b=c, empty, n=1]").labels == {"a.b": "c", "empty": "", "n": "1"}


@pytest.mark.parametrize("written", ["{ropeteam.node: x}", "[ropeteam.x]", "{'': x}", '{"a\\nb": x}', "[a=1, a=2]"])
def test_labels_that_are_refused(written: str) -> None:
    assert web_error(f"labels: {written}").fix
