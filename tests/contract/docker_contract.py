"""What every implementation of the port `Docker` does: run against the fake and against a real engine.

Subclass `DockerContract` where a fixture `bench` gives the engine under test.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from ipaddress import ip_address

import pytest

from nodeagent.core.container import Docker, DockerFault, FaultKind
from protocol import names
from protocol.spec import DesiredReplica, Mount, PortLease
from tests.contract.bench import (
    CHECK,
    EXITS_3,
    HEALTHY,
    NOT_THERE,
    PRINTED,
    PRINTS,
    RUNS,
    UNHEALTHY,
    Bench,
    Timeline,
    drain,
    eventually,
    until,
    want,
)
from tests.contract.images_contract import ImagesContract
from tests.contract.streams_contract import StreamsContract

NO_NETWORK: dict[str, str] = {}
MISSING = "sha256:" + "0" * 64


@asynccontextmanager
async def fault(kind: FaultKind) -> AsyncIterator[None]:
    """The body must raise DockerFault of this kind, with a sentence."""
    with pytest.raises(DockerFault) as raised:
        yield
    assert raised.value.kind == kind, f"{raised.value.kind}: {raised.value}"
    assert str(raised.value)


async def run(docker: Docker, wanted: DesiredReplica, networks: dict[str, str] = NO_NETWORK) -> str:
    """Create and start."""
    container_id = await docker.create(wanted, networks)
    await docker.start(container_id)
    return container_id


class ContainerContract:
    """One container's life."""

    async def test_a_container_is_made_as_wanted_and_does_not_run_yet(self, bench: Bench) -> None:
        network = await bench.docker.ensure_network("shop", "default", ())
        lease = PortLease(container=80, host=21080)
        wanted = want(bench.image, replica=2, epoch=7, ports=(lease,))
        container_id = await bench.docker.create(wanted, {"default": network})
        made = await bench.docker.inspect(container_id)
        assert made is not None
        assert (made.id, made.status, made.exit_code, made.started_at) == (container_id, "created", None, 0.0)
        assert made.name == names.container_name("cluster-1", wanted.id, 7)
        assert (made.ref.project, made.ref.service, made.ref.replica, made.ref.epoch) == ("shop", "web", 2, 7)
        assert made.ports == (lease,)
        assert made.networks == (network,)
        assert made.health == "none"

    async def test_making_it_again_adopts_it(self, bench: Bench) -> None:
        first = await bench.docker.create(want(bench.image), NO_NETWORK)
        assert await bench.docker.create(want(bench.image), NO_NETWORK) == first

    async def test_another_specification_under_the_same_name_is_refused(self, bench: Bench) -> None:
        await bench.docker.create(want(bench.image), NO_NETWORK)
        async with fault("name_taken"):
            await bench.docker.create(want(bench.image, environment={"A": "1"}), NO_NETWORK)

    async def test_a_foreign_container_is_not_adopted(self, bench: Bench) -> None:
        wanted = want(bench.image)
        await bench.foreign_container(names.container_name("cluster-1", wanted.id, 1))
        async with fault("name_taken"):
            await bench.docker.create(wanted, NO_NETWORK)

    async def test_an_image_that_is_not_here_is_missing(self, bench: Bench) -> None:
        async with fault("image_missing"):
            await bench.docker.create(want(MISSING), NO_NETWORK)
        assert await bench.docker.containers() == ()

    @pytest.mark.parametrize("image", ["busybox", "busybox:latest", "../../info", "a b", ""])
    async def test_an_image_that_is_not_pinned_is_refused(self, bench: Bench, image: str) -> None:
        async with fault("refused"):
            await bench.docker.create(want(image), NO_NETWORK)

    async def test_started_it_runs(self, bench: Bench) -> None:
        container_id = await run(bench.docker, want(bench.image))
        seen = await until(bench.docker, container_id, lambda c: c.status == "running")
        assert seen.started_at > 1e9
        assert seen.exit_code is None
        await bench.docker.start(container_id)

    async def test_it_has_an_address_on_its_network_while_it_runs(self, bench: Bench) -> None:
        network = {"default": await bench.docker.ensure_network("shop", "default", ())}
        container_id = await bench.docker.create(want(bench.image, RUNS), network)
        made = await bench.docker.inspect(container_id)
        assert made is not None and made.addresses == ()
        await bench.docker.start(container_id)
        seen = await until(bench.docker, container_id, lambda c: c.status == "running")
        assert len(seen.addresses) == 1 and ip_address(seen.addresses[0])
        await bench.docker.stop(container_id, 5.0)
        ended = await until(bench.docker, container_id, lambda c: c.status == "exited")
        assert ended.addresses == ()
        alone = await run(bench.docker, want(bench.image, RUNS, replica=2))
        seen = await until(bench.docker, alone, lambda c: c.status == "running")
        assert seen.addresses == ()

    async def test_what_ends_by_itself_shows_its_exit_code(self, bench: Bench) -> None:
        container_id = await run(bench.docker, want(bench.image, EXITS_3))
        seen = await until(bench.docker, container_id, lambda c: c.status == "exited")
        assert seen.exit_code == 3
        # Not compared: Docker stamps the end of a very short process before its start.
        assert seen.finished_at > 1e9 and seen.started_at > 1e9

    async def test_a_command_that_is_not_in_the_image_is_an_error(self, bench: Bench) -> None:
        container_id = await bench.docker.create(want(bench.image, NOT_THERE, init=False), NO_NETWORK)
        async with fault("error"):
            await bench.docker.start(container_id)
        seen = await bench.docker.inspect(container_id)
        assert seen is not None and seen.status != "running" and NOT_THERE[0] in seen.error

    async def test_what_was_killed_can_be_started_again(self, bench: Bench) -> None:
        container_id = await run(bench.docker, want(bench.image))
        await bench.kill(container_id)
        seen = await until(bench.docker, container_id, lambda c: c.status == "exited")
        assert seen.exit_code == 137
        await bench.docker.start(container_id)
        await until(bench.docker, container_id, lambda c: c.status == "running")

    async def test_stopping_is_done_when_it_does_not_run(self, bench: Bench) -> None:
        container_id = await run(bench.docker, want(bench.image))
        await bench.docker.stop(container_id, 5.0)
        seen = await bench.docker.inspect(container_id)
        assert seen is not None and seen.status == "exited"
        await bench.docker.stop(container_id, 5.0)
        await bench.docker.stop("f" * 64, 5.0)

    async def test_restarted_it_runs_anew(self, bench: Bench) -> None:
        container_id = await run(bench.docker, want(bench.image))
        before = await until(bench.docker, container_id, lambda c: c.status == "running")
        await bench.docker.restart(container_id, 5.0)
        await until(bench.docker, container_id, lambda c: c.status == "running" and c.started_at > before.started_at)

    async def test_removed_it_is_gone_and_removing_it_again_is_done(self, bench: Bench) -> None:
        container_id = await run(bench.docker, want(bench.image))
        await bench.docker.remove(container_id)
        assert await bench.docker.inspect(container_id) is None
        assert await bench.docker.containers() == ()
        await bench.docker.remove(container_id)

    async def test_what_is_not_there_cannot_be_started_or_read(self, bench: Bench) -> None:
        async with fault("not_found"):
            await bench.docker.start("f" * 64)
        async with fault("not_found"):
            await bench.docker.restart("f" * 64, 1.0)
        async with fault("not_found"):
            await bench.docker.logs("f" * 64, 10)
        async with fault("not_found"):
            await bench.docker.usage("f" * 64)
        assert await bench.docker.inspect("f" * 64) is None

    async def test_a_list_has_only_what_is_ours(self, bench: Bench) -> None:
        mine = await bench.docker.create(want(bench.image), NO_NETWORK)
        neighbour = bench.other(node="node-2")
        theirs = await neighbour.create(want(bench.image, replica=2), NO_NETWORK)
        stranger = bench.other(cluster="cluster-2")
        await stranger.create(want(bench.image), NO_NETWORK)
        await bench.foreign_container("somebody")
        assert [c.id for c in await bench.docker.containers()] == [mine]
        assert [c.id for c in await neighbour.containers()] == [theirs]
        assert await bench.docker.inspect(theirs) is None

    async def test_the_verdict_of_a_health_check_shows(self, bench: Bench) -> None:
        well = await run(bench.docker, want(bench.image, HEALTHY, health=CHECK))
        ill = await run(bench.docker, want(bench.image, UNHEALTHY, replica=2, health=CHECK))
        await until(bench.docker, well, lambda c: c.health == "healthy")
        seen = await until(bench.docker, ill, lambda c: c.health == "unhealthy")
        assert seen.health_output == "nothing fine here"

    async def test_the_last_lines_of_a_log_are_given_cleaned(self, bench: Bench) -> None:
        container_id = await run(bench.docker, want(bench.image, PRINTS))
        lines = await eventually(lambda: bench.docker.logs(container_id, 10), lambda got: len(got) >= 3)
        assert sorted(lines) == sorted(PRINTED)
        assert len(await bench.docker.logs(container_id, 2)) == 2
        assert await bench.docker.logs(container_id, 0) == ()

    async def test_a_running_container_uses_memory(self, bench: Bench) -> None:
        container_id = await run(bench.docker, want(bench.image))
        usage = await bench.docker.usage(container_id)
        assert usage.memory > 0
        assert (await bench.docker.usage(container_id)).cpu_percent >= 0.0


