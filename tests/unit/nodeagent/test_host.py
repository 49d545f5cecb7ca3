"""The machine's boot and the claim on a data folder."""

from pathlib import Path

import pytest

from nodeagent import host
from nodeagent.host import FolderBusy, boot_id, claim_folder


def test_the_boot_id_stays_and_names_boot_and_first_process() -> None:
    assert boot_id() == boot_id() != ""


def test_a_restarted_namespace_is_another_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    monkeypatch.setattr(host, "_INIT", stat)
    seen = set()
    for started in (100, 200):
        stat.write_text(f"1 (a (b) c) S {' '.join(['0'] * 18)} {started} 0 0\n")
        seen.add(boot_id())
    assert len(seen) == 2
    stat.unlink()
    assert boot_id() == ""


def test_a_folder_has_one_agent(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    with claim_folder(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(FolderBusy, match="another agent"):
            claim_folder(folder)
    claim_folder(folder).close()


def test_an_agent_that_is_process_1_boots_with_the_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_INIT", tmp_path / "none")
    assert boot_id(own_init=False) == boot_id(own_init=False) != ""
