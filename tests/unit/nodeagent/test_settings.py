"""Options: command line, variables, defaults, and what is refused."""

from pathlib import Path

import pytest

from nodeagent.settings import DOCKER_SOCKET, Settings, SettingsError, read_settings

TOKEN = "rope1.abc.secret." + "f" * 64


def test_defaults() -> None:
    settings = read_settings(["--data", "/d", "--name", "n1"], {})
    assert settings == Settings(data=Path("/d"), name="n1", docker=DOCKER_SOCKET)
    assert (settings.port_from, settings.port_to, settings.subnet_pool) == (20000, 29999, "10.213.0.0/16")


def test_every_option() -> None:
    settings = read_settings(
        ["--center", "https://c.example", "--join", TOKEN, "--data", "/d", "--docker", "unix:///x", "--name", "n1",
         "--address", "10.0.0.5", "--label", "region=北京", "--label", "gpu=", "--weight", "2.5",
         "--bind-root", "/srv/", "--bind-root", "/opt", "--port-range", "100-200", "--subnet-pool", "10.9.0.0/20",
         "--insecure"], {}
    )  # fmt: skip
    assert settings.join is not None and settings.join.id == "abc"
    assert settings.labels == {"region": "北京", "gpu": ""} and settings.weight == 2.5
    assert settings.bind_roots == ("/srv", "/opt") and (settings.port_from, settings.port_to) == (100, 200)
    assert (settings.docker, settings.address, settings.subnet_pool) == ("unix:///x", "10.0.0.5", "10.9.0.0/20")
    assert settings.insecure


@pytest.mark.parametrize(
    ("arguments", "environment", "off"),
    [
        ([], {}, False),
        (["--no-exec"], {}, True),
        ([], {"ROPE_NO_EXEC": "1"}, True),
        ([], {"ROPE_NO_EXEC": "no"}, False),
    ],
)
def test_exec_may_be_off(arguments: list[str], environment: dict[str, str], off: bool) -> None:
    assert read_settings(["--data", "/d", "--name", "n1", *arguments], environment).no_exec is off


def test_a_truth_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="ROPE_NO_EXEC"):
        read_settings(["--data", "/d"], {"ROPE_NO_EXEC": "perhaps"})


def test_variables_and_who_wins() -> None:
    environment = {
        "ROPE_DATA": "/var/d", "ROPE_CENTER": "http://10.0.0.1:1", "ROPE_INSECURE": "1", "ROPE_LABEL": "a=1, b=2",
        "ROPE_BIND_ROOT": "/a,/b", "ROPE_NAME": "from-env", "ROPE_WEIGHT": "3", "DOCKER_HOST": "tcp://d:1",
    }  # fmt: skip
    settings = read_settings(["--name", "from-line", "--label", "c=3"], environment)
    assert settings.name == "from-line" and settings.labels == {"c": "3"} and settings.bind_roots == ("/a", "/b")
    assert settings.weight == 3 and settings.insecure and settings.docker == "tcp://d:1"
    assert read_settings([], {**environment, "ROPE_DOCKER": "unix:///y"}).docker == "unix:///y"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "--data"),
        (["--data", "/d", "--center", "http://10.0.0.1"], "--insecure"),
        (["--data", "/d", "--join", "rope1.x"], "join token"),
        (["--data", "/d", "--name", "a b"], "--name"),
        (["--data", "/d", "--name", "n", "--label", "novalue"], "KEY=VALUE"),
        (["--data", "/d", "--name", "n", "--weight", "0"], "--weight"),
        (["--data", "/d", "--name", "n", "--weight", "nan"], "--weight"),
        (["--data", "/d", "--name", "n", "--address", "here"], "--address"),
        (["--data", "/d", "--name", "n", "--bind-root", "srv"], "--bind-root"),
        (["--data", "/d", "--name", "n", "--port-range", "5-1"], "--port-range"),
        (["--data", "/d", "--name", "n", "--subnet-pool", "10.0.0.0/28"], "--subnet-pool"),
        (["--data", "/d", "--unknown"], "unknown"),
    ],
)
def test_what_cannot_be_obeyed_is_named(arguments: list[str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        read_settings(arguments, {})


def test_a_doubtful_truth_is_refused() -> None:
    with pytest.raises(SettingsError, match="ROPE_INSECURE"):
        read_settings(["--data", "/d"], {"ROPE_INSECURE": "maybe"})


def test_the_token_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "join"
    told = {"ROPE_DATA": "/d", "ROPE_JOIN_FILE": str(file)}
    assert read_settings([], told).join is None, "gone, once the agent has joined"
    file.write_text(f"{TOKEN}\n")
    found = read_settings([], told).join
    assert found is not None and str(found) == TOKEN
    other = TOKEN.replace("abc", "def")
    said = read_settings(["--join", other], told).join
    assert said is not None and said.id == "def"
    with pytest.raises(SettingsError, match="--join-file"):
        read_settings(["--data", "/d", "--join-file", str(tmp_path)], {})