class EngineContract:
    """What a container lives on: images, ports, networks, volumes; and the engine itself."""

    async def test_the_engine_says_what_it_is(self, bench: Bench) -> None:
        info = await bench.docker.info()
        assert info.id and info.version and info.cpus > 0 and info.memory > 0 and info.disk_root.startswith("/")
        assert (info.os, info.arch) in (("linux", "amd64"), ("linux", "arm64"))
        assert info == await bench.docker.info()

    async def test_a_local_image_is_pinned_to_its_id(self, bench: Bench) -> None:
        assert await bench.docker.resolve(bench.tag) == bench.image
        assert await bench.docker.has_image(bench.image)
        assert not await bench.docker.has_image(MISSING)

    async def test_a_pinned_image_stays_as_it_is(self, bench: Bench) -> None:
        assert await bench.docker.resolve(f"example.test/app@{MISSING}") == f"example.test/app@{MISSING}"
        assert await bench.docker.resolve(MISSING) == MISSING

    async def test_a_published_image_is_pinned_and_pulled(self, bench: Bench) -> None:
        assert await bench.docker.resolve(bench.published) == bench.pinned
        assert not await bench.docker.has_image(bench.pinned)
        async with aclosing(bench.docker.pull(bench.pinned)) as pull:
            progress = await drain(pull)
        assert all(p.done <= p.total for p in progress)
        assert [p.done for p in progress] == sorted(p.done for p in progress)
        # Docker may say nothing of a layer so small that it is there at once.
        assert progress[-1].done == progress[-1].total
        assert await bench.docker.has_image(bench.pinned)
        await bench.docker.create(want(bench.pinned), NO_NETWORK)

    async def test_an_image_nobody_knows_is_missing(self, bench: Bench) -> None:
        async with fault("image_missing"):
            await bench.docker.resolve(f"{bench.published}-unknown")
        name = bench.pinned.partition("@")[0]
        async with fault("image_missing"), aclosing(bench.docker.pull(f"{name}@{MISSING}")) as pull:
            await drain(pull)
        async with fault("image_missing"), aclosing(bench.docker.pull(MISSING)) as pull:
            await drain(pull)

    @pytest.mark.parametrize("image", ["UPPER/Case", "a b", "../info", "app?x=1", "", "app@sha256:abc"])
    async def test_what_is_no_reference_is_refused(self, bench: Bench, image: str) -> None:
        async with fault("refused"):
            await bench.docker.resolve(image)

    async def test_a_port_that_a_container_has_is_taken(self, bench: Bench) -> None:
        network = {"default": await bench.docker.ensure_network("shop", "default", ())}
        lease = PortLease(container=80, host=21081)
        first = await run(bench.docker, want(bench.image, ports=(lease,)), network)
        second = await bench.docker.create(want(bench.image, replica=2, ports=(lease,)), network)
        async with fault("port_taken"):
            await bench.docker.start(second)
        seen = await bench.docker.inspect(second)
        assert seen is not None and seen.status != "running"
        await bench.docker.remove(first)
        await bench.docker.start(second)
        await until(bench.docker, second, lambda c: c.status == "running")

    async def test_a_port_that_something_else_has_is_taken(self, bench: Bench) -> None:
        network = {"default": await bench.docker.ensure_network("shop", "default", ())}
        await bench.hold_port(21082)
        lease = PortLease(container=80, host=21082)
        container_id = await bench.docker.create(want(bench.image, ports=(lease,)), network)
        async with fault("port_taken"):
            await bench.docker.start(container_id)
        await bench.free_port()
        await bench.docker.start(container_id)
        await until(bench.docker, container_id, lambda c: c.status == "running")

    async def test_a_bind_mount_below_the_root_is_allowed_and_no_other(self, bench: Bench) -> None:
        inside = Mount(kind="bind", source=bench.bind_root, target="/data", read_only=True)
        await run(bench.docker, want(bench.image, mounts=(inside,)))
        for source in ("/etc", f"{bench.bind_root}/../..", "/var/run/docker.sock", "relative"):
            outside = Mount(kind="bind", source=source, target="/data")
            async with fault("refused"):
                await bench.docker.create(want(bench.image, replica=2, mounts=(outside,)), NO_NETWORK)

    async def test_a_network_is_made_once_and_goes_with_its_last_container(self, bench: Bench) -> None:
        docker = bench.docker
        front = await docker.ensure_network("shop", "front", ())
        back = await docker.ensure_network("shop", "back", ())
        assert front != back
        assert await docker.ensure_network("shop", "front", ()) == front
        spec_networks = {"front": ("www",), "back": ()}
        both = {"front": front, "back": back}
        container_id = await run(docker, want(bench.image, networks=spec_networks), both)
        seen = await docker.inspect(container_id)
        assert seen is not None and seen.networks == tuple(sorted(both.values()))
        await docker.stop(container_id, 5.0)
        await docker.drop_unused_networks()
        await docker.start(container_id)
        await docker.remove(container_id)
        await docker.drop_unused_networks()
        stays = await docker.create(want(bench.image), {"default": front})
        async with fault("not_found"):
            await docker.start(stays)

    async def test_a_network_name_is_never_shared_between_projects(self, bench: Bench) -> None:
        await bench.docker.ensure_network("a", "b-c", ())
        async with fault("name_taken"):
            await bench.docker.ensure_network("a-b", "c", ())

    async def test_agents_of_one_cluster_share_a_network_and_the_maker_removes_it(self, bench: Bench) -> None:
        name = await bench.docker.ensure_network("shop", "default", ())
        neighbour = bench.other(node="node-2")
        assert await neighbour.ensure_network("shop", "default", ()) == name
        await neighbour.drop_unused_networks()
        container_id = await run(neighbour, want(bench.image), {"default": name})
        await bench.docker.drop_unused_networks()
        await neighbour.restart(container_id, 5.0)

    async def test_no_subnet_left_is_refused(self, bench: Bench) -> None:
        async with fault("refused"):
            await bench.docker.ensure_network("shop", "default", ("10.0.0.0/8",))

    async def test_a_volume_is_made_once(self, bench: Bench) -> None:
        assert await bench.docker.ensure_volume("shop", "data") == "shop_data"
        assert await bench.docker.ensure_volume("shop", "data") == "shop_data"
        mount = Mount(kind="volume", source="data", target="/data")
        await run(bench.docker, want(bench.image, mounts=(mount,)))
        async with fault("name_taken"):
            await bench.other(cluster="cluster-2").ensure_volume("shop", "data")
        async with fault("refused"):
            await bench.docker.ensure_volume("shop", "../data")

    async def test_events_tell_of_our_containers(self, bench: Bench) -> None:
        timeline = Timeline()
        async with asyncio.TaskGroup() as group:
            gathering = group.create_task(timeline.gather(bench.docker))
            await eventually(lambda: _number(timeline.lost), lambda lost: lost == 1)
            theirs = await run(bench.other(node="node-2"), want(bench.image, replica=2))
            ours = await run(bench.docker, want(bench.image, RUNS))
            await bench.docker.remove(ours)
            await eventually(lambda: _seen(timeline, ours), lambda actions: "destroy" in actions)
            gathering.cancel()
        actions = [a for a in timeline.actions(ours) if a in ("create", "start", "die", "destroy")]
        assert actions == ["create", "start", "die", "destroy"]
        assert timeline.actions(theirs) == []
        assert timeline.lost == 1

    async def test_events_come_back_after_the_engine_went_away(self, bench: Bench) -> None:
        timeline = Timeline()
        async with asyncio.TaskGroup() as group:
            gathering = group.create_task(timeline.gather(bench.docker))
            await eventually(lambda: _number(timeline.lost), lambda lost: lost == 1)
            await bench.restart_engine()
            await eventually(lambda: _number(timeline.lost), lambda lost: lost >= 3, within_s=30.0)
            ours = await run(bench.docker, want(bench.image))
            await eventually(lambda: _seen(timeline, ours), lambda actions: "start" in actions)
            gathering.cancel()

    async def test_a_closed_connection_says_so(self, bench: Bench) -> None:
        other = bench.other()
        await other.info()
        await other.close()
        async with fault("engine_down"):
            await other.info()


class DockerContract(ContainerContract, EngineContract, ImagesContract, StreamsContract):
    """Everything."""


async def _number(value: int) -> int:
    return value


async def _seen(timeline: Timeline, container_id: str) -> list[str]:
    return timeline.actions(container_id)
