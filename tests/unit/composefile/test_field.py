"""Single values: text, numbers, true and false, and the dollar."""

import pytest

from composefile.field import VALUE_MAX
from tests.unit.composefile.sample import web, web_error, web_warning


@pytest.mark.parametrize(
    ("written", "shown"), [("$HOME", "$HOME"), ("${HOME}", "${HOME}"), ("a-${A:-b}-c", "${A:-b}"), ("${open", "${open")]
)
def test_variables_are_errors(written: str, shown: str) -> None:
    problem = web_error(f'hostname: "{written}"')
    assert problem.message.startswith(f"{shown}: variables are not filled in")
    assert problem.fix == "Deploy with rope, which fills them in, or write $$ for a literal dollar."


def test_two_dollars_are_one() -> None:
    assert web("command: [echo, $$HOME, '$$$$']").command == ("echo", "$HOME", "$$")
    assert web_error("command: [costs 5$]").fix == "Write $$ for a literal dollar."


def test_variables_in_keys_are_left_alone() -> None:
    assert web("labels: {$A: b}").labels == {"$A": "b"}


def test_text_must_be_text() -> None:
    problem = web_error("hostname: 10")
    assert (problem.message, problem.fix) == ("must be text, not 10", 'Quote it: "10".')
    assert "single value" in web_error("hostname: [a]").message


@pytest.mark.parametrize(("written", "value"), [("true", True), ("'true'", True), ("False", False)])
def test_booleans(written: str, value: bool) -> None:
    assert web(f"init: {written}").init is value


def test_words_of_yaml_1_1_are_booleans_with_a_warning() -> None:
    assert web("init: yes").init and not web("init: off").init
    assert web_warning("init: yes").fix == "Write true or false."
    assert "true or false" in web_error("init: 1").message


@pytest.mark.parametrize("written", ["x", "1.5", "-1", "1001", "1e3", "9" * 40, "''", "[]", "0x10"])
def test_numbers_out_of_bounds_are_errors(written: str) -> None:
    assert web_error(f"deploy: {{replicas: {written}}}").field == "services.web.deploy.replicas"


@pytest.mark.parametrize("written", [".nan", ".inf", "0", "-1", "many", "1_0", "2000"])
def test_a_number_of_cores_is_finite_and_positive(written: str) -> None:
    assert web_error(f"deploy: {{resources: {{limits: {{cpus: {written}}}}}}}").field.endswith("limits.cpus")


def test_a_value_has_at_most_32_kib() -> None:
    assert web(f"environment: {{A: {'x' * VALUE_MAX}}}").environment["A"] == "x" * VALUE_MAX
    assert "longer than 32768 bytes" in web_error(f"environment: {{A: {'x' * (VALUE_MAX + 1)}}}").message
    assert "longer than 32768 bytes" in web_error(f"environment: {{A: {'北' * (VALUE_MAX // 2)}}}").message


def test_no_value_has_a_nul() -> None:
    assert "NUL" in web_error('environment: {A: "a\\0b"}').message
