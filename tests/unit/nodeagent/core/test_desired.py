"""Whose word counts: pages, sequence, age."""

import pytest

from nodeagent.core import desired
from nodeagent.core.desired import Accepted, Authority, DesiredState, Incomplete, OutOfStep, Refused, ref_of
from protocol.messages import ContainerRef, Desired, DesiredDelta
from protocol.spec import DesiredReplica
from tests.unit.nodeagent.core.made import a_ref, a_want


def page(
    number: int, *wants: DesiredReplica, last: bool = False, seq: int = 0, revision: int = 5, incarnation: int = 1
) -> Desired:
    return Desired(seq=seq, incarnation=incarnation, revision=revision, page=number, last=last, replicas=wants)


def delta(
    after: int, *wants: DesiredReplica, drop: tuple[ContainerRef, ...] = (), revision: int = 6, incarnation: int = 1
) -> DesiredDelta:
    return DesiredDelta(after=after, incarnation=incarnation, revision=revision, replicas=wants, drop=drop)


def ready() -> Authority:
    authority = Authority(None)
    authority.page(page(0, a_want(1), a_want(2), last=True))
    return authority


def test_pages_are_applied_as_a_whole() -> None:
    authority = Authority(None)
    assert authority.page(page(0, a_want(1))) == Incomplete()
    assert authority.state is None
    accepted = authority.page(page(1, a_want(2), last=True))
    assert isinstance(accepted, Accepted) and accepted.full
    assert [want.replica for want in accepted.state.replicas] == [1, 2]


def test_a_page_out_of_turn_asks_for_everything() -> None:
    authority = Authority(None)
    authority.page(page(0, a_want(1)))
    assert isinstance(authority.page(page(2, a_want(3), last=True)), OutOfStep)
    assert authority.state is None
    assert isinstance(authority.page(page(0, a_want(1), last=True)), Accepted)


def test_stray_pages_ask_for_everything_once() -> None:
    authority = Authority(None)
    stray = [authority.page(page(number, a_want(number), last=number == 4)) for number in range(1, 5)]
    assert [type(verdict) for verdict in stray] == [OutOfStep, Incomplete, Incomplete, Incomplete]
    authority.page(page(0, a_want(1)))
    assert isinstance(authority.page(page(2, a_want(3))), OutOfStep), "what was asked for came, but not whole"


def test_a_page_of_another_state_asks_for_everything() -> None:
    authority = Authority(None)
    authority.page(page(0, a_want(1)))
    assert isinstance(authority.page(page(1, a_want(2), last=True, revision=6)), OutOfStep)


def test_an_older_word_is_refused_whole() -> None:
    authority = Authority(DesiredState(incarnation=2, revision=9, replicas=(a_want(),)))
    assert isinstance(authority.page(page(0, incarnation=2, revision=8)), Refused)
    assert isinstance(authority.page(page(1, incarnation=2, revision=8, last=True)), Refused)
    assert isinstance(authority.page(page(0, incarnation=1, revision=99, last=True)), Refused)
    assert isinstance(authority.delta(delta(0, incarnation=2, revision=8)), Refused)
    assert authority.state is not None and authority.state.replicas == (a_want(),)


def test_the_same_and_a_newer_word_are_obeyed() -> None:
    authority = Authority(DesiredState(incarnation=2, revision=9))
    assert isinstance(authority.page(page(0, incarnation=2, revision=9, last=True)), Accepted)
    assert isinstance(authority.page(page(0, incarnation=3, revision=1, last=True)), Accepted)
    assert authority.highest == (3, 1)


def test_a_delta_changes_drops_and_adds() -> None:
    authority = ready()
    accepted = authority.delta(delta(0, a_want(3), a_want(2, port=80), drop=(a_ref(1),)))
    assert isinstance(accepted, Accepted) and not accepted.full
    assert {ref_of(w): w.ports for w in accepted.state.replicas} == {a_ref(2): a_want(2, port=80).ports, a_ref(3): ()}
    assert isinstance(authority.delta(delta(1, drop=(a_ref(2),), revision=7)), Accepted)


def test_a_gap_applies_nothing_and_asks_once() -> None:
    authority = ready()
    before = authority.state
    assert isinstance(authority.delta(delta(3, drop=(a_ref(1),))), OutOfStep)
    assert authority.state == before
    assert authority.delta(delta(0, drop=(a_ref(1),))) == Incomplete(), "it waits for the full state"
    assert isinstance(authority.page(page(0, a_want(1), last=True, seq=9)), Accepted)
    assert isinstance(authority.delta(delta(9)), Accepted)


def test_deltas_cannot_grow_the_state_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desired, "REPLICAS_MAX", 3)
    authority = ready()
    assert isinstance(authority.delta(delta(0, a_want(3))), Accepted)
    before = authority.state
    assert isinstance(authority.delta(delta(1, a_want(4))), Refused)
    assert authority.state == before


def test_a_delta_before_the_first_state_asks_for_everything() -> None:
    assert isinstance(Authority(None).delta(delta(0)), OutOfStep)


def test_sequence_numbers_belong_to_a_session() -> None:
    authority = ready()
    authority.new_session()
    assert isinstance(authority.delta(delta(0)), OutOfStep)
