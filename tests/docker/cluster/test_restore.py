"""The restore drill on real engines, by the commands that an operator types: nothing that runs is touched."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from lab.command import LabError
from protocol.adoption import AdoptionView
from tests.docker.cluster.cluster import Cluster, checked, moments, web
from tests.docker.cluster.conftest import Record

SETTLE_S = 3.0


def rope(cluster: Cluster, *arguments: str) -> str:
    """What the command prints; it must succeed."""
    env = {**os.environ, "ROPE_URL": cluster.url, "ROPE_TOKEN": cluster.token}
    ran = subprocess.run(
        [sys.executable, "-m", "ropeteam", *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, (arguments, ran.stdout, ran.stderr)
    return ran.stdout


def adoption(cluster: Cluster) -> AdoptionView:
    return msgspec.json.decode(cluster.api.ask("GET", "/api/v1/adoption").body, type=AdoptionView)


def test_backup_more_deploys_center_lost_restore_everything_adopted_nothing_stopped(
    cluster: Cluster, record: Record, tmp_path: Path
) -> None:
    data, file = cluster.lab.folder / "center", tmp_path / "backup.tar.gz"
    cluster.deploy("early", {"web": web(2)})
    rope(cluster, "backup", str(file))
    cluster.deploy("early", {"web": web(3, deploy={"update_config": {"parallelism": 0}}, environment={"SINCE": "1"})})
    cluster.deploy("late", {"web": checked(2), "api": web(1)})
    cluster.until(lambda: len(cluster.containers()) == 6, 20.0, "what was replaced is gone")
    was, epochs = moments(cluster.containers()), {code: cluster.epochs(code) for code in ("early", "late")}

    cluster.kill_center()
    shutil.rmtree(data)
    began = time.monotonic()
    rope(cluster, "restore", str(file), "--data", str(data))
    cluster.start_center()
    cluster.until(lambda: len(adoption(cluster).back) == len(cluster.nodes), 30.0, "all agents have told what they run")
    record("Center's disk lost, restored from a backup", "restore → all agents told", time.monotonic() - began)

    found = adoption(cluster)
    assert {d.replica: d.action for d in found.differences} == dict.fromkeys(
        (*(f"early/web/{n}" for n in range(1, 4)), *(f"late/web/{n}" for n in range(1, 3)), "late/api/1"), "adopt"
    )
    assert rope(cluster, "adoption").count("adopt: it is kept") == 6
    time.sleep(SETTLE_S)
    assert moments(cluster.containers()) == was
    with pytest.raises(LabError, match=r"409.*rope adoption"):
        cluster.api.deploy("early", {"web": web(1)})

    rope(cluster, "adoption", "--confirm")
    cluster.wait_answering("early", "late")
    record("The same", "restore → confirmed, all replicas known and answering", time.monotonic() - began)
    time.sleep(SETTLE_S)
    assert moments(cluster.containers()) == was
    assert {code: cluster.epochs(code) for code in epochs} == epochs
    cluster.deploy("early", {"web": web(1)})
    cluster.until(lambda: len(cluster.containers()) == 4, 20.0, "the restored Center works as the lost one did")
