"""What promtool says of the real `/metrics`, and of rules, their tests and the configuration in deploy/prometheus."""

import asyncio
import shutil
from pathlib import Path

from lab.machines import REPOSITORY
from lab.prometheus import promtool
from tests.loopback.center import ADMIN_TOKEN, fetch, running_center

FILES = REPOSITORY / "deploy" / "prometheus"


async def test_the_metrics_of_a_center_are_clean(tmp_path: Path) -> None:
    async with running_center(tmp_path) as running:
        agent = await running.node("node-1")
        async with agent.session():
            for token in ("", ADMIN_TOKEN):
                answer = await asyncio.to_thread(fetch, running.url, "/metrics", token=token)
                text = answer.body.decode()
                assert ('node="node-1"' in text) == bool(token)
                said = await asyncio.to_thread(promtool, "check", "metrics", given=text)
                assert said == "", "promtool has nothing to say of good metrics"


def test_every_alert_fires_and_resolves_as_its_tests_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml", folder=FILES)


def test_the_configuration_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    token = tmp_path / "ropeteam.token"
    token.write_text("secret")
    shutil.copy(FILES / "alerts.yml", tmp_path)
    text = (FILES / "prometheus.yml").read_text()
    assert text.count("/etc/prometheus/ropeteam.token") == 2
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/ropeteam.token", str(token)))
    said = promtool("check", "config", "prometheus.yml", folder=tmp_path)
    assert "SUCCESS" in said and "rules found" in said
