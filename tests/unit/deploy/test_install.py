"""What people install from says the same everywhere; the script says what it does, and does nothing unasked."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from controlplane.web.tokens import DOCKER_RUN

ROOT = Path(__file__).parents[3]
SCRIPT = "scripts/install.sh"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def install(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DESTDIR": str(folder), "WHEELS": str(folder / "no-wheels")}
    argv = ["sh", SCRIPT, *arguments]
    return subprocess.run(
        argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_compose_runs_this_release() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text()
    services = YAML(typ="safe").load(text)["services"]
    own = f"${{ROPE_IMAGE:-ropeteam:{VERSION}}}"
    assert services["center"]["image"] == f"{own}-center" and services["agent"]["image"] == own
    assert services["center"]["environment"]["ROPE_IMAGE"] == own, "join lines name the same image"
    assert services["agent"]["profiles"] == ["agent"] and services["agent"]["network_mode"] == "host"
    assert all(service["read_only"] for service in services.values())


def test_the_guide_has_the_line_that_the_center_prints() -> None:
    guide = (ROOT / "docs/install.md").read_text()
    assert f"\n{DOCKER_RUN} registry.example:5000/ropeteam:{VERSION} agent --center " in guide
    named = set(re.findall(r"\$\{(\w+):", (ROOT / "deploy/compose.yaml").read_text()))
    assert named and not {name for name in named if f"`{name}" not in guide}


def test_nothing_is_changed_unasked(tmp_path: Path) -> None:
    done = install("agent", "--center", "http://10.0.0.1:8080", "--join", "rope1.a", "--insecure", folder=tmp_path)
    assert done.returncode == 2 and "nobody to ask here" in done.stderr
    assert "This will:" in done.stdout and f"{tmp_path}/opt/ropeteam" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "install.sh center"),
        (("both",), "install.sh center"),
        (("agent", "-y"), "--center URL and --join TOKEN are needed"),
        (("center", "--listen"), "--listen needs a value"),
        (("center", "--join", "x"), "install.sh center"),
        (("center", "--public-url", "http://a\nROPE_INSECURE=1", "-y"), "cannot stand in the settings file"),
        (("agent", "--center", "http://a", "--join", "$(reboot)", "-y"), "cannot stand in the settings file"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = install(*arguments, folder=tmp_path)
    assert done.returncode == 2 and said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_removing_takes_the_unit_and_leaves_the_data(tmp_path: Path) -> None:
    for name in ("etc/systemd/system/ropeteam-agent.service", "var/lib/ropeteam-agent/identity.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert install("remove", "agent", folder=tmp_path).returncode == 2, "nobody said yes"
    done = install("remove", "agent", "-y", folder=tmp_path)
    assert done.returncode == 0 and "Containers of applications go on" in done.stdout
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["identity.json"]
