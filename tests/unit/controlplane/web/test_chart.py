"""Charts of figures over time: true heights, axes that fit, gaps that are seen, words that tell the same."""

import re

from controlplane.store.rings import Series
from controlplane.web.chart import HEIGHT, POINTS_MAX, Charts, charts
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer


def series(*cpu: float | None, step_s: int = 10, memory: tuple[float | None, ...] | None = None) -> Series:
    return Series(start=0, step_s=step_s, cpu=cpu, memory_mb=memory if memory is not None else cpu)


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (p.split(",") for p in line.split())]


def test_a_nodes_axes_end_at_the_whole_machine() -> None:
    cpu, memory = charts(series(0.0, 50.0, 100.0, memory=(0.0, 4096.0, 8192.0)), 8192.0, whole=True)
    assert cpu.axis == ("100", "50", "0") and cpu.unit == "%"
    assert memory.axis == ("8", "4", "0") and memory.unit == "GiB"
    assert cpu.lines == memory.lines
    assert points(cpu.lines[0]) == [(0, HEIGHT), (1, HEIGHT / 2), (2, 0), (3, 0)]
    assert (cpu.last, cpu.mean, cpu.peak) == ("100", "50", "100")
    assert cpu.areas[0].startswith("0,100 ") and cpu.areas[0].endswith(" 3,100")


def test_a_projects_axes_end_above_its_highest_figure() -> None:
    cpu, memory = charts(series(3.0, 130.0, memory=(10.0, 300.0)), whole=False)
    assert cpu.axis == ("200", "100", "0")
    assert memory.axis == ("500", "250", "0") and memory.unit == "MiB"
    idle, _ = charts(series(0.0, 0.0), whole=False)
    assert idle.axis == ("1", "0.5", "0"), "nothing at all is drawn at the bottom, not divided by"
    assert {y for _, y in points(idle.lines[0])} == {HEIGHT}


def test_memory_beyond_what_the_machine_has_is_still_seen() -> None:
    _, memory = charts(series(1.0, memory=(9000.0,)), 8192.0, whole=True)
    assert memory.axis[0] == "10" and points(memory.lines[0])[0][1] > 0


def test_where_nothing_was_heard_there_is_a_gap_that_is_marked_and_told() -> None:
    cpu, _ = charts(series(None, None, 10.0, None, 30.0, *[None] * 12), whole=True)
    assert len(cpu.lines) == 2 == len(cpu.areas)
    assert points(cpu.lines[0]) == [(2, 90), (3, 90)], "a single figure is as long as its step"
    assert cpu.gaps == ((0, 2), (3, 1), (5, 12))
    assert cpu.last == "", "there is no figure now"
    assert cpu.silent_min == 2, "not counted: the time before the first"
    assert (cpu.mean, cpu.peak) == ("20", "30")


def test_without_any_figure_there_is_an_empty_box() -> None:
    cpu, memory = charts(series(None, None), 1024.0, whole=True)
    assert cpu.empty and memory.empty
    assert cpu.gaps == ((0, 2),) and cpu.mean == "" and cpu.axis == ("100", "50", "0")


def test_a_long_series_is_drawn_with_few_points() -> None:
    week = series(*[float(n % 7) for n in range(2016)], step_s=300)
    cpu, _ = charts(week, whole=True)
    assert cpu.width == 336 <= POINTS_MAX and cpu.hours == 168
    assert len(points(cpu.lines[0])) == 337
    assert cpu.peak == "6", "the words are of all figures"


def test_live_charts_are_made_anew_only_with_the_next_step(center: FakeCenter) -> None:
    drawn = Charts(center.door())
    center.rings.hours["node", "node-1"] = (10.0, 20.0)
    first = drawn.hour(("node", "node-1"))
    assert drawn.hour(("node", "node-1")) is first
    center.rings.hours["node", "node-1"] = (10.0, 20.0, 30.0)
    assert drawn.hour(("node", "node-1")) is first
    center.wall += 10
    assert drawn.hour(("node", "node-1"))[0].last == "30"
    assert drawn.hour(("node", "node-1"))[1].axis == ("8", "4", "0"), "its memory"


def test_a_long_silence_is_told_in_hours(center: FakeCenter) -> None:
    center.rings.weeks["node", "node-1"] = (5.0, *[None] * 40, 5.0)
    assert "3 h without figures" in page(center, "/nodes/node-1?lang=en")
    assert "3 小时没有数据" in page(center, "/nodes/node-1?lang=zh")


def page(center: FakeCenter, path: str) -> str:
    surfer = Surfer(center)
    surfer.sign_in()
    got = surfer.http.get(path)
    assert got.status_code == 200
    return got.text


def test_the_pages_of_nodes_and_projects_have_charts_with_words(center: FakeCenter) -> None:
    center.rings.hours["node", "node-1"] = (10.0, None, 20.0)
    center.rings.weeks["node", "node-1"] = (5.0,)
    center.rings.hours["project", "shop"] = (150.0,)
    html = page(center, "/nodes/node-1?lang=en")
    assert html.count("<polyline points=") >= 6
    assert 'aria-label="CPU, The last hour: now 20 %, mean 15 %, highest 20 %"' in html
    assert 'aria-label="CPU, The last 7 days: now 5 %, mean 5 %, highest 5 %"' in html
    assert "−45 min" in html and "−3 d" in html
    assert "现在 20 %" in page(center, "/nodes/node-1?lang=zh")
    shop = page(center, "/projects/shop?lang=en")
    assert "now 150 %" in shop and "no figures yet" in shop
    assert len(re.findall('<svg viewBox="0 0 360 100"', shop)) == 2
