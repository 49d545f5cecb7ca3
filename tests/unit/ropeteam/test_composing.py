"""Which project a Compose file is for."""

from pathlib import Path

import pytest

from ropeteam.composing import project_of, read_text
from ropeteam.fault import Exit, Fault


def test_the_option_wins_over_the_file_and_the_folder() -> None:
    assert project_of(b"name: inside", "/srv/folder/compose.yaml", "given") == "given"
    assert project_of(b"name: inside", "/srv/folder/compose.yaml", "") == "inside"
    assert project_of(b"services: {}", "/srv/folder/compose.yaml", "") == "folder"


def test_stdin_stands_for_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    assert project_of(b"services: {}", "-", "") == "shop"


@pytest.mark.parametrize(
    ("text", "file", "given"),
    [
        (b"services: {}", "/srv/My Shop/compose.yaml", ""),
        (b"name: My_Shop", "/srv/shop/compose.yaml", ""),
        (b"services: {}", "/srv/shop/compose.yaml", "Shop"),
    ],
)
def test_what_is_no_project_code_is_a_usage_error(text: bytes, file: str, given: str) -> None:
    with pytest.raises(Fault) as wrong:
        project_of(text, file, given)
    assert wrong.value.code == Exit.USAGE


@pytest.mark.parametrize("text", [b"a: [", b"\xff", b"- a", b""])
def test_a_file_that_cannot_be_read_is_left_to_the_center(text: bytes) -> None:
    assert project_of(text, "/srv/shop/compose.yaml", "") == "shop"


def test_a_missing_file_names_the_option() -> None:
    with pytest.raises(Fault, match="cannot read") as wrong:
        read_text("/nowhere/compose.yaml")
    assert wrong.value.then.startswith("Name the file with -f")
