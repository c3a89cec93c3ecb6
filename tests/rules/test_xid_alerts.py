"""Rules of the kind xid over snapshots: what fires, and what resolves it."""

from __future__ import annotations

import msgspec

from monitor.telemetry.schema import Xid
from tests.rules.evaluation_scene import at, evaluation, rule, told
from tests.support.snapshots import gpu


def test_new_xid_fires_with_its_meaning_and_a_known_one_does_not() -> None:
    seen = evaluation(rule("xid", ignored_xids=frozenset({13}), clear_for_seconds=100.0))
    programs_fault, fallen = Xid(code=13, count=1, last_at=5), Xid(code=79, count=1, last_at=7)
    assert seen.take(at(6, gpu(xids=(programs_fault,)))) == []
    (event,) = seen.take(at(8, gpu(xids=(fallen, programs_fault))))
    assert event.summary == "GPU 0 reported Xid 79: the GPU has fallen off the bus"
    assert event.detail.startswith("Reboot")
    assert seen.take(at(60, gpu(xids=(fallen, programs_fault)))) == []
    # The same Xid again: the alert stays open, and its clear timer starts over.
    again = msgspec.structs.replace(fallen, count=2, last_at=90)
    assert seen.take(at(100, gpu(xids=(again,)))) == []
    assert seen.take(at(150, gpu(xids=(again,)))) == []
    assert seen.take(at(200, gpu(xids=(again,)))) == []
    assert told(seen.take(at(251, gpu(xids=(again,))))) == [("over", "condition cleared")]


def test_second_xid_fires_while_the_alert_of_the_first_is_open() -> None:
    seen = evaluation(rule("xid", clear_for_seconds=100.0))
    page_fault, fallen = Xid(code=31, count=1, last_at=1), Xid(code=79, count=1, last_at=5)
    assert [each.value for each in seen.take(at(1, gpu(xids=(page_fault,))))] == [31]
    assert [each.value for each in seen.take(at(5, gpu(xids=(page_fault, fallen))))] == [79]
    assert len(seen.open) == 2
    assert [each.value for each in seen.take(at(62, gpu(xids=None, state="lost")))] == []
    # A restarted sampler knows no Xid. Open alerts resolve after their time, and a repeated code is new.
    assert seen.take(at(70, gpu(xids=()))) == []
    again = Xid(code=31, count=1, last_at=80)
    assert [seen.take(at(time, gpu(xids=(again,)))) for time in (80, 120)] == [[], []]
    (over,) = seen.take(at(171, gpu(xids=(again,))))
    assert (over.value, over.resolved_because) == (79, "condition cleared")
    (over,) = seen.take(at(200, gpu(1)))
    assert (over.value, over.resolved_because) == (31, "this GPU is no longer on the host")


def test_xid_of_a_lost_gpu_fires_and_its_alert_stays_open() -> None:
    seen = evaluation(rule("xid", clear_for_seconds=100.0))
    assert seen.take(at(1, gpu(xids=()))) == []
    fallen = Xid(code=79, count=1, last_at=5)
    (event,) = seen.take(at(6, gpu(xids=(fallen,), state="lost")))
    assert event.value == 79
    for time in range(7, 1000, 50):
        assert seen.take(at(time, gpu(xids=(fallen,), state="lost"))) == []


def test_xid_from_long_before_a_rule_was_created_or_edited_does_not_fire() -> None:
    """Regression: renaming the rule fired every Xid since the start of the server again."""
    seen = evaluation(rule("xid"))
    old = Xid(code=79, count=1, last_at=5)
    assert len(seen.take(at(6, gpu(xids=(old,))))) == 1
    seen.set_rules((rule("xid", name="another name"),))
    assert seen.take(at(1000, gpu(xids=(old,)))) == []
    assert len(seen.take(at(1001, gpu(xids=(Xid(code=79, count=2, last_at=1001),))))) == 1


def test_recent_xid_fires_for_a_new_rule() -> None:
    assert len(evaluation(rule("xid")).take(at(60, gpu(xids=(Xid(code=79, count=1, last_at=1),))))) == 1


def test_unknown_xid_is_described_as_unknown() -> None:
    (event,) = evaluation(rule("xid")).take(at(1, gpu(xids=(Xid(code=9999, count=1, last_at=1),))))
    assert "a code that is unknown here" in event.summary
