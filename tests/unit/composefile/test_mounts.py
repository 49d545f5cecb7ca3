"""Volumes, bind mounts and tmpfs."""

import pytest

from protocol.spec import Mount
from tests.unit.composefile.sample import compose, errors, service, web, web_error

DATA = "volumes: {data: }\n"


@pytest.mark.parametrize(
    ("written", "mount"),
    [
        ('"data:/d"', Mount(kind="volume", source="data", target="/d")),
        ('"data:/d:ro"', Mount(kind="volume", source="data", target="/d", read_only=True)),
        ('"/d"', Mount(kind="volume", target="/d")),
        ('"/srv/a/:/d/:rw"', Mount(kind="bind", source="/srv/a", target="/d")),
        ("{type: volume, source: data, target: /d}", Mount(kind="volume", source="data", target="/d")),
        ("{type: volume, target: /d}", Mount(kind="volume", target="/d")),
        (
            "{type: bind, source: /srv, target: /d, read_only: true}",
            Mount(kind="bind", source="/srv", target="/d", read_only=True),
        ),
        ("{type: tmpfs, target: /d, tmpfs: {size: 1m}}", Mount(kind="tmpfs", target="/d", size=1 << 20)),
    ],
)
def test_forms(written: str, mount: Mount) -> None:
    assert web(f"volumes: [{written}]", DATA).mounts == (mount,)


@pytest.mark.parametrize("source", ["./a", "../a", "~/a", "."])
def test_relative_paths_need_an_absolute_one(source: str) -> None:
    problem = web_error(f"volumes: ['{source}:/d']")
    assert "relative" in problem.message and "--bind-root" in problem.fix
    assert web_error(f"volumes: [{{type: bind, source: '{source}', target: /d}}]").fix == problem.fix


@pytest.mark.parametrize("source", ["/var/run/docker.sock", "/run/docker.sock", "/var//run/./docker.sock"])
def test_the_engines_socket_needs_permission(source: str) -> None:
    assert "needs permission" in web_error(f"volumes: ['{source}:/s']").message


@pytest.mark.parametrize(
    "written",
    [
        "'data:d'",
        "'data:/'",
        "'/a/../b:/d'",
        "'data:/d:z'",
        "'data:/d:cached'",
        "'data:/d:x'",
        "'a b:/d'",
        "'a:b:c:d'",
        "'data:'",
        "''",
        "{source: data, target: /d}",
        "{type: volume, source: data}",
        "{type: npipe, source: a, target: /d}",
        "{type: volume, source: /srv, target: /d}",
        "{type: bind, target: /d}",
        "{type: tmpfs, source: a, target: /d}",
        "{type: volume, source: data, target: /d, tmpfs: {size: 1m}}",
        "{type: volume, source: data, target: /d, volume: {nocopy: true}}",
        "{type: bind, source: /srv, target: /d, bind: {propagation: shared}}",
        "{type: tmpfs, target: /d, tmpfs: {mode: rwx}}",
        "7",
        "'other:/d'",
    ],
)
def test_what_is_refused(written: str) -> None:
    assert web_error(f"volumes: [{written}]", DATA).field.startswith("services.web.volumes[0]")


def test_two_mounts_at_one_path() -> None:
    assert "two mounts" in web_error("volumes: [/d, 'data:/d/']", DATA).message
    assert "two mounts" in web_error("volumes: [/d]\ntmpfs: /d").message


def test_tmpfs() -> None:
    assert web("tmpfs: /a").mounts == (Mount(kind="tmpfs", target="/a"),)
    assert web("tmpfs: ['/a:size=64m,ro', /b]").mounts == (
        Mount(kind="tmpfs", target="/a", size=64 << 20, read_only=True),
        Mount(kind="tmpfs", target="/b"),
    )
    assert web("tmpfs: '/a:mode=1777,size=1k'").mounts == (Mount(kind="tmpfs", target="/a", size=1024, mode=0o1777),)
    assert "uid=5" in web_error("tmpfs: '/a:uid=5'").message
    assert "permissions" in web_error("tmpfs: '/a:mode=9'").message
    assert [p.field for p in errors(service("tmpfs: [a, '/b:size=x']"))] == [
        "services.web.tmpfs[0]",
        "services.web.tmpfs[1]",
    ]


def test_a_volume_with_replicas_is_told() -> None:
    read = compose(service("volumes: ['data:/d']\ndeploy: {replicas: 2}", DATA))
    assert read.spec.services["web"].replicas == 2
    assert [w.field for w in read.warnings] == ["services.web"] and "each node" in read.warnings[0].message
