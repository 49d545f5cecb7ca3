"""What is asked of Docker for a replica: all that the specification says, and nothing that it may not have."""

from typing import Any

import msgspec
import pytest

from nodeagent.core.container import DockerFault
from nodeagent.docker.create_body import PIDS_MAX, create_body, default_hostname, endpoints
from protocol.options import ContainerOptions, Logging, Ulimit
from protocol.spec import DesiredReplica, HealthCheck, Mount, PortLease, Resources, ServiceSpec, container_fingerprint

IMAGE = "shop/web@sha256:" + "a" * 64
NETWORKS = {"front": "rope-shop-front", "back": "rope-shop-back"}


def replica(image: str = IMAGE, ports: tuple[PortLease, ...] = (), **spec: Any) -> DesiredReplica:
    service = ServiceSpec(name="web", image="shop/web", **spec)
    return DesiredReplica(
        project="shop", service="web", replica=2, epoch=3, revision=4, image=image, spec=service, ports=ports
    )


def body(want: DesiredReplica, networks: dict[str, str] = NETWORKS, binds: dict[str, str] | None = None) -> Any:
    """The body as Docker reads it."""
    built = create_body(want, cluster="c", node="n", networks=networks, bind_paths=binds or {})
    return msgspec.json.decode(msgspec.json.encode(built))


def refused(want: DesiredReplica, networks: dict[str, str] = NETWORKS) -> str:
    with pytest.raises(DockerFault) as raised:
        body(want, networks)
    assert raised.value.kind == "refused"
    return str(raised.value)


def test_every_setting_reaches_docker() -> None:
    want = replica(
        command=("httpd", "-f"),
        entrypoint=("/run",),
        environment={"A": "1", "B": "x=y z"},
        labels={"team": "blue"},
        hostname="shop-1",
        user="1000:1000",
        working_dir="/srv",
        read_only=True,
        init=True,
        stop_signal="SIGINT",
        stop_grace_s=2.5,
        resources=Resources(cpus_limit=1.5, memory_limit=2**28, memory_reserved=2**27, pids_limit=40),
        health=HealthCheck(test=("CMD", "true"), interval_s=1.5, timeout_s=2.0, start_period_s=3.0, retries=4),
    )
    made = body(want)
    assert made["Image"] == IMAGE
    assert (made["Cmd"], made["Entrypoint"]) == (["httpd", "-f"], ["/run"])
    assert made["Env"] == ["A=1", "B=x=y z"]
    assert (made["Hostname"], made["User"], made["WorkingDir"]) == ("shop-1", "1000:1000", "/srv")
    assert (made["StopSignal"], made["StopTimeout"]) == ("SIGINT", 3)
    assert made["Healthcheck"] == {
        "Test": ["CMD", "true"],
        "Interval": 1_500_000_000,
        "Timeout": 2_000_000_000,
        "StartPeriod": 3_000_000_000,
        "Retries": 4,
    }
    host = made["HostConfig"]
    assert (host["ReadonlyRootfs"], host["Init"], host["PidsLimit"]) == (True, True, 40)
    assert (host["NanoCpus"], host["Memory"], host["MemoryReservation"]) == (1_500_000_000, 2**28, 2**27)
    assert made["Labels"] == {
        "team": "blue",
        "ropeteam.cluster": "c",
        "ropeteam.node": "n",
        "ropeteam.project": "shop",
        "ropeteam.service": "web",
        "ropeteam.replica": "2",
        "ropeteam.epoch": "3",
        "ropeteam.spec": container_fingerprint(want),
    }


