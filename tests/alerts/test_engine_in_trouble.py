"""The engine during faults: an unresponsive database, a failed evaluation, a message that cannot be written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from django.db import OperationalError, connection

from monitor.alerts.database_attempts import RETRY_SECONDS
from monitor.alerts.engine import Engine
from monitor.models import AlertEvent, AlertRule, AlertState, SeenGpu
from monitor.telemetry.schema import Alert, Snapshot
from tests.alerts.engine_scene import COOL, HOT, Scene, rule
from tests.support.servers import wait_for
from tests.support.snapshots import host

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> Scene:
    AlertRule.objects.all().delete()
    return Scene()


@pytest.fixture
def locked() -> Iterator[Callable[[bool], None]]:
    """`locked(True)`: another process holds the write lock."""
    other = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None, check_same_thread=False)

    def set_locked(is_locked: bool) -> None:
        other.execute("BEGIN EXCLUSIVE" if is_locked else "ROLLBACK")

    yield set_locked
    if other.in_transaction:
        other.execute("ROLLBACK")
    other.close()


@pytest.mark.slow
def test_alerts_are_shown_while_the_database_is_locked_and_written_in_order_afterwards(
    scene: Scene, locked: Callable[[bool], None], caplog: pytest.LogCaptureFixture
) -> None:
    rule(for_seconds=0, clear_threshold=None)
    scene.goes(0, COOL)
    locked(True)
    for second in range(20):
        scene.goes(1, HOT if second % 2 == 0 else COOL)
    assert len(scene.shown) == 1 + 20
    assert scene.told == []
    assert caplog.text.count("alerts cannot be saved now") == 1
    locked(False)
    scene.goes(RETRY_SECONDS, COOL)
    assert [state for state, _ in scene.told] == ["firing", "resolved"] * 10
    assert AlertEvent.objects.filter(state="resolved").count() == 10
    fired = list(AlertEvent.objects.order_by("fired_at").values_list("fired_at", flat=True))
    assert fired == sorted(set(fired))


def test_engine_waits_at_startup_for_a_database_without_tables(scene: Scene) -> None:
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


def test_thread_saves_its_state_when_it_stops(scene: Scene) -> None:
    rule()
    shown: list[tuple[Alert, ...]] = []
    engine = Engine(
        limits=lambda: scene.limits,
        retention_days=lambda: 90,
        enqueue=scene.record,
        show=shown.append,
    )
    engine.start()
    engine.offer(host(HOT))
    wait_for(lambda: SeenGpu.objects.exists(), "the first snapshot to be judged")
    engine.stop()
    assert AlertState.objects.exclude(subject="#").get().state["phase"] == "pending"
    assert shown == [()]


def test_failed_evaluation_is_reported_and_the_next_reading_is_evaluated(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    broken = True

    def keep(_snapshot: Snapshot) -> None:
        if broken:
            raise RuntimeError("cannot be kept")

    engine = Engine(
        limits=lambda: scene.limits, retention_days=lambda: 90, enqueue=scene.record, show=scene.shown.append, keep=keep
    )
    engine.start()
    engine.offer(host(COOL))
    wait_for(lambda: engine.problem, "the problem to be told")
    assert engine.problem == "a snapshot could not be evaluated (cannot be kept)"
    assert "RuntimeError: cannot be kept" in caplog.text
    broken = False
    engine.offer(host(COOL))
    wait_for(lambda: engine.problem is None, "the next reading to be judged")
    engine.stop()


def test_event_is_rolled_back_if_its_message_cannot_be_queued(scene: Scene) -> None:
    rule(for_seconds=0)

    def fails(event: AlertEvent, *, now: datetime) -> None:
        raise OperationalError("disk full")

    scene.enqueue = fails
    scene.goes(0, HOT)
    assert not AlertEvent.objects.exists()
    scene.enqueue = scene.record
    scene.goes(RETRY_SECONDS, HOT)
    assert AlertEvent.objects.count() == 1
    assert len(scene.told) == 1


def test_persistent_fault_is_logged_once_and_reported_while_it_lasts(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Regression: each reading was evaluated but not written, and each time the log had the full traceback again."""
    rule(for_seconds=0)

    def fails(event: AlertEvent, *, now: datetime) -> None:
        raise ValueError("nobody thought of this")

    def tick() -> None:
        scene.now += 1
        scene.engine.offer(host(HOT, time=scene.now, sampled_at=scene.now))
        scene.engine.run_once()

    scene.enqueue = fails
    for _ in range(5):
        tick()
    assert caplog.text.count("ValueError: nobody thought of this") == 1
    assert scene.engine.problem == "a snapshot could not be evaluated (nobody thought of this)"
    scene.enqueue = scene.record
    tick()
    assert scene.engine.problem is None
    assert len(scene.told) == 1
