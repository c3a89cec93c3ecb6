"""The engine with a real database: what it writes, in which order, and what it knows after a restart."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from monitor.alerts.engine import RETRY_SECONDS, SAVE_SECONDS, Engine
from monitor.alerts.store import IdleLimits
from monitor.models import AlertEvent, AlertRule, AlertState, SeenGpu
from monitor.telemetry.schema import Alert, Gpu, Snapshot
from tests.servers import wait_for
from tests.web.snapshots import gpu, host

pytestmark = pytest.mark.django_db(transaction=True)


class Scene:
    """An engine whose clocks stand still, and everything it shows and tells."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.shown: list[tuple[Alert, ...]] = []
        self.told: list[tuple[str, str]] = []
        self.limits = IdleLimits(1024, 5, 30)
        self.retention_days = 90.0
        self.engine = self.restarted()

    def restarted(self) -> Engine:
        """Another engine, as after the end of the process."""
        self.engine = Engine(
            limits=lambda: self.limits,
            retention_days=lambda: self.retention_days,
            tell=self._tell,
            show=self.shown.append,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
        )
        return self.engine

    def _tell(self, event: AlertEvent, *, now: datetime) -> None:
        self.told.append((event.state, event.summary))

    def goes(self, seconds: float, *gpus: Gpu, **changes: Any) -> None:
        """Time passes, and a snapshot comes."""
        self.now += seconds
        self.engine.offer(host(*gpus, **{"time": self.now, "sampled_at": self.now, **changes}))
        self.engine.work()

    @property
    def open(self) -> list[str]:
        """Summaries of what was shown last."""
        return [alert.summary for alert in self.shown[-1]] if self.shown else []


@pytest.fixture
def scene() -> Scene:
    AlertRule.objects.all().delete()
    return Scene()


def rule(**changes: Any) -> AlertRule:
    values: dict[str, Any] = {
        "name": "hot", "kind": "threshold", "metric": "gpu.temperature_celsius", "comparator": ">=", "threshold": 90,
        "for_seconds": 10, "severity": "critical",
    }  # fmt: skip
    return AlertRule.objects.create(**{**values, **changes})


HOT, COOL = gpu(temperature_celsius=95), gpu(temperature_celsius=60)


def test_an_event_is_written_told_and_shown_and_so_is_its_end(scene: Scene) -> None:
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


def test_nothing_new_shows_nothing(scene: Scene) -> None:
    rule()
    scene.goes(0, COOL)
    scene.goes(1, COOL)
    assert scene.shown == []


def test_a_timer_goes_on_after_a_restart(scene: Scene) -> None:
    rule()
    scene.goes(0, HOT)
    scene.goes(6, HOT)
    assert AlertState.objects.exclude(subject="#").get().state["phase"] == "pending"
    scene.restarted()
    scene.goes(1, HOT)  # the first reading after a start says nothing of the time before
    assert not AlertEvent.objects.exists()
    scene.goes(3, HOT)
    assert not AlertEvent.objects.exists()
    scene.goes(1, HOT)
    assert AlertEvent.objects.count() == 1


def test_an_alert_goes_on_after_a_restart_with_the_same_id(scene: Scene) -> None:
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


def test_the_way_back_goes_on_after_a_restart(scene: Scene) -> None:
    rule(for_seconds=0, clear_for_seconds=20)
    scene.goes(0, HOT)
    scene.goes(1, COOL)
    scene.goes(SAVE_SECONDS + 5, COOL)
    scene.restarted()
    scene.goes(0, COOL)
    scene.goes(9, COOL)
    assert AlertEvent.objects.get().state == "firing"
    scene.goes(1, COOL)
    assert AlertEvent.objects.get().state == "resolved"


