"""`python -m controlplane backup | restore` as a person on the Center's machine runs them."""

import asyncio
from pathlib import Path

import pytest

from controlplane import copying
from controlplane.core.cluster import Changes, Meta
from controlplane.store.database import open_database
from controlplane.store.identity import open_identity


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that was used."""
    folder = tmp_path / "data"
    folder.mkdir()

    async def fill() -> None:
        async with open_database(folder) as store:
            await store.commit(Changes(puts=[Meta(cluster="c1")]))

    asyncio.run(fill())
    open_identity(folder, new_cluster=True)
    return folder


def test_backup_show_restore(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, new = tmp_path / "b.tar.gz", tmp_path / "new"
    assert copying.main(["backup", str(file)], {"ROPE_DATA": str(data)}) == 0
    said = capsys.readouterr()
    assert said.out == f"{file}\n" and "cluster c1" in said.err
    assert copying.main(["restore", str(file), "--show"], {}) == 0
    assert "cluster c1, taken 2" in capsys.readouterr().out
    assert copying.main(["restore", str(file), "--data", str(new)], {}) == 0
    assert f"rope center --data {new}" in capsys.readouterr().out
    assert copying.main(["restore", str(file), "--data", str(new)], {}) == 1
    assert "not empty" in capsys.readouterr().err


def test_without_a_name_it_goes_into_this_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert copying.main(["backup", "--data", str(data)], {}) == 0
    name = capsys.readouterr().out.strip()
    assert name.startswith("ropeteam-") and (tmp_path / name).is_file()


def test_without_data_it_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert copying.main(["backup"], {}) == 2
    assert "ROPE_DATA" in capsys.readouterr().err
