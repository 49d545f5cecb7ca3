"""The lab itself: what the failover tests stand on must be true."""

import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lab import cgroups, network
from lab.command import LabError, run
from lab.engine import Engine
from lab.host import Host
from lab.hosts import Lab
from lab.registry import Registry

PORT = 20001


def answer(host: Host, timeout_s: float = 1.0) -> str | None:
    """What the host's web container says, or None when it is silent."""
    try:
        with urllib.request.urlopen(f"http://{host.address}:{PORT}/", timeout=timeout_s) as response:
            return str(response.read().decode().strip())
    except (urllib.error.URLError, OSError):
        return None


def wait_answer(host: Host, deadline_s: float = 10.0) -> str:
    """Wait until the host's web container answers."""
    deadline = time.monotonic() + deadline_s
    while (text := answer(host)) is None:
        assert time.monotonic() < deadline, f"{host} does not answer"
        time.sleep(0.05)
    return text


def start_web(host: Host, version: str = "1") -> None:
    host.engine.run("web", f"rope-demo/web:{version}", {8080: PORT}, ReadonlyRootfs=True)


def test_engines_are_separate_and_hold_the_same_images(hosts: list[Host]) -> None:
    assert len({host.engine.get("/info")["ID"] for host in hosts}) == 4
    assert len({host.engine.image_id("rope-demo/web:1") for host in hosts}) == 1
    start_web(hosts[0])
    assert [len(host.engine.containers()) for host in hosts] == [1, 0, 0, 0]


def test_a_host_is_tidied_whatever_a_test_did(hosts: list[Host]) -> None:
    for number, host in enumerate(hosts):
        host.engine.run("web", "rope-demo/web:1", Binds=["kept:/data"])
        host.engine.call("POST", "/networks/create", {"Name": "team"})
        (host.power_off, host.cut, host.pause_engine, host.kill_engine)[number]()
    for host in hosts:
        host.tidy()
        assert host.engine.containers(everything=True) == []
        assert not host.engine.get("/volumes")["Volumes"]
        assert {found["Name"] for found in host.engine.get("/networks")} == {"bridge", "host", "none"}
        assert host.engine.image_id("rope-demo/web:1")


def test_a_container_answers_from_outside_and_from_another_host(hosts: list[Host]) -> None:
    start_web(hosts[0], "2")
    container = hosts[0].engine.inspect("web")
    assert wait_answer(hosts[0]) == f"{container['Config']['Hostname']} version 2"
    assert "version 2" in hosts[1].call("busybox", "wget", "-qO-", f"http://{hosts[0].address}:{PORT}/")


def test_a_container_stops_at_once_on_its_stop_signal(hosts: list[Host]) -> None:
    start_web(hosts[0])
    wait_answer(hosts[0])
    began = time.monotonic()
    hosts[0].engine.stop("web", grace_s=10)
    assert time.monotonic() - began < 3
    assert hosts[0].engine.inspect("web")["State"]["ExitCode"] == 0


def test_bad_and_unhealthy_images_are_what_they_say(hosts: list[Host]) -> None:
    engine = hosts[0].engine
    engine.run("bad", "rope-demo/web:bad")
    engine.run("sick", "rope-demo/web:unhealthy")
    deadline = time.monotonic() + 10
    while (health := engine.inspect("sick")["State"]["Health"]["Status"]) == "starting":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert health == "unhealthy"
    assert engine.inspect("bad")["State"]["ExitCode"] == 1


def test_power_loss_ends_everything_and_the_disk_stays(lab: Lab, hosts: list[Host]) -> None:
    host = hosts[0]
    start_web(host)
    wait_answer(host)
    sleeper = host.run(["sleep", "1000"])
    former, engine_id = host.boot_id(), host.engine.get("/info")["ID"]
    assert host.call("cat", "/proc/sys/kernel/random/boot_id").strip() == former

    host.power_off()
    assert not host.is_on()
    assert sleeper.poll() == -9
    assert answer(host, 0.3) is None
    assert not host.engine.answers()
    assert f"{lab.name}-{host.name}" not in network.namespaces(lab.name)

    host.power_on()
    assert host.call("cat", "/proc/sys/kernel/random/boot_id").strip() == host.boot_id() != former
    assert host.engine.get("/info")["ID"] == engine_id
    assert host.engine.containers() == []
    assert [c["Names"] for c in host.engine.containers(everything=True)] == [["/web"]]
    host.engine.start("web")
    assert "version 1" in wait_answer(host)


