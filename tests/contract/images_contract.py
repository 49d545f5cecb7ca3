"""What removing an image must keep, of the real Docker and the fake alike. Part of `DockerContract`."""

from contextlib import aclosing

import pytest

from nodeagent.core.container import Docker, DockerFault
from tests.contract.bench import RUNS, Bench, drain, until, want

MISSING = "example.test/app@sha256:" + "0" * 64


async def pulled(docker: Docker, pinned: str) -> None:
    async with aclosing(docker.pull(pinned)) as pull:
        await drain(pull)


class ImagesContract:
    """Never one in use, never by force."""

    async def test_a_pulled_image_that_nobody_uses_is_removed(self, bench: Bench) -> None:
        await pulled(bench.docker, bench.pinned)
        assert await bench.docker.has_image(bench.pinned)
        assert await bench.docker.remove_image(bench.pinned)
        assert not await bench.docker.has_image(bench.pinned)
        assert await bench.docker.has_image(bench.image), "and no other"

    async def test_an_image_that_is_not_there_is_removed_already(self, bench: Bench) -> None:
        assert await bench.docker.remove_image(bench.pinned)
        assert await bench.docker.remove_image(MISSING)

    async def test_an_image_that_a_container_has_stays_whether_it_runs_or_not(self, bench: Bench) -> None:
        await pulled(bench.docker, bench.pinned)
        neighbour = bench.other(cluster="cluster-2")
        container_id = await neighbour.create(want(bench.pinned, RUNS), {})
        assert not await bench.docker.remove_image(bench.pinned), "made, never started, and not ours"
        await neighbour.start(container_id)
        await until(neighbour, container_id, lambda c: c.status == "running")
        assert not await bench.docker.remove_image(bench.pinned)
        await neighbour.stop(container_id, 1.0)
        assert not await bench.docker.remove_image(bench.pinned)
        assert await bench.docker.has_image(bench.pinned)
        await neighbour.remove(container_id)
        assert await bench.docker.remove_image(bench.pinned)

    async def test_an_image_that_a_person_gave_a_name_stays_under_it(self, bench: Bench) -> None:
        await pulled(bench.docker, bench.pinned)
        mine = await bench.tag_image(bench.pinned, "mine/app:1")
        assert await bench.docker.remove_image(bench.pinned)
        assert not await bench.docker.has_image(bench.pinned)
        assert await bench.docker.has_image(mine)

    @pytest.mark.parametrize("image", ["busybox", "busybox:latest", "../../info", ""])
    async def test_only_a_pinned_image_can_be_removed(self, bench: Bench, image: str) -> None:
        with pytest.raises(DockerFault) as raised:
            await bench.docker.remove_image(image)
        assert raised.value.kind == "refused"
