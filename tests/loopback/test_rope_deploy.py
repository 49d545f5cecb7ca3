"""`rope deploy` of several files, as people run it: a real Center and an agent, with an engine in memory."""

from pathlib import Path

from tests.loopback.test_cluster import team
from tests.loopback.test_rope_live import rope

BASE = """\
name: shop
services:
  web:
    image: web:${TAG:?say which}
    env_file: web.env
    build: .
  debug:
    image: debug:1
    profiles: [debug]
"""
OVER = "services:\n  web:\n    environment: {B: '2'}\n    deploy: {replicas: 2, update_config: {monitor: 0s}}\n"


async def test_files_are_worked_out_here_and_deployed_there(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    files = {"compose.yaml": BASE, "prod.yaml": OVER, "web.env": "A=1$TAG\nB=1\n", "prod.env": "TAG=1\n"}
    for name, text in files.items():
        (folder / name).write_text(text)
    named = ("-f", f"{folder}/compose.yaml", "-f", f"{folder}/prod.yaml")
    async with team(tmp_path, "node-1") as it:
        refused = await rope(it, "deploy", *named)
        assert refused.code == 1 and "web.image  TAG is not set: say which." in refused.err
        assert f"{folder}/compose.yaml:4:5" in refused.err

        given = (*named, "--env-file", f"{folder}/prod.env")
        plan = await rope(it, "deploy", *given, "--dry-run", "-o", "name")
        assert (plan.code, plan.out) == (0, "web/1\nweb/2\n")
        assert it.cluster.projects == {}

        deployed = await rope(it, "deploy", *given)
        assert deployed.code == 0, deployed.err
        assert deployed.err.count("the Center never builds") == 1
        spec = it.cluster.revisions[("shop", 1)].spec
        assert list(spec.services) == ["web"] and it.running() == {"node-1": 2}
        assert spec.services["web"].environment == {"A": "11", "B": "2"}

        again = await rope(it, "deploy", *given)
        assert again.code == 0 and "unchanged" in again.out
