"""What the templates are given: times, counts, and partials drawn as Jinja itself would draw them."""

from collections.abc import Callable

import pytest
from markupsafe import Markup

from controlplane.core.views import project_view
from controlplane.web.card import Cell, Row, row
from controlplane.web.language import Language, languages
from controlplane.web.overview import Totals, Trouble
from controlplane.web.templating import environment, moment, remembering, renderer, tally
from tests.unit.controlplane.sample_cluster import NOW, shop

HOSTILE = "<b>&\"'"


def draws(language: Language) -> Callable[[str, object], str]:
    return renderer(environment(language, lambda name: name, "http://10.0.0.1"))


def shown() -> Row:
    found = shop()
    return row(project_view(found, found.projects["shop"], NOW))


@pytest.mark.parametrize("language", languages().values(), ids=lambda one: one.code)
def test_a_partial_is_drawn_as_jinja_draws_it(language: Language) -> None:
    made = environment(language, lambda name: name, "http://10.0.0.1")
    template = made.get_template("partials/_project.html")
    draw = renderer(made)
    assert draw("_project", shown()) == draw("_project", shown()) == template.render(it=shown())


def test_what_is_remembered_is_drawn_once_and_stays_escaped() -> None:
    drawn: list[object] = []
    draw = draws(languages()["en"])

    def counting(name: str, value: object) -> str:
        drawn.append(value)
        return draw(name, value)

    remembered = remembering(counting)
    cell = Cell(name="shop/web/1", shape="bad", state="failed", health="none", reason=HOSTILE)
    first = remembered(cell, "_cell")
    assert isinstance(first, Markup) and remembered(cell, "_cell") is first and drawn == [cell]
    assert "<b>" not in first and "&lt;b&gt;&amp;&#34;&#39;" in first


def test_a_text_with_values_is_escaped_as_a_whole() -> None:
    made = environment(languages()["en"], lambda name: name, "http://10.0.0.1")
    html = made.from_string("{{ _('100 % of %(what)s'.replace(' %', ' %%', 1), what=it) }} {{ _('100 %') }}").render(
        it="<b>"
    )
    assert html == "100 % of &lt;b&gt; 100 %"


def test_a_long_list_of_troubles_is_cut_and_counted() -> None:
    found = tuple(
        Trouble(key=f"trouble-{i}", kind="project", subject=f"p{i}", state="degraded", tone="wa") for i in range(40)
    )
    totals = Totals(nodes=1, online=1, projects=40, well=0, replicas=40, up=0)
    html = draws(languages()["en"])("_attention", (found, totals))
    assert html.count('<li id="trouble-') == 12 and "28 more" in html and ">40<" in html


@pytest.mark.parametrize("at", [1_700_000_000.0, "2023-11-14T22:13:20.123Z", "2023-11-15T00:13:20+02:00"])
def test_a_time_is_utc_whatever_it_comes_as(at: float | str) -> None:
    assert moment(at) == '<time datetime="2023-11-14T22:13:20Z" title="2023-11-14 22:13:20 UTC">22:13:20</time>'


def test_a_tally_is_in_the_order_of_words() -> None:
    cells = [Cell(name="", shape="up", state=s, health="none") for s in ("running", "failed", "running")]
    assert tally(cells, "state") == [("failed", 1), ("running", 2)]
