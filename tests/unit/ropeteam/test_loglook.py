"""How lines of logs look, for people and for programs."""

from protocol.loglines import NS, LogLine
from ropeteam.loglook import Look, colour, record, utc
from ropeteam.merging import Copy, Entry

WEB = Copy("shop", "web", 1, 3, "node-1")
WORKER = Copy("shop", "worker", 12, 1, "n")


def entry(copy: Copy, text: bytes = b"hello", at_ns: int = 1_795_380_474 * NS + 5, *, stderr: bool = False) -> Entry:
    return Entry(LogLine(at_ns, stderr, text), copy)


def test_texts_stand_below_each_other() -> None:
    look = Look(colours=False, stamps=False)
    assert look.lines([entry(WEB), entry(WORKER)]) == ["web/1 node-1 | hello", "worker/12 n  | hello"]
    assert look.lines([entry(WORKER)]) == ["worker/12 n  | hello"], "the width stays"


def test_a_replica_has_its_colour() -> None:
    (line,) = Look(colours=True, stamps=False).lines([entry(WEB)])
    assert line == f"\x1b[{colour(WEB)}mweb/1 node-1 |\x1b[0m hello"


def test_times_are_shown_when_asked_for() -> None:
    (line,) = Look(colours=False, stamps=True).lines([entry(WEB)])
    assert line.endswith(".000 hello") and line.startswith("web/1 node-1 | 2026-11-2")
    (line,) = Look(colours=False, stamps=True).lines([entry(WEB, at_ns=0)])
    assert line == "web/1 node-1 | hello"


def test_programs_get_everything() -> None:
    assert record(entry(WEB, b"a\xff\x1b[2J", stderr=True)) == {
        "at": "2026-11-22T20:47:54.000000005Z",
        "project": "shop",
        "service": "web",
        "replica": 1,
        "epoch": 3,
        "node": "node-1",
        "stream": "stderr",
        "text": "a\ufffd\x1b[2J",
    }
    assert utc(0) == "1970-01-01T00:00:00.000000000Z"
