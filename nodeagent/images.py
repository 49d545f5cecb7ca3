"""Images this agent pulled: written down, and removed again when Docker's disk is short and nobody needs them.

Never others, never one that a container of anybody uses, never one that this node shall run. Which of them no kept
revision uses only the Center knows: the heartbeat asks, its answer tells. Made and run by `app`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

import msgspec

from nodeagent.core.container import Docker, DockerFault
from nodeagent.core.events import Event, Now, Received
from nodeagent.journal import Journal, PulledImage
from protocol.messages import Beat, Heartbeat

SHORT = 0.15
"""Less than this share of the disk is free: make room."""
ASK_S = 30.0
"""Between two questions."""
ASKED_MAX = 16
"""Images in one question, the oldest first."""
REST_S = 600.0
"""An image that cannot go now is not asked about for so long."""

log = logging.getLogger(__name__)


class Images:
    """`pulled`: what was written down before. `share`: what is free of Docker's disk, 0 to 1, as it was measured last;
    `measure` does it anew. `wanted`: the images that this node shall run.
    """

    def __init__(
        self,
        docker: Docker,
        journal: Journal,
        pulled: Collection[PulledImage],
        *,
        share: Callable[[], float],
        measure: Callable[[], Awaitable[float]],
        wanted: Callable[[], Collection[str]],
        now: Callable[[], Now],
    ) -> None:
        self._docker = docker
        self._journal = journal
        self._pulled = {one.image: one for one in sorted(pulled, key=lambda one: one.at)}
        """Oldest first."""
        self._share = share
        self._measure = measure
        self._wanted = wanted
        self._now = now
        self._coming: set[str] = set()
        """What is being pulled now."""
        self._rests: dict[str, float] = {}
        """Image -> monotonic seconds until when it is not asked about."""
        self._asked: tuple[str, ...] = ()
        self._ask_at = 0.0
        self._unused: tuple[str, ...] = ()
        self._told = asyncio.Event()
        self._removed: list[str] = []
        """Since the last heartbeat."""

    def coming(self, image: str) -> None:
        """A pull begins."""
        self._coming.add(image)

    def missed(self, image: str) -> None:
        """It failed. Call after `coming`."""
        self._coming.discard(image)

    async def came(self, image: str) -> None:
        """It was not here before and is now. Waits for the disk."""
        self._coming.discard(image)
        self._pulled.pop(image, None)
        self._pulled[image] = PulledImage(image=image, at=self._now().wall)
        await self._save()

    def carried_by(self, beat: Heartbeat) -> Heartbeat:
        """The heartbeat with our question and our news in it. When it is lost, so are they: the log has them, too."""
        question, removed, self._removed = self.question(), self._removed, []
        if not question and not removed:
            return beat
        return msgspec.structs.replace(beat, images=question, images_removed=tuple(removed[-ASKED_MAX:]))

    def question(self) -> tuple[str, ...]:
        """Images of which we want to know whether a kept revision uses them; mostly none."""
        mono = self._now().mono
        if not self._pulled or mono < self._ask_at or self._share() >= SHORT:
            return ()
        wanted = {*self._wanted(), *self._coming}
        self._rests = {image: until for image, until in self._rests.items() if until > mono and image in self._pulled}
        free = [image for image in self._pulled if image not in wanted and image not in self._rests]
        self._asked = tuple(free[:ASKED_MAX])
        self._ask_at = mono + ASK_S
        self._rests.update((image, mono + REST_S) for image in self._asked)
        return self._asked

    def answer(self, unused: Collection[str]) -> None:
        """The Center's word: no kept revision uses these. Only what was asked for counts."""
        found = tuple(image for image in self._asked if image in unused)
        if found:
            self._unused, self._asked = found, ()
            self._told.set()

    def overhearing(self, post: Callable[[Event], Awaitable[None]]) -> Callable[[Event], Awaitable[None]]:
        """`post`, and the Center's answers are taken on the way."""

        async def hear(event: Event) -> None:
            if isinstance(event, Received) and isinstance(event.message, Beat):
                self.answer(event.message.unused)
            await post(event)

        return hear

    async def run(self) -> None:
        """Remove what may go, the oldest first, until there is room. For ever."""
        while True:
            await self._told.wait()
            self._told.clear()
            unused, self._unused = self._unused, ()
            try:
                await self._remove(unused)
            except DockerFault as fault:
                log.warning("no room is made on Docker's disk: %s", fault)

    async def _remove(self, unused: tuple[str, ...]) -> None:
        for image in unused:
            if image in self._coming or image in self._wanted() or image not in self._pulled:
                continue
            share = await self._measure()
            if share >= SHORT:
                self._rests.pop(image, None)
                continue
            if await self._docker.remove_image(image):
                log.info("Docker's disk has %.0f %% free: image %s is removed, no revision uses it", share * 100, image)
                del self._pulled[image]
                self._removed.append(image)
                await self._save()
                self._ask_at = 0.0  # there may be more to do

    async def _save(self) -> None:
        try:
            await self._journal.save_images(tuple(self._pulled.values()))
        except OSError as error:
            # What is not written down is not removed after a restart: the safe side.
            log.warning("cannot write down which images were pulled: %s", error)
