"""The last minutes of a node as lines of a small chart."""

import math

from controlplane.web.trend import GAP_S, HEIGHT, SAMPLES, WIDTH, Lines, Trend, height_of


def xs(line: str) -> list[float]:
    return [float(point.split(",")[0]) for point in line.split()]


def test_now_is_at_the_right_edge_and_old_samples_go() -> None:
    trend = Trend()
    trend.add(50, 20, 0)
    assert trend.lines() == Lines(cpu=(f"{WIDTH},{height_of(50)}",), memory=(f"{WIDTH},{height_of(20)}",))
    for number in range(3 * SAMPLES):
        trend.add(number % 100, 7, number)
    line, memory = trend.lines().cpu[0], trend.lines().memory[0]
    assert len(line.split()) == SAMPLES
    assert (xs(line)[0], xs(line)[-1]) == (0, WIDTH) and len({p.split(",")[1] for p in memory.split()}) == 1


def test_silence_is_a_gap_not_a_line() -> None:
    trend = Trend()
    assert not trend.pass_by(100), "a node never heard has no chart"
    trend.add(10, 10, 100)
    assert not trend.pass_by(100 + GAP_S - 1)
    assert trend.pass_by(100 + GAP_S)
    trend.add(20, 10, 120)
    assert len(trend.lines().cpu) == len(trend.lines().memory) == 2


def test_silence_for_long_empties_the_chart_and_then_costs_nothing() -> None:
    trend = Trend()
    trend.add(10, 10, 0)
    changes = sum(trend.pass_by(t) for t in range(0, 3600))
    assert changes == SAMPLES and trend.lines() == Lines()


def test_whatever_an_agent_says_stays_in_the_box() -> None:
    trend = Trend()
    for value in (-5.0, 1e300, math.inf, math.nan, 100.0):
        trend.add(value, math.nan, 0)
    heights = [float(p.split(",")[1]) for line in trend.lines().cpu for p in line.split()]
    assert len(heights) == 3 and all(0 < h < HEIGHT for h in heights), "what is no number is a gap"
    assert trend.lines().memory == ()
