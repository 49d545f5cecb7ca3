"""What the agent makes of the container it lives in."""

import logging
from pathlib import Path

import pytest

from nodeagent import housing as housing_module
from nodeagent.core.container import DockerFault
from nodeagent.docker.own import OwnContainer, OwnMount
from nodeagent.housing import Housing, HousingError, check, container_id, find_housing, housed

ID = "4f" * 32
ROOT = "/var/lib/docker"
MOUNTINFO = f"""\
612 561 0:52 / / rw,relatime master:237 - overlay overlay rw,lowerdir=/x/containers/{"aa" * 32}/hostname
613 612 0:55 / /proc rw,nosuid - proc proc rw
620 612 254:0 {ROOT}/containers/{ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda rw
621 612 254:0 {ROOT}/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw
"""
DATA = OwnMount(type="volume", source=f"{ROOT}/volumes/ropeteam-agent/_data", destination="/data")
SOCKET = OwnMount(type="bind", source="/run/docker.sock", destination="/var/run/docker.sock")


def bound(source: str, destination: str = "") -> OwnMount:
    return OwnMount(type="bind", source=source, destination=destination or source)


def in_container(*mounts: OwnMount, host_network: bool = True) -> Housing:
    return Housing(container=ID, host_network=host_network, mounts=(DATA, SOCKET, *mounts))


def test_its_container_is_known_by_what_docker_mounts() -> None:
    assert container_id(MOUNTINFO) == ID


@pytest.mark.parametrize(
    "line",
    [
        "",
        "620 612 254:0 / / rw - ext4 /dev/vda rw",
        f"620 612 254:0 {ROOT}/containers/{ID}/hostname /mnt/hostname rw - ext4 /dev/vda rw",
        "620 612 254:0 /var/lib/docker/containers/short/hostname /etc/hostname rw - ext4 /dev/vda rw",
        "620 612 254:0 /etc/hostname /etc/hostname rw - ext4 /dev/vda rw",
    ],
)
def test_a_machine_is_no_container(line: str) -> None:
    assert container_id(line) == ""


@pytest.mark.parametrize(
    ("mounts", "path"),
    [
        ((), "/data"),
        ((bound("/", "/host"),), f"/host{ROOT}"),
        ((bound("/", "/host"), bound(ROOT, "/docker")), "/docker"),
    ],
)
def test_dockers_disk_is_found_where_it_is_seen(mounts: tuple[OwnMount, ...], path: str) -> None:
    assert in_container(*mounts).visible(ROOT) == path


def test_without_a_volume_dockers_disk_is_that_of_the_containers_own_files() -> None:
    elsewhere = OwnMount(type="volume", source="/mnt/nfs/_data", destination="/data")
    assert Housing(container=ID, mounts=(elsewhere,)).visible(ROOT) == "/"


def test_on_the_machine_every_path_is_seen_as_it_is() -> None:
    assert Housing().visible(ROOT) == ROOT and Housing().unseen(("/srv",)) is None


def test_without_the_machines_network_an_address_is_needed() -> None:
    boxed = in_container(host_network=False)
    with pytest.raises(HousingError, match=r"without the machine's network.*--network host.*--address IP"):
        check(boxed, address="", bind_roots=())
    check(boxed, address="10.0.0.5", bind_roots=())
    check(in_container(), address="", bind_roots=())
    check(Housing(), address="", bind_roots=("/srv",))


@pytest.mark.parametrize("mounts", [(), (bound("/srv", "/elsewhere"),), (bound("/srvice"),)])
def test_a_bind_root_that_cannot_be_checked_is_refused(mounts: tuple[OwnMount, ...]) -> None:
    with pytest.raises(HousingError, match="-v /srv/data:/srv/data:ro"):
        check(in_container(*mounts), address="", bind_roots=("/srv/data",))
    check(in_container(*mounts, bound("/srv")), address="", bind_roots=("/srv/data", "/srv"))


def test_the_engines_answer_is_read() -> None:
    own = OwnContainer(id=ID, network="bridge", pid="host", mounts=(DATA,))
    assert housed(own) == Housing(container=ID, host_network=False, host_pids=True, mounts=(DATA,))
    assert housed(OwnContainer(id=ID, network="host", pid="")).host_pids is False


def test_a_container_of_another_engine_is_as_good_as_a_machine() -> None:
    assert housed(None) == Housing()


async def test_an_engine_that_does_not_answer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    (tmp_path / "net" / "eth0").mkdir(parents=True)
    answers: list[OwnContainer | DockerFault] = [DockerFault("engine_down", "no such file")] * 2
    answers.append(OwnContainer(id=ID, network="bridge", pid=""))

    async def look(url: str, container: str) -> OwnContainer:
        assert (url, container) == ("unix:///d.sock", ID)
        answer = answers.pop(0)
        if isinstance(answer, DockerFault):
            raise answer
        return answer

    monkeypatch.setattr(housing_module, "_MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr(housing_module, "_DEVICES", tmp_path / "net")
    monkeypatch.setattr(housing_module, "ASK_AGAIN_S", 0.0)
    monkeypatch.setattr(housing_module, "look_at", look)
    with caplog.at_level(logging.WARNING):
        assert (await find_housing("unix:///d.sock")).host_network is False
    assert [record.message for record in caplog.records].count(caplog.records[0].message) == 1 == len(caplog.records)

    (tmp_path / "net" / "docker0" / "bridge").mkdir(parents=True)
    answers.append(DockerFault("engine_down", "no such file"))
    assert await find_housing("unix:///d.sock") == Housing(container=ID), "bridges are seen on a machine only"


async def test_on_a_machine_no_engine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housing_module, "_MOUNTS", tmp_path / "not-there")
    assert await find_housing("unix:///nowhere.sock") == Housing()