def test_what_happened_to_a_counter_while_the_server_was_down_is_seen(scene: Scene) -> None:
    rule(kind="rise", metric="gpu.ecc_uncorrected_aggregate", comparator="", threshold=1, for_seconds=0)
    scene.goes(0, gpu(ecc_uncorrected_aggregate=3))
    scene.goes(SAVE_SECONDS, gpu(ecc_uncorrected_aggregate=3))
    scene.restarted()
    scene.goes(600, gpu(ecc_uncorrected_aggregate=4))
    assert AlertEvent.objects.get().summary == "GPU 0: ECC uncorrected aggregate rose by 1 to 4"


@pytest.mark.parametrize("is_deleted", [True, False])
def test_what_a_rule_had_open_ends_when_it_was_edited_or_deleted_while_the_server_was_down(
    scene: Scene, is_deleted: bool
) -> None:
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
    assert event.resolved_because == ("the rule was deleted or switched off" if is_deleted else "the rule was edited")
    if not is_deleted:  # of the edited rule nothing is remembered: its time begins anew
        scene.goes(9, HOT)
        assert AlertEvent.objects.count() == 1
        scene.goes(1, HOT)
        assert AlertEvent.objects.count() == 2


def test_an_edit_is_taken_up_at_once_when_told_and_at_the_next_look_when_not(scene: Scene) -> None:
    row = rule(for_seconds=0)
    scene.goes(0, HOT)
    row.is_enabled = False
    row.save()
    scene.engine.changed()
    scene.engine.work()
    assert AlertEvent.objects.get().resolved_because == "the rule was deleted or switched off"
    row.is_enabled = True
    row.save()
    scene.goes(2, HOT)
    assert AlertEvent.objects.filter(state="firing").count() == 1


def test_a_rule_that_was_switched_off_and_on_begins_anew_also_over_a_restart(scene: Scene) -> None:
    row = rule()
    scene.goes(0, HOT)
    scene.goes(SAVE_SECONDS, HOT)
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


def test_muting_ends_nothing_and_is_shown(scene: Scene) -> None:
    row = rule(for_seconds=0)
    scene.goes(0, HOT)
    row.muted_until = datetime.fromtimestamp(scene.now + 3600, UTC)
    row.save()
    scene.goes(2, HOT)
    assert AlertEvent.objects.get().state == "firing"
    assert [alert.is_muted for alert in scene.shown[-1]] == [True]


