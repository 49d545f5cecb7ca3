"""Every page of the dashboard, by a short name, and how to get there. For tests and pictures that look at them all."""

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

COMPOSE = "services:\n  api:\n    image: api:1\n    ports: ['80']\n    deploy: {replicas: 2}\n"
BROKEN = "services:\n  api:\n    image: api:1\n    privileged: true\n    deploy: {replicas: many}\n"

Visit = Callable[[Page, str], Awaitable[None]]
"""Goes there. Arguments: a page that is signed in, and the Center's URL."""


def at(path: str, *, live: bool = True) -> Visit:
    """Just the address. `live`: the page has a socket, and is there once that has spoken."""

    async def visit(page: Page, url: str) -> None:
        await page.goto(url + path)
        if live:
            await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")

    return visit


def planned(text: str, shown: str) -> Visit:
    """The page of a Compose file after asking for its plan; `shown`: a selector of what it answers with."""

    async def visit(page: Page, url: str) -> None:
        await at("/new")(page, url)
        await page.fill("[name=code]", "crm")
        await page.fill("#compose", text)
        await page.click("button[value=plan]")
        await expect(page.locator(shown).first).to_be_visible()
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")

    return visit


async def _palette(page: Page, url: str) -> None:
    await at("/projects")(page, url)
    await page.keyboard.press("Control+k")
    await expect(page.locator("#palette-found [role=option]").first).to_be_visible()


async def _keys(page: Page, url: str) -> None:
    await at("/nodes")(page, url)
    await page.keyboard.press("?")
    await expect(page.locator("#shortcuts")).to_be_visible()


async def _menu(page: Page, url: str) -> None:
    await at("/nodes")(page, url)
    await page.locator("#menu summary").click()


async def _story(page: Page, url: str) -> None:
    await at("/events")(page, url)
    await page.locator("#events a[href*='cause=']").first.click()
    await expect(page.locator("h1")).to_be_visible()


def pages(project: str, service: str, node: str, deployment: int) -> dict[str, Visit]:
    """All that a person who is signed in can open, with these as examples. `login` is not among them."""
    return {
        "overview": at("/"),
        "projects": at("/projects"),
        "project": at(f"/projects/{project}"),
        "edit": at(f"/projects/{project}/edit"),
        "new": at("/new"),
        "new-wrong": planned(BROKEN, ".ba"),
        "new-plan": planned(COMPOSE, ".plan"),
        "deployment": at(f"/deployments/{deployment}"),
        "nodes": at("/nodes"),
        "node": at(f"/nodes/{node}"),
        "drain": at(f"/nodes/{node}/drain"),
        "join": at("/join"),
        "events": at("/events"),
        "events-of": at(f"/events?project={project}"),
        "story": _story,
        "logs": at(f"/projects/{project}/logs", live=False),
        "terminal": at(f"/projects/{project}/terminal/{service}/1", live=False),
        "settings": at("/settings"),
        "api": at("/api/v1/docs", live=False),
        "not-found": at("/projects/nothing", live=False),
        "palette": _palette,
        "keys": _keys,
        "menu": _menu,
    }
