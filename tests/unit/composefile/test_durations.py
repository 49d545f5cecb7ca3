"""Durations and sizes."""

import pytest

from tests.unit.composefile.sample import web, web_error


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("10s", 10.0), ("1m30s", 90.0), ("500ms", 0.5), ("1h", 3600.0), ("1.5m", 90.0), ("0s", 0.0), ("20us", 2e-5)],
)
def test_durations(written: str, seconds: float) -> None:
    assert web(f"stop_grace_period: {written}").stop_grace_s == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["soon", "1d", "-1s", "1s 2s", "''", "s", "25h", "1..5s", "٣s"])
def test_no_durations(written: str) -> None:
    assert web_error(f"stop_grace_period: {written}").field == "services.web.stop_grace_period"


def test_a_number_alone_lacks_its_unit() -> None:
    assert web_error("stop_grace_period: 30").fix == 'Write "30s".'


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("512m", 512 << 20),
        ("1g", 1 << 30),
        ("1.5GiB", 3 << 29),
        ("64KB", 64 << 10),
        ("67108864", 64 << 20),
        ("128 mb", 128 << 20),
        ("100b", 100),
    ],
)
def test_sizes(written: str, size: int) -> None:
    assert web(f"deploy: {{resources: {{reservations: {{memory: {written}}}}}}}").resources.memory_reserved == size


@pytest.mark.parametrize("written", ["big", "1x", "-1m", "''", "9999999p", "1mm"])
def test_no_sizes(written: str) -> None:
    assert web_error(f"deploy: {{resources: {{reservations: {{memory: {written}}}}}}}").field.endswith(".memory")