def test_an_acknowledgement_is_shown_with_who_gave_it(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(0, HOT)
    user = User.objects.create_user("ada")
    AlertEvent.objects.update(acknowledged_at=datetime.fromtimestamp(scene.now, UTC), acknowledged_by=user)
    scene.engine.changed()
    scene.engine.work()
    (alert,) = scene.shown[-1]
    assert (alert.acknowledged_at, alert.acknowledged_by) == (scene.now, "ada")


def test_the_worst_comes_first(scene: Scene) -> None:
    rule(name="warm", severity="warning", threshold=50, for_seconds=0)
    rule(name="hot", for_seconds=5)
    for _ in range(6):
        scene.goes(1, HOT)
    assert [alert.rule for alert in scene.shown[-1]] == ["hot", "warm"]


def test_a_rule_that_makes_no_sense_is_left_out_and_told(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    rule(name="bad", metric="gpu.nonsense")
    rule(for_seconds=0)
    scene.goes(0, HOT)
    assert AlertEvent.objects.count() == 1
    assert "'bad' is not judged: metric: 'gpu.nonsense' is none" in caplog.text


def test_other_limits_in_the_settings_are_taken_up(scene: Scene) -> None:
    from tests.web.snapshots import process

    rule(kind="idle_held", metric="", comparator="", threshold=None, for_seconds=0)
    idle = gpu(utilization_percent=3, processes=(process(1),))
    scene.limits = IdleLimits(1024, 2, 30)
    scene.goes(0, idle)
    assert not AlertEvent.objects.exists()
    scene.limits = IdleLimits(1024, 5, 30)
    scene.goes(2, idle)
    assert AlertEvent.objects.count() == 1


def test_gpus_are_remembered_for_rules_to_name(scene: Scene) -> None:
    scene.goes(0, gpu(0), gpu(1))
    assert list(SeenGpu.objects.values_list("uuid", "host", "index")) == [("GPU-0", "dgx", 0), ("GPU-1", "dgx", 1)]


def test_old_events_are_deleted_after_so_many_days_and_open_ones_never(scene: Scene) -> None:
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


# ── A database that does not answer ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def locked() -> Iterator[Callable[[bool], None]]:
    """`locked(True)`: another process writes and does not end."""
    other = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None, check_same_thread=False)

    def set_locked(is_locked: bool) -> None:
        other.execute("BEGIN EXCLUSIVE" if is_locked else "ROLLBACK")

    yield set_locked
    if other.in_transaction:
        other.execute("ROLLBACK")
    other.close()


@pytest.mark.slow
def test_while_the_database_is_locked_alerts_are_shown_and_then_written_in_their_order(
    scene: Scene, locked: Callable[[bool], None], caplog: pytest.LogCaptureFixture
) -> None:
    rule(for_seconds=0, clear_threshold=None)
    scene.goes(0, COOL)
    locked(True)
    for second in range(20):
        scene.goes(1, HOT if second % 2 == 0 else COOL)
    assert len(scene.shown) == 20
    assert scene.told == []
    assert caplog.text.count("alerts cannot be written now") == 1
    locked(False)
    scene.goes(RETRY_SECONDS, COOL)
    assert [state for state, _ in scene.told] == ["firing", "resolved"] * 10
    assert AlertEvent.objects.filter(state="resolved").count() == 10
    fired = list(AlertEvent.objects.order_by("fired_at").values_list("fired_at", flat=True))
    assert fired == sorted(set(fired))


def test_a_database_without_tables_at_the_start_is_waited_for(scene: Scene) -> None:
    table = AlertRule._meta.db_table
    rule(for_seconds=0)
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{table}" RENAME TO "elsewhere"')
    try:
        scene.goes(0, HOT)
        assert scene.shown == []
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER TABLE "elsewhere" RENAME TO "{table}"')
    scene.goes(5, HOT)
    assert AlertEvent.objects.get().fired_at == datetime.fromtimestamp(1_000_000, UTC)


def test_the_thread_runs_and_saves_what_it_remembers_at_its_end(scene: Scene) -> None:
    rule()
    shown = threading.Event()
    engine = Engine(
        limits=lambda: scene.limits,
        retention_days=lambda: 90,
        tell=scene._tell,
        show=lambda _alerts: shown.set(),
    )
    engine.start()
    engine.offer(host(HOT))
    wait_for(lambda: SeenGpu.objects.exists(), "the first snapshot to be judged")
    engine.stop()
    assert AlertState.objects.exclude(subject="#").get().state["phase"] == "pending"
    assert not shown.is_set()


def test_a_reading_that_cannot_be_judged_is_told_and_the_next_one_is_judged(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    broken = True

    def keep(_snapshot: Snapshot) -> None:
        if broken:
            raise RuntimeError("cannot be kept")

    engine = Engine(
        limits=lambda: scene.limits, retention_days=lambda: 90, tell=scene._tell, show=scene.shown.append, keep=keep
    )
    engine.start()
    engine.offer(host(COOL))
    wait_for(lambda: engine.problem, "the problem to be told")
    assert engine.problem == "a reading could not be judged (cannot be kept)"
    assert "RuntimeError: cannot be kept" in caplog.text
    broken = False
    engine.offer(host(COOL))
    wait_for(lambda: engine.problem is None, "the next reading to be judged")
    engine.stop()


def test_a_message_that_cannot_be_put_into_the_outbox_takes_its_event_back_with_it(scene: Scene) -> None:
    rule(for_seconds=0)
    told = scene._tell

    def fails(event: AlertEvent, *, now: datetime) -> None:
        from django.db import OperationalError

        raise OperationalError("disk full")

    scene.engine._tell = fails
    scene.goes(0, HOT)
    assert not AlertEvent.objects.exists()
    scene.engine._tell = told
    scene.goes(RETRY_SECONDS, HOT)
    assert AlertEvent.objects.count() == 1
    assert len(scene.told) == 1
