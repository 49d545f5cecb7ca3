"""A real Center with fake agents over real sockets, and Debian's Chromium. One of each per module; a page per test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser."""
    if not await asyncio.to_thread(CHROMIUM.exists):
        pytest.skip(f"{CHROMIUM} is not there")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


class Tab:
    """A page that notes what the browser complains about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda m: self.note(m.type, m.text))
        page.on("pageerror", lambda e: self.note("error", str(e)))
        page.on("request", lambda r: self._asked(r.url))
        self.origins: set[str] = set()

    def note(self, kind: str, text: str) -> None:
        """What a console said, if it is a complaint."""
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text[:300]}")

    def _asked(self, url: str) -> None:
        self.origins.add("/".join(url.split("/")[:3]))


@asynccontextmanager
async def tab(browser: Browser, **options: object) -> AsyncIterator[Tab]:
    """A fresh profile with one tab. Nothing may be complained about, nothing asked of another server."""
    context: BrowserContext = await browser.new_context(**options)  # type: ignore[arg-type]  # options of Playwright by name
    context.set_default_timeout(10_000)
    made = Tab(await context.new_page())
    yield made
    await context.close()
    assert made.complaints == []
    assert len(made.origins) == 1, made.origins