def test_what_is_not_said_is_left_to_the_image_and_to_safe_defaults() -> None:
    made = body(replica())
    assert (made["Cmd"], made["Entrypoint"], made["Healthcheck"]) == (None, None, None)
    assert "StopSignal" not in made
    assert made["Hostname"] == "web-2"
    host = made["HostConfig"]
    assert host["PidsLimit"] == PIDS_MAX
    assert host["RestartPolicy"] == {"Name": "no"}
    assert host["CapDrop"] == ["NET_RAW"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def test_nothing_dangerous_can_be_asked_for() -> None:
    """A new field here is a decision about what replicas may have on a host."""
    made = body(replica())
    assert set(made["HostConfig"]) == {
        "NetworkMode",
        "PortBindings",
        "Mounts",
        "Tmpfs",
        "Init",
        "ReadonlyRootfs",
        "NanoCpus",
        "Memory",
        "MemoryReservation",
        "PidsLimit",
        "RestartPolicy",
        "LogConfig",
        "CapDrop",
        "CapAdd",
        "SecurityOpt",
        "Dns",
        "DnsOptions",
        "DnsSearch",
        "ExtraHosts",
        "GroupAdd",
        "ShmSize",
        "Sysctls",
        "Ulimits",
    }


def test_options_reach_docker() -> None:
    given = ContainerOptions(
        cap_add=("CHOWN",),
        cap_drop=("ALL",),
        dns=("10.0.0.2",),
        dns_options=("ndots:2",),
        dns_search=("example.com",),
        extra_hosts=("db:10.0.0.3", "six:fd00::1"),
        group_add=("1000", "video"),
        shm_size=1 << 27,
        sysctls={"net.core.somaxconn": "1024"},
        ulimits={"nofile": Ulimit(soft=1024, hard=-1)},
        logging=Logging(driver="local", size=1 << 20),
    )
    host = body(replica(options=given, mounts=(Mount(kind="tmpfs", target="/t", size=5, mode=0o1777),)))["HostConfig"]
    assert (host["CapAdd"], host["CapDrop"]) == (["CHOWN"], ["NET_RAW", "ALL"])
    assert (host["Dns"], host["DnsOptions"], host["DnsSearch"]) == (["10.0.0.2"], ["ndots:2"], ["example.com"])
    assert host["ExtraHosts"] == ["db:10.0.0.3", "six:fd00::1"]
    assert (host["GroupAdd"], host["ShmSize"]) == (["1000", "video"], 1 << 27)
    assert host["Sysctls"] == {"net.core.somaxconn": "1024"}
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 1024, "Hard": -1}]
    assert host["LogConfig"] == {"Type": "local", "Config": {"max-size": "1048576", "max-file": "3"}}
    assert host["Tmpfs"] == {"/t": "size=5,mode=1777"}


def test_no_log_at_all() -> None:
    host = body(replica(options=ContainerOptions(logging=Logging(driver="none"))))["HostConfig"]
    assert host["LogConfig"] == {"Type": "none", "Config": {}}


@pytest.mark.parametrize(
    "given",
    [
        {"cap_add": ("SYS_ADMIN",)},
        {"cap_add": ("ALL",)},
        {"cap_drop": ("a b",)},
        {"cap_drop": ("lower",)},
        {"dns": ("ns.example.com",)},
        {"dns_options": ("",)},
        {"dns_search": ("a\nb",)},
        {"extra_hosts": ("db:host-gateway",)},
        {"extra_hosts": ("10.0.0.1",)},
        {"group_add": ("x" * 300,)},
        {"group_add": ("1",) * 65},
        {"sysctls": {"kernel.core_pattern": "|/x"}},
        {"sysctls": {"net.core.somaxconn": "1\n2"}},
        {"ulimits": {"rtprio": Ulimit(soft=1, hard=1)}},
        {"ulimits": {"nofile": Ulimit(soft=-2, hard=1)}},
        {"logging": Logging(size=1 << 40)},
        {"logging": Logging(files=1000)},
    ],
)
def test_options_that_no_replica_may_have(given: dict[str, Any]) -> None:
    assert refused(replica(options=ContainerOptions(**given)))


def test_an_empty_entrypoint_drops_the_images() -> None:
    assert body(replica(entrypoint=()))["Entrypoint"] == [""]


def test_a_disabled_health_check_stays_disabled() -> None:
    assert body(replica(health=HealthCheck(test=("NONE",))))["Healthcheck"] == {"Test": ["NONE"]}


