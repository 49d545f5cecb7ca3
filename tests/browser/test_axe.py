"""axe-core looks at every page, in both languages and themes, while something is wrong: nothing serious or critical.

axe-core is the unmodified release of npm that the package axe-playwright-python carries; it is not shipped.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page

from tests.browser.conftest import tab
from tests.browser.stage import staged
from tests.browser.test_overview import sign_in
from tests.browser.tour import pages

pytestmark = pytest.mark.browser

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ALL = {"type": "tag", "values": LEVELS}
COLOURS = {"type": "rule", "values": ["color-contrast"]}
"""What a theme changes."""
GRAVE = ("serious", "critical")


async def faults(page: Page) -> list[str]:
    """What axe finds grave in both themes: rule, and the elements."""
    await page.evaluate(AXE)
    found = await _run(page, "light", ALL)
    return found + await _run(page, "dark", COLOURS)


async def _run(page: Page, theme: Literal["light", "dark"], only: dict[str, Any]) -> list[str]:
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    options = json.dumps({"runOnly": only, "resultTypes": ["violations"]})
    found = await page.evaluate(f"axe.run({options})")
    return [
        f"{theme}, {v['id']}: {[(n['target'], n.get('failureSummary', '')[:200]) for n in v['nodes'][:3]]}"
        for v in found["violations"]
        if v["impact"] in GRAVE
    ]


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_nothing_serious_on_any_page(lang: str, chromium: Browser, tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as stage, tab(chromium, locale="en-US") as made:
        await stage.say(health="unhealthy", reason="probe failed: HTTP 503")
        stage.members["node-2"].cut()
        await made.page.goto(f"{stage.url}/login?lang={lang}")
        wrong = {"login": await faults(made.page)}
        page = await sign_in(made, stage, f"?lang={lang}")
        for name, visit in pages("shop", "web", "node-1", 1).items():
            await visit(page, stage.url)
            wrong[name] = await faults(page)
        made.complaints = [
            c for c in made.complaints if "404" not in c and "422" not in c
        ]  # pages that say what is wrong
        assert {name: found for name, found in wrong.items() if found} == {}


async def test_faults_are_found(chromium: Browser, tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as stage, tab(chromium, locale="en-US") as made:
        page = await sign_in(made, stage)
        assert await faults(page) == []
        await page.evaluate("""document.querySelector("main").insertAdjacentHTML("beforeend", "<button></button>")""")
        await page.evaluate("""for (const b of document.querySelectorAll("h2")) b.style.color = "#8886" """)
        found = await faults(page)
        assert {f.split(":")[0] for f in found} == {
            "light, button-name",
            "light, color-contrast",
            "dark, color-contrast",
        }
