"""`rope backup`, `rope restore` and `rope adoption` as a person runs them."""

import json
from pathlib import Path

import pytest

from protocol.adoption import AdoptionView, DifferenceView
from ropeteam.commands import processes
from tests.unit.ropeteam.conftest import Rope
from tests.unit.ropeteam.fake_api import FakeApi

ADOPTED = DifferenceView(
    replica="shop/web/1", action="adopt", backup="epoch 3 on node-1", found="epoch 5 on node-2", node="node-2"
)


def adopting(*differences: DifferenceView) -> AdoptionView:
    return AdoptionView(
        state="adopting",
        incarnation=2,
        seconds_left=321.0,
        back=("node-2",),
        away=("node-1",),
        kept=4,
        differences=differences,
    )


def test_a_backup_is_saved_whole_for_its_owner_alone(rope: Rope, api: FakeApi, tmp_path: Path) -> None:
    api.on("GET backup", b"b" * 3_000_000)
    file = tmp_path / "b.tar.gz"
    ran = rope("backup", str(file))
    assert (ran.code, ran.out) == (0, f"{file}\n")
    assert file.read_bytes() == b"b" * 3_000_000 and file.stat().st_mode & 0o777 == 0o600
    assert "3.0 MB" in ran.err and f"rope restore {file}" in ran.err
    again = rope("backup", str(file))
    assert again.code == 1 and "is there already" in again.err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["b.tar.gz"]


def test_what_is_refused_leaves_no_file(rope: Rope, api: FakeApi, tmp_path: Path) -> None:
    api.refuse("GET backup", 507, "no room for a backup")
    ran = rope("backup", str(tmp_path / "b.tar.gz"))
    assert ran.code == 1 and "no room" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_breaks_leaves_no_file(rope: Rope, api: FakeApi, tmp_path: Path) -> None:
    api.cuts["GET backup"] = 9
    ran = rope("backup", str(tmp_path / "b.tar.gz"))
    assert ran.code == 1 and "cannot reach the Center" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_on_the_centers_machine_the_process_does_it(
    rope: Rope, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "b.tar.gz"
    file.touch()
    became: list[tuple[str, list[str]]] = []

    def become(package: str, given: list[str]) -> None:
        became.append((package, given))
        raise SystemExit(0)

    monkeypatch.setattr(processes, "become", become)
    for arguments in (("backup", "--data", "d", "f"), ("restore", str(file), "--data", "d"), ("restore", str(file))):
        with pytest.raises(SystemExit):
            rope(*arguments)
    assert became == [
        ("controlplane", ["backup", "--data=d", "f"]),
        ("controlplane", ["restore", str(file), "--data=d"]),
        ("controlplane", ["restore", str(file)]),
    ]


def test_differences_are_shown_before_anything_happens(rope: Rope, api: FakeApi) -> None:
    api.on("GET adoption", adopting(ADOPTED))
    ran = rope("adoption")
    assert ran.out.splitlines()[0].split()[:4] == ["REPLICA", "AT", "THE", "END"]
    assert ran.out.splitlines()[1].split("  ")[0] == "shop/web/1" and "epoch 5 on node-2" in ran.out
    assert "not back: node-1" in ran.err and "321 s more" in ran.err and "rope adoption --confirm" in ran.err
    assert rope("adoption", "-o", "name").out == "shop/web/1\n"
    assert json.loads(rope("adoption", "-o", "json").out)["kept"] == 4
    assert {asked.method for asked in api.asked} == {"GET"}


def test_confirming_ends_it(rope: Rope, api: FakeApi) -> None:
    api.on("GET adoption", adopting(ADOPTED))
    api.on("POST adoption/confirm", AdoptionView(state="none", incarnation=2))
    ran = rope("adoption", "--confirm")
    assert ran.code == 0 and "Confirmed" in ran.err and "1 otherwise" in ran.err
    assert api.asked[-1].method == "POST"


def test_nothing_to_adopt_is_said(rope: Rope, api: FakeApi) -> None:
    api.on("GET adoption", AdoptionView(state="none", incarnation=1))
    ran = rope("adoption")
    assert ran.code == 0 and ran.out == "" and "Nothing is being adopted" in ran.err


def test_status_says_first_that_the_center_adopts(rope: Rope, api: FakeApi) -> None:
    api.on("GET nodes", [])
    api.on("GET projects", [])
    assert rope("status").out.startswith("nothing is wrong"), "as of a Center that does not know the question"
    api.on("GET adoption", adopting(ADOPTED))
    ran = rope("status", "--check")
    assert ran.code == 1 and ran.out.startswith("the Center was restored and adopts what runs")
