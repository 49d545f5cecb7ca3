"""The process: exit codes and messages."""

from pathlib import Path

import pytest

from nodeagent.__main__ import main
from nodeagent.host import claim_folder


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROPE_DATA", "ROPE_CENTER", "ROPE_JOIN", "ROPE_INSECURE"):
        monkeypatch.delenv(name, raising=False)


def test_bad_options_end_it_with_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([]) == 2
    assert "--data DIR is missing" in capsys.readouterr().err
    assert main(["--data", str(tmp_path), "--center", "http://10.77.0.1:1"]) == 2
    assert "--insecure" in capsys.readouterr().err
    assert main(["--data", str(tmp_path)]) == 2
    assert "rope token create" in capsys.readouterr().err


def test_a_folder_in_use_ends_it_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with claim_folder(tmp_path):
        assert main(["--data", str(tmp_path)]) == 1
    assert "another agent" in capsys.readouterr().err


def test_a_damaged_identity_ends_it_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text("{")
    assert main(["--data", str(tmp_path)]) == 1
    assert "identity.json" in capsys.readouterr().err
