"""`make screenshots`: pictures of every page, both languages and themes, into docs/screenshots/. Not a test.

A believable cluster (`company`), logs and a terminal of real agents with engines in memory (`test_logs`), an empty
Center and a crowded one (200 nodes, 1,000 replicas). Pictures have few colours, so that they are small.
"""

import asyncio
import io
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright, expect

from benchmarks.center import TOKEN, center
from benchmarks.crowd import crowd
from tests.browser.company import company
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.stage import Line, center_behind
from tests.browser.test_logs import scene
from tests.browser.tour import Visit, at, pages
from tests.loopback.center import ADMIN_TOKEN
from tests.loopback.test_streams import write

FOLDER = Path("docs/screenshots")
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
TALLEST = 1800
"""Pixels; the rest of a long page is cut off."""
COLOURS = 128
BYTES_MAX = 6_000_000
LOOKS = tuple((lang, theme) for lang in ("en", "zh") for theme in ("light", "dark"))
TWO = (("en", "light"), ("zh", "dark"))
ON_A_PHONE = ("overview", "projects", "project", "deployment", "node", "events", "join", "settings")
LINES = (
    "GET / 200 1.2 ms",
    "GET /cart 200 3.9 ms",
    "\x1b[33mWARN\x1b[0m  slow query: 412 ms: SELECT … FROM orders",
    "POST /checkout 201 18.4 ms",
    "\x1b[31mERROR\x1b[0m payment gateway: timeout after 2.0 s, order 4711",
    "INFO  retry 1 of 3 for order 4711",
    "\x1b[32mINFO\x1b[0m  order 4711 paid",
)


def main() -> None:
    """Make them all; the folder has nothing else in it."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_all(Path(folder)))
    size = sum(p.stat().st_size for p in FOLDER.glob("*.png"))
    print(f"{len(list(FOLDER.glob('*.png')))} pictures, {size / 1e6:.1f} MB in {FOLDER}")
    if size > BYTES_MAX:
        raise SystemExit(f"more than {BYTES_MAX / 1e6:.0f} MB")


async def _all(folder: Path) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        await _crowded(browser)
        await _empty(browser, folder / "empty")
        await _company(browser, folder / "company")
        await _streams(browser, folder)
        await browser.close()


async def _company(browser: Browser, data: Path) -> None:
    async with company(data) as it:
        found = pages("shop", "web", "fra-1", it.under_way)
        found["story"] = at(f"/events?cause={await it.loss()}")
        for name in ("logs", "terminal"):
            del found[name]
        for lang, theme in LOOKS:
            await _login(browser, it.url, lang, theme)
            await _take(browser, it.url, found, lang, theme)
        for lang, theme in TWO:
            await _take(browser, it.url, {n: found[n] for n in ON_A_PHONE}, lang, theme, phone=True)


async def _streams(browser: Browser, folder: Path) -> None:
    async with scene(folder) as it:
        for _ in range(4):
            write(it.team, *LINES)
        found = {
            "logs": at("/projects/shop/logs", live=False),
            "terminal": _terminal,
        }
        for lang, theme in LOOKS:
            await _take(browser, it.url, found, lang, theme, pause_s=2.0)
        await _take(browser, it.url, {"logs": found["logs"]}, "zh", "dark", phone=True, pause_s=2.0)


async def _terminal(page: Page, url: str) -> None:
    await page.goto(f"{url}/projects/shop/terminal/web/1")
    await page.click("main form button")
    await asyncio.sleep(1.5)
    await page.keyboard.type("ps aux | head -5\n")


async def _empty(browser: Browser, data: Path) -> None:
    line = Line()
    async with line.laid(), center_behind(line, data):
        found = {
            f"empty-{n}": at(f"/{n}".replace("/overview", "/")) for n in ("overview", "projects", "nodes", "events")
        }
        for lang, theme in TWO:
            await _take(browser, line.url, found, lang, theme)


async def _crowded(browser: Browser) -> None:
    with ExitStack() as stack:
        it = await asyncio.to_thread(stack.enter_context, center(200, 1_000))  # with a loop of its own
        ropes = stack.enter_context(crowd(it.crew))
        await asyncio.to_thread(ropes.join, 2.0)
        await asyncio.to_thread(ropes.churn, 10.0)
        await asyncio.sleep(12)
        paths = {"overview": "/", "projects": "/projects", "nodes": "/nodes", "project": "/projects/p1"}
        found = {f"crowded-{name}": at(path) for name, path in paths.items()}
        for lang, theme in TWO:
            await _take(browser, it.url, found, lang, theme, token=TOKEN)
        await _take(browser, it.url, {"crowded-overview": at("/")}, "zh", "light", token=TOKEN, phone=True)


async def _login(browser: Browser, url: str, lang: str, theme: str) -> None:
    async with _page(browser, theme, phone=False) as page:
        await page.goto(f"{url}/login?lang={lang}")
        await _save(page, f"login-{lang}-{theme}", WIDE)


async def _take(
    browser: Browser,
    url: str,
    found: Mapping[str, Visit],
    lang: str,
    theme: str,
    *,
    token: str = ADMIN_TOKEN,
    phone: bool = False,
    pause_s: float = 0.3,
) -> None:
    async with _page(browser, theme, phone=phone) as page:
        await page.goto(f"{url}/login?lang={lang}")
        await page.fill("#token", token)
        await page.press("#token", "Enter")
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")
        for name, visit in found.items():
            await visit(page, url)
            await asyncio.sleep(pause_s)
            await _save(page, f"{name}-{lang}-{theme}{'-phone' if phone else ''}", PHONE if phone else WIDE)


@asynccontextmanager
async def _page(browser: Browser, theme: str, *, phone: bool) -> AsyncIterator[Page]:
    size = PHONE if phone else WIDE
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if theme == "dark" else "light",
        locale="en-GB",
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
        is_mobile=phone,
    )
    context.set_default_timeout(30_000)
    yield await context.new_page()
    await context.close()


async def _save(page: Page, name: str, size: dict[str, int]) -> None:
    tall: int = await page.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": size["width"], "height": min(max(tall, size["height"]), TALLEST)}
    taken = await page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]  # a dict by these names
    picture = (
        Image.open(io.BytesIO(taken))
        .convert("RGB")
        .quantize(COLOURS, Image.Quantize.MAXCOVERAGE, 2, dither=Image.Dither.NONE)
    )
    picture.save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
