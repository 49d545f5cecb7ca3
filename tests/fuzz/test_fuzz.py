"""A part of `make fuzz` that fits into `make test`: fixed seeds, so that it says the same every time."""

from pathlib import Path

import pytest

from tests.fuzz import texts
from tests.fuzz.frames import fuzz
from tests.fuzz.registering import Bodies
from tests.fuzz.siege import besiege
from tests.fuzz.sockets import fuzz_sockets

SEED = 20_261_122


def test_frames_give_a_message_or_a_protocol_error_and_no_core_minds() -> None:
    told = fuzz(SEED, 50_000)
    assert min(told.outcomes["taken"], told.outcomes["refused"]) > 5000, told


@pytest.mark.parametrize("name", texts.bombs())
def test_a_bomb_is_read_or_refused_in_time(name: str) -> None:
    texts.timed(texts.compose_file, texts.bombs()[name], texts.FILE_S)


def test_broken_compose_files_give_errors_that_can_be_shown() -> None:
    outcomes = texts.fuzz_files(SEED, 500)
    assert outcomes["refused"] > 250 and outcomes["read"] > 10, outcomes


def test_broken_image_references_are_refused_by_name() -> None:
    outcomes = texts.fuzz_images(SEED, 20_000)
    assert outcomes["refused"] > 1000 and outcomes["read"] > 1000, outcomes


def test_a_socket_means_the_same_however_it_is_cut() -> None:
    outcomes = fuzz_sockets(SEED, 1500)
    assert outcomes["refused"] > 300 and outcomes["read"] > 300, outcomes


async def test_broken_registrations_are_refused_with_a_code() -> None:
    outcomes = await Bodies(SEED).fuzz(3000)
    assert outcomes["registered"] > 100 and outcomes["invalid"] > 100 and outcomes["bad_request"] > 100, outcomes


@pytest.mark.slow
async def test_heartbeats_stay_on_time_while_enemies_send_twenty_thousand_frames(tmp_path: Path) -> None:
    siege = await besiege(tmp_path, SEED, 20_000)
    assert siege.outcomes["stranger: visits"] > 100 and siege.outcomes["traitor: sessions"] > 5, siege
