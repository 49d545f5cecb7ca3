"""The container that takes an agent's place: what a person chose stays, what the old image said goes."""

from typing import Any

import pytest

from nodeagent.docker.successor import REPLACES, obstacle, other_networks, replacer, successor

IMAGE: dict[str, Any] = {
    "Env": ["PATH=/opt/bin", "ROPE_DATA=/data"],
    "Cmd": ["agent"],
    "Entrypoint": ["rope"],
    "Labels": {"version": "1", "kept": "no"},
    "WorkingDir": "/data",
    "Healthcheck": {"Test": ["CMD", "health"]},
    "Volumes": {"/data": {}},
}


def own(**changes: Any) -> dict[str, Any]:
    """As `docker run -v agent:/data -v /docker.sock:/docker.sock … agent --center …` makes it."""
    config = {
        **IMAGE, "Image": "agent:1", "Hostname": "a" * 12, "Cmd": ["agent", "--center", "http://c"], "User": "0",
        "Env": ["PATH=/opt/bin", "ROPE_DATA=/data", "ROPE_LABEL=a=b"], "Labels": {**IMAGE["Labels"], "mine": "yes"},
    }  # fmt: skip
    host = {
        "NetworkMode": "host", "PidMode": "host", "RestartPolicy": {"Name": "unless-stopped"}, "AutoRemove": False,
        "Binds": ["agent:/data", "/docker.sock:/docker.sock"], "ReadonlyRootfs": True, "GroupAdd": ["999"],
    }  # fmt: skip
    mounts = [
        {"Type": "volume", "Name": "agent", "Destination": "/data", "RW": True},
        {"Type": "bind", "Source": "/docker.sock", "Destination": "/docker.sock", "RW": True},
    ]
    found = {"Id": "a" * 64, "Name": "/agent", "Image": "sha256:old", "Config": config, "HostConfig": host}
    return {**found, "Mounts": mounts, "NetworkSettings": {"Networks": {"host": {}}}, **changes}


def test_what_a_person_chose_stays_and_what_the_image_said_goes() -> None:
    body = successor(own(), IMAGE, "agent:2")
    assert body["Image"] == "agent:2" and body["HostConfig"] == own()["HostConfig"]
    assert body["Cmd"] == ["agent", "--center", "http://c"] and body["User"] == "0"
    assert body["Env"] == ["ROPE_LABEL=a=b"] and body["Labels"] == {"mine": "yes"}
    for said_by_the_image in ("Entrypoint", "WorkingDir", "Healthcheck", "Volumes", "Hostname"):
        assert said_by_the_image not in body
    assert "NetworkingConfig" not in body and other_networks(own()) == {}


def test_a_command_that_is_the_images_is_left_to_the_new_one_unless_the_entrypoint_is_a_persons() -> None:
    plain, odd = own(), own()
    plain["Config"]["Cmd"] = ["agent"]
    odd["Config"] |= {"Cmd": ["agent"], "Entrypoint": ["wrapper"]}
    assert "Cmd" not in successor(plain, IMAGE, "agent:2")
    body = successor(odd, IMAGE, "agent:2")
    assert (body["Entrypoint"], body["Cmd"]) == (["wrapper"], ["agent"])


def test_a_host_name_somebody_chose_stays() -> None:
    named = own()
    named["Config"]["Hostname"] = "alpine-7"
    assert successor(named, IMAGE, "agent:2")["Hostname"] == "alpine-7"


def test_volumes_nobody_named_go_along() -> None:
    loose = own()
    loose["HostConfig"] |= {"Binds": ["/docker.sock:/docker.sock"], "Mounts": [{"Type": "volume", "Target": "/more"}]}
    loose["Mounts"] = [
        {"Type": "volume", "Name": "f00", "Destination": "/data", "RW": True},
        {"Type": "volume", "Name": "bar", "Destination": "/look", "RW": False},
        {"Type": "volume", "Name": "m", "Destination": "/more", "RW": True},
    ]
    binds = successor(loose, IMAGE, "agent:2")["HostConfig"]["Binds"]
    assert binds == ["/docker.sock:/docker.sock", "f00:/data", "bar:/look:ro"]


def test_networks_of_a_persons_own_are_joined_again() -> None:
    netted = own()
    netted["HostConfig"]["NetworkMode"] = "lan"
    joined = {"Aliases": ["a" * 12, "me"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}, "Gateway": "10.0.0.1"}
    netted["NetworkSettings"] = {"Networks": {"lan": joined, "second": {"Aliases": None, "IPAMConfig": None}}}
    config = successor(netted, IMAGE, "agent:2")["NetworkingConfig"]["EndpointsConfig"]
    assert config == {"lan": {"Aliases": ["me"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}}}
    assert other_networks(netted) == {"second": {"Aliases": [], "IPAMConfig": None}}


def test_the_one_that_replaces_is_of_the_old_image_with_its_volumes_and_no_network() -> None:
    body = replacer(own(), ["python", "-m", "x", "{}"], "t1", local=True)
    assert (body["Image"], body["Entrypoint"], body["Cmd"]) == ("sha256:old", ["python"], ["-m", "x", "{}"])
    host = body["HostConfig"]
    assert body["Labels"] == {REPLACES: "t1"} and host["VolumesFrom"] == ["a" * 64]
    assert (host["NetworkMode"], host["RestartPolicy"]["Name"]) == ("none", "on-failure")
    assert host["ReadonlyRootfs"] and host["GroupAdd"] == ["999"] and body["User"] == "0"
    assert replacer(own(), ["x"], "t1", local=False)["HostConfig"]["NetworkMode"] == "host"


@pytest.mark.parametrize(("data", "why"), [("/data", ""), ("/data/sub", ""), ("/database", "is in no volume")])
def test_the_key_must_be_in_a_volume(data: str, why: str) -> None:
    assert why in obstacle(own(), data) and bool(why) == bool(obstacle(own(), data))


def test_one_that_goes_when_it_stops_cannot_be_put_back() -> None:
    fleeting = own()
    fleeting["HostConfig"]["AutoRemove"] = True
    assert "--rm" in obstacle(fleeting, "/data")
