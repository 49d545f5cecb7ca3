"""Sentences of real engines, sorted."""

import pytest

from nodeagent.core.container import FaultKind
from nodeagent.docker.faults import sort_fault, sort_pull_fault

DRIVER = "driver failed programming external connectivity on endpoint web (ab12): "


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (900, "Cannot connect to Docker Engine via unix:///x [..]", "engine_down"),
        (500, f"{DRIVER}Bind for 0.0.0.0:8080 failed: port is already allocated", "port_taken"),
        (500, f"{DRIVER}userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use", "port_taken"),
        (500, "failed to bind host port for 0.0.0.0:80:172.17.0.2:80/tcp: address already in use", "port_taken"),
        (500, "Ports are not available: exposing port TCP 0.0.0.0:80 -> 0.0.0.0:0", "port_taken"),
        (500, f"{DRIVER}listen tcp4 10.9.9.9:80: bind: cannot assign requested address", "refused"),
        (404, "No such image: busybox@sha256:00", "image_missing"),
        (404, "pull access denied for x, repository does not exist or may require 'docker login'", "image_missing"),
        (404, "No such container: abc", "not_found"),
        (404, "network rope-shop-default not found", "not_found"),
        (409, 'Conflict. The container name "/rope-a" is already in use by container "b".', "name_taken"),
        (409, "network with name rope-shop-default already exists", "name_taken"),
        (409, "removal of container abc is already in progress", "error"),
        (400, "invalid mount config for type bind: bind source path does not exist: /srv/x", "refused"),
        (403, "Pool overlaps with other one on this address space", "refused"),
        (500, "OCI runtime create failed: container_linux.go:380", "error"),
        (500, "write /var/lib/docker/x: no space left on device", "error"),
    ],
)  # fmt: skip
def test_a_sentence_has_its_kind(status: int, message: str, kind: FaultKind) -> None:
    fault = sort_fault(status, message)
    assert fault.kind == kind
    assert str(fault) == message[:500]


def test_a_silent_or_hostile_answer_still_gives_a_sentence() -> None:
    assert str(sort_fault(500, "")) == "Docker answered 500"
    assert str(sort_fault(500, "a\x1b[2Jb\nc")) == "ab c"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("manifest unknown: manifest unknown", "image_missing"),
        ("manifest for app@sha256:00 not found: manifest unknown", "image_missing"),
        ("Get https://r/v2/: dial tcp 10.0.0.1:443: connect: connection refused", "pull_failed"),
        ("unexpected EOF", "pull_failed"),
        ("", "pull_failed"),
    ],
)
def test_a_pull_fails_for_want_of_the_image_or_on_the_way(message: str, kind: FaultKind) -> None:
    assert sort_pull_fault(message).kind == kind
