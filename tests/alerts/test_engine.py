"""The engine with a real database: what it writes, in which order, and what it restores after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from monitor.alerts.engine import SAVE_SECONDS
from monitor.models import AlertEvent, AlertRule, AlertState, SeenGpu
from monitor.telemetry.gpu_use import IdleLimits
from tests.alerts.engine_scene import COOL, HOT, Scene, rule
from tests.support.snapshots import gpu, process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> Scene:
    AlertRule.objects.all().delete()
    return Scene()


def test_event_and_its_end_are_written_queued_and_shown(scene: Scene) -> None:
    rule()
    scene.goes(0, HOT)
    scene.goes(10, HOT)
    row = AlertEvent.objects.get()
    assert (row.state, row.rule_name, row.severity, row.value, row.gpu_uuid) == (
        "firing",
        "hot",
        "critical",
        95,
        "GPU-0",
    )
    assert row.started_at == datetime.fromtimestamp(1_000_000, UTC)
    assert row.rule_then["threshold"] == 90
    assert scene.open == [row.summary]
    scene.goes(1, COOL)
    row.refresh_from_db()
    assert (row.state, row.resolved_because) == ("resolved", "60\u2009°C, back within the limit")
    assert [state for state, _ in scene.told] == ["firing", "resolved"]
    assert scene.open == []


def test_snapshot_without_changes_shows_nothing_more(scene: Scene) -> None:
    rule()
    scene.goes(0, COOL)
    scene.goes(1, COOL)
    assert scene.shown == [()]


def test_timer_continues_after_a_restart(scene: Scene) -> None:
    rule(for_seconds=SAVE_SECONDS + 4)
    scene.goes(0, HOT)
    scene.goes_on(SAVE_SECONDS, HOT)
    assert AlertState.objects.exclude(subject="#").get().state["phase"] == "pending"
    scene.restarted()
    scene.goes(1, HOT)  # the first reading after a start does not count for the time before it
    assert not AlertEvent.objects.exists()
    scene.goes(3, HOT)
    assert not AlertEvent.objects.exists()
    scene.goes(1, HOT)
    assert AlertEvent.objects.count() == 1


def test_alert_keeps_its_id_after_a_restart(scene: Scene) -> None:
    rule()
    scene.goes(0, HOT)
    scene.goes(10, HOT)
    (before,) = scene.shown[-1]
    scene.restarted()
    scene.goes(1, HOT)
    assert [alert.id for alert in scene.shown[-1]] == [before.id]
    scene.goes(1, COOL)
    assert AlertEvent.objects.get().state == "resolved"
    assert len(scene.told) == 2


def test_no_stored_state_stops_the_evaluation_after_a_restart(scene: Scene) -> None:
    """Regression: a rule on a boolean metric, or a row of another version, made every reload of the rules fail."""
    rule(metric="gpu.remapped_rows_are_pending", threshold=1, for_seconds=0)
    rule(name="lost", kind="gpu_lost", metric="", comparator="", threshold=None, for_seconds=0)
    scene.goes(0, gpu(0, remapped_rows_are_pending=True), gpu(1, state="lost"))
    AlertState.objects.filter(subject="GPU-1").update(state={"phase": "simmering"})
    scene.restarted()
    scene.goes(1, gpu(0, remapped_rows_are_pending=True), gpu(1, state="lost"))
    resolved = AlertEvent.objects.get(state="resolved")
    assert (resolved.gpu_index, resolved.resolved_because) == (1, "its state was lost in a restart")
    assert sorted(AlertEvent.objects.filter(state="firing").values_list("gpu_index", flat=True)) == [0, 1]
    assert AlertEvent.objects.count() == 3


def test_clear_timer_continues_after_a_restart(scene: Scene) -> None:
    rule(for_seconds=0, clear_for_seconds=SAVE_SECONDS + 9)
    scene.goes(0, HOT)
    scene.goes(1, COOL)
    scene.goes_on(SAVE_SECONDS - 1, COOL)
    scene.restarted()
    scene.goes(0, COOL)
    scene.goes(9, COOL)
    assert AlertEvent.objects.get().state == "firing"
    scene.goes(1, COOL)
    assert AlertEvent.objects.get().state == "resolved"


def test_counter_increase_while_the_server_was_down_is_detected(scene: Scene) -> None:
    rule(kind="rise", metric="gpu.ecc_uncorrected_aggregate", comparator="", threshold=1, for_seconds=0)
    scene.goes(0, gpu(ecc_uncorrected_aggregate=3))
    scene.goes(SAVE_SECONDS, gpu(ecc_uncorrected_aggregate=3))
    scene.restarted()
    scene.goes(600, gpu(ecc_uncorrected_aggregate=4))
    assert AlertEvent.objects.get().summary == "GPU 0: ECC uncorrected aggregate rose by 1 to 4"


@pytest.mark.parametrize("is_deleted", [True, False])
def test_alerts_of_a_rule_edited_or_deleted_during_downtime_resolve(scene: Scene, is_deleted: bool) -> None:
    row = rule()
    scene.goes(0, HOT)
    scene.goes(10, HOT)
    if is_deleted:
        row.delete()
    else:
        row.threshold = 92
        row.save()
    scene.restarted()
    scene.goes(1, HOT)
    event = AlertEvent.objects.get()
    assert event.state == "resolved"
    assert event.resolved_because == ("the rule was deleted or disabled" if is_deleted else "the rule was edited")
    if not is_deleted:  # an edited rule has no stored state: its timer starts over
        scene.goes(9, HOT)
        assert AlertEvent.objects.count() == 1
        scene.goes(1, HOT)
        assert AlertEvent.objects.count() == 2


def test_alert_with_a_rule_stored_by_another_version_resolves_and_keeps_that_rule(scene: Scene) -> None:
    rule()
    scene.goes(0, HOT)
    scene.goes(10, HOT)
    later = {"kind": "fan_stopped", "condition": {"rpm": 0}}
    AlertEvent.objects.update(rule_then=later)
    scene.restarted()
    scene.goes(1, HOT)
    event = AlertEvent.objects.get()
    assert (event.state, event.resolved_because, event.rule_then) == ("resolved", "the rule was edited", later)


def test_edit_applies_at_once_when_signalled_and_otherwise_at_the_next_poll(scene: Scene) -> None:
    row = rule(for_seconds=0)
    scene.goes(0, HOT)
    row.is_enabled = False
    row.save()
    scene.engine.changed()
    scene.engine.work()
    assert AlertEvent.objects.get().resolved_because == "the rule was deleted or disabled"
    row.is_enabled = True
    row.save()
    scene.goes(2, HOT)
    assert AlertEvent.objects.filter(state="firing").count() == 1


def test_rule_disabled_and_enabled_starts_over_even_across_a_restart(scene: Scene) -> None:
    row = rule(for_seconds=SAVE_SECONDS + 5)
    scene.goes(0, HOT)
    scene.goes_on(SAVE_SECONDS, HOT)
    AlertRule.objects.update(is_enabled=False)
    row.refresh_from_db()
    row.save()
    scene.goes(2, HOT)
    scene.goes(SAVE_SECONDS, HOT)
    row.is_enabled = True
    row.save()
    scene.restarted()
    scene.goes(1, HOT)
    scene.goes(9, HOT)
    assert not AlertEvent.objects.exists()


def test_muting_resolves_no_alert_and_is_shown(scene: Scene) -> None:
    row = rule(for_seconds=0)
    scene.goes(0, HOT)
    row.muted_until = datetime.fromtimestamp(scene.now + 3600, UTC)
    row.save()
    scene.goes(2, HOT)
    assert AlertEvent.objects.get().state == "firing"
    assert [alert.is_muted for alert in scene.shown[-1]] == [True]


@pytest.mark.parametrize(("quiet", "is_muted"), [("Mon 13:00-14:00", [True]), ("Mon 14:00-15:00", [False])])
def test_quiet_hours_are_shown_like_a_mute(scene: Scene, settings: Settings, quiet: str, is_muted: list[bool]) -> None:
    settings.TIME_ZONE = "UTC"
    rule(for_seconds=0, quiet_hours=quiet)
    scene.goes(0, HOT)  # 1970-01-12, a Monday, at 13:46
    assert [alert.is_muted for alert in scene.shown[-1]] == is_muted


def test_acknowledgement_is_shown_with_its_user(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(0, HOT)
    user = User.objects.create_user("ada")
    AlertEvent.objects.update(acknowledged_at=datetime.fromtimestamp(scene.now, UTC), acknowledged_by=user)
    scene.engine.changed()
    scene.engine.work()
    (alert,) = scene.shown[-1]
    assert (alert.acknowledged_at, alert.acknowledged_by) == (scene.now, "ada")


def test_most_severe_alert_comes_first(scene: Scene) -> None:
    rule(name="warm", severity="warning", threshold=50, for_seconds=0)
    rule(name="hot", for_seconds=5)
    for _ in range(6):
        scene.goes(1, HOT)
    assert [alert.rule for alert in scene.shown[-1]] == ["hot", "warm"]


def test_invalid_rule_is_skipped_and_reported(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    rule(name="bad", metric="gpu.nonsense")
    rule(for_seconds=0)
    scene.goes(0, HOT)
    assert AlertEvent.objects.count() == 1
    assert "skipping the invalid alert rule 'bad': metric: 'gpu.nonsense' is unknown" in caplog.text


def test_changed_limits_in_the_settings_apply(scene: Scene) -> None:
    rule(kind="idle_held", metric="", comparator="", threshold=None, for_seconds=0)
    idle = gpu(utilization_percent=3, processes=(process(1),))
    scene.limits = IdleLimits(utilization_percent=2)
    scene.goes(0, idle)
    assert not AlertEvent.objects.exists()
    scene.limits = IdleLimits(utilization_percent=5)
    scene.goes(2, idle)
    assert AlertEvent.objects.count() == 1


def test_gpus_are_stored_so_that_rules_can_name_them(scene: Scene) -> None:
    scene.goes(0, gpu(0), gpu(1))
    assert list(SeenGpu.objects.values_list("uuid", "host", "index")) == [("GPU-0", "dgx", 0), ("GPU-1", "dgx", 1)]


def test_resolved_events_are_deleted_after_the_retention_and_open_ones_never(scene: Scene) -> None:
    long_ago = timezone.now() - timedelta(days=400)
    common = {
        "rule_name": "x",
        "severity": "info",
        "host": "h",
        "summary": "s",
        "started_at": long_ago,
        "fired_at": long_ago,
    }
    AlertEvent.objects.create(
        state="resolved", resolved_at=datetime.fromtimestamp(scene.now - 91 * 86400, UTC), **common
    )
    AlertEvent.objects.create(
        state="resolved", resolved_at=datetime.fromtimestamp(scene.now - 89 * 86400, UTC), **common
    )
    scene.goes(0, COOL)
    assert AlertEvent.objects.count() == 1


def test_texts_longer_than_their_columns_are_cut(scene: Scene) -> None:
    """PostgreSQL refuses them, and what cannot be saved would wait for ever."""
    rule(for_seconds=0)
    scene.goes(0, gpu(temperature_celsius=91.0, name="n" * 4000))
    (stored,) = AlertEvent.objects.all()
    assert len(stored.gpu_name) == 200
    assert len(SeenGpu.objects.get().name) == 200
    assert scene.engine.problem is None
