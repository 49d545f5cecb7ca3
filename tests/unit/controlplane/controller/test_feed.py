"""Every subscriber gets every commit in order, or is told that it missed some."""

import asyncio

from controlplane.controller.feed import Feed
from controlplane.core.cluster import Changes, Meta


def commit(number: int) -> Changes:
    return Changes(puts=[Meta(cluster="c", revision=number)])


async def test_commits_come_in_order_to_each_subscriber() -> None:
    feed, given = Feed(), [commit(n) for n in range(3)]
    with feed.subscribe() as one, feed.subscribe() as two:
        for changes in given:
            feed.publish(changes)
        assert [await one.next() for _ in given] == given
        assert [await two.next() for _ in given] == given


async def test_a_subscriber_waits_for_the_next_commit() -> None:
    feed, changes = Feed(), commit(1)
    with feed.subscribe() as subscription:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(subscription.next())
            await asyncio.sleep(0)
            assert not waiting.done()
            feed.publish(changes)
        assert waiting.result() is changes


async def test_a_slow_subscriber_is_told_once_and_gets_what_comes_then() -> None:
    feed = Feed()
    with feed.subscribe(commits_max=3) as slow, feed.subscribe() as quick:
        given = [commit(n) for n in range(5)]
        for changes in given:
            feed.publish(changes)
        assert await slow.next() is None
        assert [await slow.next() for _ in range(2)] == given[3:]
        assert [await quick.next() for _ in given] == given


async def test_who_left_costs_nothing() -> None:
    feed = Feed()
    with feed.subscribe():
        assert len(feed) == 1
    feed.publish(commit(1))
    assert len(feed) == 0


async def test_what_waits_and_what_was_dropped_is_counted() -> None:
    feed = Feed()
    with feed.subscribe(commits_max=3) as slow:
        for number in range(3):
            feed.publish(commit(number))
        assert (feed.longest, feed.dropped) == (3, 0)
        feed.publish(commit(3))
        assert (feed.longest, feed.dropped) == (1, 3)
        assert slow.waiting == 1
    assert (feed.longest, feed.dropped) == (0, 3), "what is over still counts"