def test_leases_are_published_on_their_addresses() -> None:
    leases = (
        PortLease(container=80, host=20001),
        PortLease(container=80, host=8080, host_ip="127.0.0.1"),
        PortLease(container=53, host=20002, protocol="udp"),
    )
    made = body(replica(ports=leases, expose=("9000", "7000-7002/udp")))
    assert made["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "20001"}, {"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "", "HostPort": "20002"}],
    }
    assert set(made["ExposedPorts"]) == {"80/tcp", "53/udp", "9000/tcp", "7000/udp", "7001/udp", "7002/udp"}


def test_the_first_network_comes_with_the_container_under_its_names() -> None:
    want = replica(networks={"back": ("db", "web"), "front": ()})
    made = body(want)
    assert made["HostConfig"]["NetworkMode"] == "rope-shop-front"
    assert made["NetworkingConfig"] == {"EndpointsConfig": {"rope-shop-front": {"Aliases": ["web"]}}}
    assert {name: e.aliases for name, e in endpoints(want, NETWORKS).items()} == {
        "rope-shop-front": ("web",),
        "rope-shop-back": ("web", "db"),
    }


def test_without_a_network_there_is_none_not_dockers_shared_bridge() -> None:
    assert body(replica(), {})["HostConfig"]["NetworkMode"] == "none"
    assert "network" in refused(replica(ports=(PortLease(container=80, host=20001),)), {})
    assert "'front'" in refused(replica(networks={"front": ()}), {})


def test_mounts_are_the_projects_volumes_and_allowed_folders() -> None:
    want = replica(
        mounts=(
            Mount(kind="volume", source="data", target="/data"),
            Mount(kind="volume", target="/cache"),
            Mount(kind="bind", source="/srv/in", target="/in", read_only=True),
            Mount(kind="tmpfs", target="/tmp", size=65536),
            Mount(kind="tmpfs", target="/run"),
        )
    )
    host = body(want, binds={"/srv/in": "/mnt/real/in"})["HostConfig"]
    labels = {"Labels": {"ropeteam.cluster": "c", "ropeteam.node": "n", "ropeteam.project": "shop"}}
    assert host["Mounts"] == [
        {"Type": "volume", "Source": "shop_data", "Target": "/data", "VolumeOptions": labels},
        {"Type": "volume", "Target": "/cache", "VolumeOptions": labels},
        {
            "Type": "bind",
            "Source": "/mnt/real/in",
            "Target": "/in",
            "ReadOnly": True,
            "BindOptions": {"Propagation": "rprivate"},
        },
    ]
    assert host["Tmpfs"] == {"/tmp": "size=65536", "/run": ""}


@pytest.mark.parametrize(
    ("want", "word"),
    [
        (replica(mounts=(Mount(kind="bind", source="/etc", target="/in"),)), "--bind-root"),
        (replica(mounts=(Mount(kind="volume", source="../x", target="/in"),)), "volume"),
        (replica(labels={"ropeteam.node": "other"}), "reserved"),
        (replica(environment={"A=B": "1"}), "environment"),
        (replica(environment={"": "1"}), "environment"),
        (replica(expose=("80; rm",)), "expose"),
        (replica(expose=("1-65535",)), "range"),
        (replica(ports=(PortLease(container=0, host=20001),)), "container port"),
        (replica(ports=(PortLease(container=80, host=70000),)), "host port"),
        (replica(ports=(PortLease(container=80, host=20001, host_ip="evil.example"),)), "host address"),
        (replica(image="shop/web:1"), "pinned"),
        (msgspec.structs.replace(replica(), project="../x"), "legal"),
        (msgspec.structs.replace(replica(), service="a/b"), "legal"),
        (msgspec.structs.replace(replica(), epoch=0), "count from 1"),
    ],
)
def test_what_a_replica_may_not_have_is_refused_and_named(want: DesiredReplica, word: str) -> None:
    assert word in refused(want)


@pytest.mark.parametrize(
    ("service", "hostname"),
    [("web", "web-7"), ("My_App.v2", "My-App-v2-7"), ("x" * 63, "x" * 61 + "-7"), ("a" * 60 + "-bc", "a" * 60 + "-7")],
)
def test_the_host_name_is_always_a_host_name(service: str, hostname: str) -> None:
    assert default_hostname(service, 7) == hostname
    assert len(hostname) <= 63
