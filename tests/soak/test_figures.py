"""The soak's own rules: a Center that leaks, a deployment that is stuck, a database without end are found."""

import msgspec
import pytest

from tests.soak.figures import MIB, Figures, Sample, rss_slope, slope

WELL = Figures(
    minutes=30.0,
    rss_first=90.0,
    rss_last=100.0,
    rss_most=101.0,
    slope=0.2,
    database=9.0,
    log_most=4.0,
    events=2000,
    deployments=400,
    stuck=(),
    slowest_s=20.0,
)


def test_all_is_well() -> None:
    assert WELL.faults() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"slope": 1.5}, "grows by 1.50"),
        ({"rss_most": 300.0}, "had 300 MiB"),
        ({"database": 20.0}, "has 20.0 MiB"),
        ({"log_most": 17.0}, "log had 17.0 MiB"),
        ({"stuck": ("7 of shop runs",)}, "7 of shop"),
    ],
)
def test_what_is_beyond_its_limit_is_told(changes: dict[str, object], told: str) -> None:
    (fault,) = msgspec.structs.replace(WELL, **changes).faults()
    assert told in fault


def test_a_short_run_may_warm_up_but_not_leak() -> None:
    short = msgspec.structs.replace(WELL, minutes=2.0, slope=5.0)
    assert short.faults() == []
    assert msgspec.structs.replace(short, slope=8.0).faults()


def test_the_slope_is_that_of_the_later_part() -> None:
    def rss(at_s: float) -> int:
        return round(MIB * (at_s if at_s < 100 else 100 + at_s / 60 * 2))

    samples = [Sample(at_s=t, rss=rss(t), database=0, log=0) for t in range(0, 301, 5)]
    assert rss_slope(samples) == pytest.approx(2.0, abs=0.01)
    assert slope([]) == slope([(1.0, 5.0)]) == 0.0
