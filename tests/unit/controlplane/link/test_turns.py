"""Work that many want at once is spread over rounds of the loop; nobody is left out."""

import asyncio

from controlplane.link.turns import AGAIN_MAX_S, AGAIN_PER_S, Appointments, Turns


async def test_so_many_in_a_round_and_everybody_in_the_end() -> None:
    turns, done = Turns(3), 0
    seen: list[int] = []

    async def work() -> None:
        nonlocal done
        await turns.take()
        done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(work())
        while done < 20:
            before = done
            await asyncio.sleep(0)
            seen.append(done - before)
    assert max(seen) <= 6 and sum(seen) == 20, "a round's own and those of the next at most"


async def test_who_gives_up_takes_no_turn_from_others() -> None:
    turns = Turns(1)
    await turns.take()
    async with asyncio.TaskGroup() as group:
        first, second = group.create_task(turns.take()), group.create_task(turns.take())
        await asyncio.sleep(0)
        first.cancel()
    assert second.done() and not second.cancelled()


async def test_who_comes_alone_does_not_wait() -> None:
    turns = Turns(1)
    for _ in range(3):
        await turns.take()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def test_who_finds_no_place_comes_again_one_after_another() -> None:
    appointments = Appointments()
    afters = [appointments.after_s(100.0) for _ in range(4000)]
    assert afters[0] == 1 and afters == sorted(afters)
    assert max(afters.count(after) for after in afters) <= AGAIN_PER_S + 1
    assert appointments.after_s(200.0) == 1, "nobody is waited for any more"


def test_strangers_who_ask_without_end_send_nobody_away_for_long() -> None:
    appointments = Appointments()
    assert max(appointments.after_s(100.0) for _ in range(100_000)) == AGAIN_MAX_S
