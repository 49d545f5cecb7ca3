"""What is to be probed is said when it changed, and only then."""

import msgspec

from nodeagent.core.aim import Aim
from nodeagent.core.steps import Restart
from nodeagent.core.verdict import Verdict
from protocol.spec import Probe
from tests.unit.nodeagent.core.made import a_container, a_ref, a_want, an_item

WANT = a_want(probe=Probe(kind="tcp", port=80))


def test_it_is_said_once_and_again_when_it_changed() -> None:
    item = an_item(WANT, a_container(WANT))
    aim = Aim({a_ref(): item, a_ref(2): an_item(a_want(2), a_container(a_want(2)))})
    targets = aim.changed()
    assert targets is not None and [target.ref for target in targets] == [a_ref()]
    assert aim.changed() is None
    item.have = msgspec.structs.replace(a_container(WANT), addresses=("10.0.0.9",))
    changed = aim.changed()
    assert changed is not None and changed[0].addresses == ("10.0.0.9",)
    item.verdict = Verdict(run=item.run, health="healthy")
    changed = aim.changed()
    assert changed is not None and changed[0].health == "healthy"


def test_what_is_being_restarted_or_does_not_run_is_left_alone() -> None:
    item = an_item(WANT, a_container(WANT))
    aim = Aim({a_ref(): item})
    aim.changed()
    item.busy = Restart(ref=a_ref(), container_id="c1", grace_s=1.0)
    assert aim.changed() == ()
    item.busy, item.have = None, a_container(WANT, status="exited")
    assert aim.changed() is None
