"""The engine with the snapshots of several hosts: the same rules for each, and none at the cost of another."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from monitor.alerts.alert_rows import alert_of
from monitor.alerts.engine import LOOK_SECONDS
from monitor.alerts.host_alerts import SETTLED_SECONDS
from monitor.alerts.unwritten import MOST_AT_ONCE
from monitor.models import AlertEvent, AlertRule, AlertState, SeenGpu
from monitor.rules.evaluation import Evaluation, Event
from monitor.rules.host_contact import HostContact
from monitor.rules.kinds.host_down import REMOVED
from monitor.shards import SHARDS
from monitor.telemetry.schema import Snapshot
from tests.alerts.engine_scene import COOL, HOT, Scene, rule

pytestmark = pytest.mark.django_db(transaction=True)


def contact(host_id: str, **changes: object) -> HostContact:
    known = HostContact(host_id, f"node-{host_id}", (), False, None)
    return known._replace(**changes)


@pytest.fixture
def scene() -> Scene:
    AlertRule.objects.all().delete()
    scene = Scene()
    scene.contacts = [contact("a"), contact("b")]
    return scene


def open_by_host() -> list[tuple[str, str]]:
    return list(AlertEvent.objects.filter(state="firing").order_by("host_id").values_list("host_id", "host"))


def test_each_host_fires_for_itself(scene: Scene) -> None:
    rule(for_seconds=2)
    for _ in range(3):
        scene.arrives("a", HOT)
        scene.arrives("b", COOL)
        scene.goes(1, COOL)
    assert open_by_host() == [("a", "node-a")]
    assert [alert.host_id for alert in scene.shown[-1]] == ["a"]
    scene.arrives("a", COOL)
    for _ in range(3):
        scene.arrives("b", HOT)
        scene.goes(1, HOT)
    assert open_by_host() == [("", "dgx"), ("b", "node-b")]
    assert SeenGpu.objects.filter(uuid=HOT.uuid).count() == 3


def test_restart_continues_every_host_and_waits_for_those_not_heard_of(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.arrives("a", HOT)
    scene.arrives("b", HOT)
    scene.goes(1, COOL)
    before = scene.open
    assert len(before) == 2
    scene.restarted()
    scene.goes(1, COOL)
    scene.arrives("a", HOT)
    scene.goes(1, COOL)
    assert scene.open == before
    scene.arrives("a", COOL)
    scene.goes(1, COOL)
    assert open_by_host() == [("b", "node-b")]
    assert AlertEvent.objects.count() == 2


def test_timer_of_another_host_continues_after_a_restart(scene: Scene) -> None:
    rule(for_seconds=61)
    for _ in range(61):
        scene.arrives("a", HOT)
        scene.goes(1, COOL)
    assert AlertState.objects.exclude(subject="#").get().host_id == "a"
    scene.restarted()
    for _ in range(4):
        scene.arrives("a", HOT)
        scene.goes(1, COOL)
    assert open_by_host() == [("a", "node-a")]


def test_rule_is_limited_to_hosts_by_name_and_tag(scene: Scene) -> None:
    rule(for_seconds=0, hosts="node-a, tag:LAB")
    scene.contacts = [contact("a"), contact("b"), contact("c", tags=("lab",))]
    for host_id in "abc":
        scene.arrives(host_id, HOT)
    scene.goes(1, HOT)
    scene.arrives("c", HOT)  # tags are known from the second snapshot of a host on
    scene.goes(1, HOT)
    assert open_by_host() == [("a", "node-a"), ("c", "node-c")]


def test_jump_of_one_clock_moves_the_alerts_of_that_host_alone(scene: Scene) -> None:
    rule(for_seconds=0)
    for _ in range(2):
        scene.arrives("a", HOT)
        scene.arrives("b", HOT)
        scene.goes(1, COOL)
    before = {each.host_id: each.fired_at for each in AlertEvent.objects.all()}
    for _ in range(int(SETTLED_SECONDS) + 2):
        scene.arrives("a", HOT, time=scene.now + 3600, sampled_at=scene.now + 3600)
        scene.arrives("b", HOT)
        scene.goes(1, COOL)
    after = {each.host_id: each.fired_at for each in AlertEvent.objects.all()}
    assert (after["a"] - before["a"]).total_seconds() == pytest.approx(3600, abs=3)
    assert after["b"] == before["b"]


def test_network_that_delays_snapshots_moves_nothing(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.arrives("a", HOT)
    scene.goes(1, COOL)
    before = AlertEvent.objects.get().fired_at
    scene.now += 20
    for late in range(20, 0, -1):
        scene.arrives("a", HOT, time=scene.now - late, sampled_at=scene.now - late)
        scene.goes(0.1, COOL)
    for _ in range(int(SETTLED_SECONDS) + 2):
        scene.arrives("a", HOT)
        scene.goes(1, COOL)
    assert AlertEvent.objects.get().fired_at == before


def test_snapshot_that_cannot_be_evaluated_costs_no_other_host(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(for_seconds=0)
    scene.arrives("a", COOL)
    scene.goes(1, COOL)
    take = Evaluation.take

    def fails(evaluation: Evaluation, snapshot: Snapshot, contacts: Mapping[str, HostContact] | None) -> list[Event]:
        if snapshot.host == "node-a":
            raise RuntimeError("nobody thought of this")
        return take(evaluation, snapshot, contacts)

    monkeypatch.setattr(Evaluation, "take", fails)
    scene.arrives("a", HOT)
    scene.arrives("b", HOT)
    scene.goes(1, COOL)
    assert open_by_host() == [("b", "node-b")]
    assert scene.engine.problem == "a snapshot could not be evaluated of node-a (nobody thought of this)"
    monkeypatch.undo()
    scene.arrives("a", HOT)
    scene.goes(1, COOL)
    assert scene.engine.problem is None


# ── Host down ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def host_down(**changes: object) -> AlertRule:
    return rule(**{"name": "Host down", "kind": "host_down", "metric": "", "comparator": "", "threshold": None,
                   "for_seconds": 60, **changes})  # fmt: skip


def down(scene: Scene, *contacts: HostContact, seconds: int = 1) -> None:
    scene.contacts = list(contacts)
    scene.goes_on(seconds, COOL)


def test_host_that_goes_down_is_told_once_and_ends_when_it_returns(scene: Scene) -> None:
    host_down()
    gone = contact("a", is_down=True, last_heard_at=51_608.0)
    down(scene, gone, contact("b"), seconds=60)
    assert not scene.told
    down(scene, gone, contact("b"), seconds=60)
    assert scene.told == [("firing", "node-a went down · last reading 1970-01-01 14:20:08 UTC")]
    event = AlertEvent.objects.get()
    assert (event.host, event.host_id, event.subject) == ("node-a", "a", "a")
    assert [(alert.host_id, alert.timed_by) for alert in scene.shown[-1]] == [("a", "hub")]
    assert alert_of(event).timed_by == "hub"
    down(scene, contact("a"), contact("b"))
    assert scene.told[1:] == [("resolved", "node-a was down for 1\u2009min 0\u2009s")]
    assert AlertEvent.objects.get().resolved_because == "the host sends readings again"


def test_restart_of_the_hub_tells_nothing_and_keeps_what_is_told(scene: Scene) -> None:
    host_down(for_seconds=5)
    down(scene, contact("a", is_down=True), contact("b"), seconds=6)
    assert len(scene.told) == 1
    scene.restarted()
    unknown = [contact(host_id, is_down=None) for host_id in "ab"]
    scene.contacts = None  # the registry was not read yet
    scene.goes_on(3, COOL)
    down(scene, *unknown, seconds=100)
    assert len(scene.told) == 1
    assert open_by_host() == [("a", "node-a")]
    down(scene, contact("a"), contact("b", is_down=True), seconds=2)
    assert [state for state, _ in scene.told] == ["firing", "resolved"]


@pytest.mark.parametrize(
    ("contacts", "because"),
    [
        ([], REMOVED),
        ([contact("a", is_down=True, why_not_expected="the host was retired", is_gone=True)], "the host was retired"),
        ([contact("a", is_down=True, why_not_expected="the host is marked as one that may be off")],
         "the host is marked as one that may be off"),
    ],
)  # fmt: skip
def test_host_that_is_no_longer_expected_ends_its_alert_with_the_reason(
    scene: Scene, contacts: list[HostContact], because: str
) -> None:
    host_down(for_seconds=0)
    down(scene, contact("a", is_down=True))
    assert open_by_host() == [("a", "node-a")]
    down(scene, *contacts, seconds=2)
    assert AlertEvent.objects.get().resolved_because == because
    assert len(scene.told) == 2


def test_host_that_may_be_off_is_not_told(scene: Scene) -> None:
    host_down(for_seconds=0)
    down(scene, contact("a", is_down=True, why_not_expected="the host is marked as one that may be off"), seconds=5)
    assert not scene.told


def test_alerts_of_a_host_end_when_it_is_removed(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.arrives("a", HOT)
    scene.goes(1, COOL)
    assert AlertState.objects.filter(host_id="a").exists()
    down(scene, contact("b"))
    assert AlertEvent.objects.get().resolved_because == REMOVED
    assert not AlertState.objects.filter(host_id="a").exists()
    assert scene.open == []


def test_many_hosts_that_go_down_together_are_told_in_order(scene: Scene) -> None:
    host_down(for_seconds=0)
    ids = [f"{number:03}" for number in range(2 * MOST_AT_ONCE + 1)]
    down(scene, *[contact(host_id, is_down=True) for host_id in ids])
    assert [summary for _, summary in scene.told] == [f"node-{host_id} went down" for host_id in ids]
    assert AlertEvent.objects.filter(state="firing").count() == len(ids)
    scene.restarted()
    down(scene, *[contact(host_id, is_down=True) for host_id in ids])
    assert len(scene.told) == len(ids)


def test_engine_of_some_hosts_leaves_the_alerts_of_others_alone(scene: Scene) -> None:
    """Two engines share the hosts: "a" is the other one's, and so are the hub's own host and the rules about hosts."""
    hot = rule(for_seconds=0)
    AlertRule.objects.create(name="down", kind="host_down", for_seconds=0, severity="critical")
    scene.contacts = [contact("a"), contact("d", is_down=True)]
    scene.arrives("a", HOT)
    scene.goes(1, HOT)
    before = {("", "dgx"), ("a", "node-a"), ("d", "node-d")}
    assert {*open_by_host()} == before
    scene.shard = SHARDS[3]
    scene.restarted()
    scene.contacts = [contact("d", is_down=True)]
    scene.goes(1, COOL)
    assert scene.open == []
    scene.arrives("d", HOT)
    scene.goes(1, COOL)
    assert [(alert.host_id, alert.rule) for alert in scene.shown[-1]] == [("d", "hot")]
    assert {*open_by_host()} == before
    assert AlertEvent.objects.filter(state="firing").count() == 4
    hot.delete()
    scene.goes(LOOK_SECONDS, COOL)
    assert AlertEvent.objects.filter(state="firing", rule_then__name="hot").count() == 2
