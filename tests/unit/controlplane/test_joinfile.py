"""The join token for the Center's own machine."""

from pathlib import Path

import pytest

from controlplane import joinfile
from controlplane.core.command import CreateTicket
from controlplane.core.record import Refused
from protocol.handshake import JoinToken, secret_hash
from tests.unit.controlplane.web.fake_center import FakeCenter


async def test_the_token_in_the_file_is_the_one_the_center_takes(tmp_path: Path) -> None:
    center, file = FakeCenter(), tmp_path / "token"
    file.write_text("of the last start")
    await joinfile.offer(center.door(), file)
    token = JoinToken.parse(file.read_text().strip())
    assert file.stat().st_mode & 0o777 == 0o600
    (asked,) = center.asked
    assert isinstance(asked, CreateTicket)
    assert (asked.id, asked.secret_hash, asked.ttl_s, asked.name) == (token.id, secret_hash(token.secret), 3600, "")


async def test_a_center_does_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await joinfile.offer(FakeCenter().door(), tmp_path / "not-there" / "token")
    assert "no join token in" in caplog.text
    caplog.clear()
    refusing = FakeCenter()

    def refuse(_: object) -> None:
        raise Refused("unavailable", "the disk is full")

    refusing.reply = refuse
    await joinfile.offer(refusing.door(), tmp_path / "token")
    assert "the disk is full" in caplog.text and not (tmp_path / "token").exists()