def test_a_power_loss_does_not_change_the_bridge_for_the_others(lab: Lab, hosts: list[Host]) -> None:
    """A bridge without an address of its own takes one of its ports', and the other hosts lose it for a while."""
    device = Path("/sys/class/net") / lab.name / "address"
    before = device.read_text()
    for host in hosts:
        host.power_off()
        assert device.read_text() == before
        host.power_on()
        assert device.read_text() == before


def test_a_pulled_cable_silences_a_host_that_runs_on(hosts: list[Host]) -> None:
    start_web(hosts[0])
    wait_answer(hosts[0])
    hosts[0].cut()
    assert answer(hosts[0], 0.5) is None
    assert hosts[0].engine.inspect("web")["State"]["Running"]
    hosts[0].mend()
    wait_answer(hosts[0])


def test_a_hung_engine_does_not_answer_and_its_containers_do(hosts: list[Host]) -> None:
    host = hosts[0]
    start_web(host)
    wait_answer(host)
    host.pause_engine()
    assert not Engine(host.socket, timeout_s=0.5).answers()
    assert "version 1" in wait_answer(host)
    host.resume_engine()
    host.wait_engine(5)


def test_a_host_with_a_hung_engine_loses_its_power_too(hosts: list[Host]) -> None:
    hosts[0].pause_engine()
    time.sleep(0.1)
    hosts[0].power_off()
    assert not hosts[0].is_on()


def test_a_restarted_engine_comes_back_with_its_containers_stopped(hosts: list[Host]) -> None:
    start_web(hosts[0])
    hosts[0].restart_engine()
    assert hosts[0].engine.inspect("web")["State"]["Status"] == "exited"


def test_signals_reach_the_program_in_the_host(hosts: list[Host]) -> None:
    script = "trap 'echo told to stop; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    program = hosts[0].run(["busybox", "sh", "-c", script], env={"ROPE_TEST": "1"}, log="trap.log")
    deadline = time.monotonic() + 5
    while "ready" not in program.text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    program.terminate()
    assert program.wait(5) == 7
    assert "told to stop" in program.text()


def test_a_registry_gives_one_digest_to_all_hosts(hosts: list[Host], registry: Registry) -> None:
    digest = registry.push(hosts[0], "rope-demo/web:1", "team/web", "1")
    pinned = f"{registry.address}/team/web@{digest}"
    hosts[1].engine.pull(pinned)
    assert hosts[1].engine.image_id(pinned) == hosts[0].engine.image_id("rope-demo/web:1")
    with pytest.raises(LabError, match="not found"):
        hosts[1].engine.pull(f"{registry.address}/team/web:absent")


def test_down_leaves_nothing_behind(lab: Lab) -> None:
    folder = Path("/tmp/rope-lab-own")
    own = Lab(folder, name="labown", network="10.77.200")
    filter_before = network.BRIDGE_FILTER.read_text()
    own.up(1)
    own.hosts[0].run(["sleep", "1000"])
    # As another process would: from the folder alone.
    Lab.open(folder).down()
    assert not folder.exists()
    assert not network.exists("labown") and not network.exists("labown-h1")
    assert network.namespaces("labown") == []
    assert list(cgroups.ROOT.glob(f"**/{cgroups.parent('labown')}")) == []
    assert "rope-lab-own" not in Path("/proc/self/mounts").read_text()
    assert "rope-lab-own" not in run("ps", "ax", "-o", "args")
    assert network.BRIDGE_FILTER.read_text() == filter_before
    own.down()  # twice is fine


def test_a_lab_never_removes_the_wires_of_another(lab: Lab) -> None:
    """As another user's `down` would, whose folder knows nothing of the lab that is up."""
    with pytest.raises(LabError, match="it stays"):
        Lab(Path("/tmp/rope-lab-none"), name=lab.name, network="10.77.200").down()
    assert network.exists(lab.name) and len(network.namespaces(f"{lab.name}-h")) == 4


def test_a_lab_never_removes_a_folder_that_was_someone_elses(tmp_path: Path, lab: Lab) -> None:
    (tmp_path / "precious").touch()
    short = Path("/tmp/rope-lab-link")
    short.symlink_to(tmp_path)
    try:
        with pytest.raises(LabError, match="not empty"):
            Lab(short, name="labown", network="10.77.200").up(1)
        assert (tmp_path / "precious").exists()
    finally:
        short.unlink()
