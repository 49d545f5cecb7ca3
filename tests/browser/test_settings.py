"""Settings and a new node in Chromium: tokens come and go, and the page that waits for a machine turns green."""

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.async_api import Browser, expect

from controlplane.core.command import Register
from controlplane.core.node import Node
from protocol.api import WhoAnswer
from protocol.handshake import JoinToken, secret_hash
from ropeteam.client import Client
from tests.browser.conftest import tab
from tests.browser.stage import Stage, staged
from tests.browser.test_overview import sign_in
from tests.loopback.center import Agent

pytestmark = pytest.mark.browser


async def joined(stage: Stage, text: str) -> Agent:
    """What a new machine does with the token of its line."""
    key, token = Ed25519PrivateKey.generate(), JoinToken.parse(text)
    node: Node = await stage.running.center.controller.ask(
        Register(
            ticket=token.id,
            secret_hash=secret_hash(token.secret),
            agent_id="fra-1-agent",
            name="fra-1",
            public_key=key.public_key().public_bytes_raw().hex(),
            address="10.0.0.9",
        )
    )
    return Agent(stage.running.session_url, node.agent_id, key)


async def test_a_node_is_added_and_tokens_are_revoked(chromium: Browser, tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as stage, tab(chromium, locale="en-US") as made:
        page = await sign_in(made, stage)
        await page.goto(f"{stage.url}/settings")
        await page.click("main >> text=中文")
        await expect(page.locator("h1")).to_have_text("设置")
        await page.click("main >> text=English")
        await page.click("main >> text=Dark")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")

        await page.click("text=Add a node")
        await page.fill("[name=name]", "fra-1")
        await page.fill("[name=labels]", "region=eu")
        await page.click("text=Make a join line")
        line = await page.inner_text("#join-line")
        assert "--name fra-1 --label region=eu" in line
        await page.click("[data-copy=join-line]")
        await expect(page.locator("[data-copy=join-line]")).to_have_text("Copied")
        await expect(page.locator("#joined")).to_contain_text("Waiting")
        await expect(page.locator("#joined")).to_contain_text("fra-1")
        agent = await joined(stage, line.split("--join ")[1].split()[0])
        await expect(page.locator("#joined")).to_contain_text("Joining")
        async with agent.session():
            await expect(page.locator("#joined .pill.ok")).to_have_text("Joined")

        await page.goto(f"{stage.url}/join")
        await page.click("text=Make a join line")
        await page.goto(f"{stage.url}/settings")
        rows = page.locator("#tokens tr")
        before = await rows.count()
        await page.click("#tokens >> text=Revoke")
        await expect(rows).to_have_count(before - 1)
        await expect(page.locator("#tokens")).not_to_contain_text("Revoke")

        await page.fill("#api-tokens-name", "ci")
        await page.click("text=Make a token")
        secret = await page.inner_text("#api-token")
        asked = Client(stage.running.url, secret)
        assert (await asyncio.to_thread(asked.get, "whoami", WhoAnswer)).name == "ci"
        await expect(page.locator("#api-tokens")).to_contain_text("ci")
        await page.click("#api-tokens >> text=Revoke")
        await expect(page.locator("#api-tokens")).to_contain_text("No program has a token")
