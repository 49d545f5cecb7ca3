"""The settings page: join tokens with their state, revoked; other browsers signed out; never a secret."""

from controlplane.core.cluster import Changes
from controlplane.core.command import RevokeTicket
from controlplane.core.node import JoinTicket
from controlplane.core.record import Record, Refused
from tests.unit.controlplane.sample_cluster import WALL, node
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer


def ticket(number: str, left_s: float, **fields: str) -> JoinTicket:
    return JoinTicket(id=number, secret_hash=f"hash-{number}", expires_at=WALL + left_s, **fields)


def test_join_tokens_are_listed_and_only_open_ones_revoked(center: FakeCenter) -> None:
    puts: list[Record] = [ticket("aa", 60, name="fra-1"), ticket("bb", 60, used_by="key"), ticket("cc", -60)]
    center.cluster.apply(Changes(puts=puts))
    surfer = Surfer(center)
    surfer.sign_in()
    html = surfer.http.get("/settings").text
    assert all(f'id="token-{n}"' in html for n in ("aa", "bb", "cc")) and "fra-1" in html
    assert 'value="aa">Revoke' in html and 'value="bb"' not in html and 'value="cc"' not in html
    assert "hash-" not in html
    got = surfer.http.post("/settings/revoke", data={"csrf": surfer.csrf("/settings"), "id": "aa"})
    assert (got.status_code, got.headers["location"]) == (303, "/settings")
    assert center.asked == [RevokeTicket(id="aa")]


def test_what_is_refused_is_said_there(center: FakeCenter) -> None:
    def refuse(command: object) -> None:
        raise Refused("not_found", "there is no join token 'x'", "id")

    center.reply = refuse
    surfer = Surfer(center)
    surfer.sign_in()
    got = surfer.http.post("/settings/revoke", data={"csrf": surfer.csrf("/settings"), "id": "x"})
    assert got.status_code == 404 and "there is no join token" in got.text and "data-dismiss" in got.text


def test_without_a_token_the_next_command_is_named(center: FakeCenter) -> None:
    surfer = Surfer(center)
    surfer.sign_in()
    assert "rope token create" in surfer.http.get("/settings").text


def test_all_other_browsers_are_signed_out(center: FakeCenter) -> None:
    mine = Surfer(center)
    other = Surfer(center, mine.dashboard)
    mine.sign_in()
    other.sign_in()
    assert "2 are signed in" in mine.http.get("/settings").text
    mine.http.post("/settings/sessions", data={"csrf": mine.csrf("/settings")})
    assert other.http.get("/").headers["location"] == "/login"
    assert "1 is signed in" in mine.http.get("/settings").text


async def test_the_page_that_waits_tells_each_step(center: FakeCenter) -> None:
    live = Surfer(center).dashboard.live

    async def joined() -> str:
        return str((await live.sheet("join", "aa", "en")).section("joined"))

    assert "not there any more" in await joined()
    center.cluster.apply(Changes(puts=[ticket("aa", 60, name="fra-1")]))
    assert "Waiting" in await joined() and "fra-1" in await joined()
    center.cluster.apply(Changes(puts=[ticket("aa", 60, name="fra-1", used_by="key")]))
    assert "Joining" in await joined()
    center.cluster.apply(Changes(puts=[node("fra-1", 9, public_key="key")]))
    live = Surfer(center).dashboard.live
    assert "Joined" in await joined() and 'href="/nodes/fra-1"' in await joined()
    center.cluster.apply(Changes(puts=[ticket("aa", -1)]))
    assert "Expired" in await joined()
