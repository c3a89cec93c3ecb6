"""The ledger when the database, the journal or the clock is in trouble."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from django.db import DatabaseError, connections

from monitor.models.usage import UsageGpu, UsageHolder, UsageJournal, UsagePeriod, UsageProcess, UsageShare, UsageSlice
from monitor.usage import ledger as ledger_module
from monitor.usage import store
from monitor.usage.ledger import LedgerSettings, UsageLedger
from monitor.usage.pruning import PRUNED_ROWS, prune
from monitor.usage.reports import usage
from tests.usage.scene import START, Scene, idle, of, seen

DAY = 86_400.0


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.django_db(transaction=True)
def test_locked_database_costs_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "WAIT_SECONDS", 0.001)
    scene.goes(100, seen(0, of("ana")))
    other = sqlite3.connect(str(connections["history"].settings_dict["NAME"]))
    other.execute("BEGIN IMMEDIATE")
    scene.goes(1000, seen(0, of("ana")))
    assert scene.ledger.problem is not None
    assert "usage cannot be saved now" in scene.ledger.problem
    other.rollback()
    other.close()
    scene.goes(60, seen(0, of("ana")))
    assert scene.ledger.problem is None
    assert scene.report().users_seconds == pytest.approx(1159)


@pytest.mark.django_db
@pytest.mark.parametrize("data", [b"", b"x" * 100, b"x\x9c"])
def test_damaged_journal_costs_what_was_open(scene: Scene, data: bytes) -> None:
    scene.goes(1000, seen(0, of("ana")), step=5.0)
    scene.ledger.write_now()
    UsageJournal.objects.update(data=data)
    assert usage(START, scene.wall, "user", now=scene.wall).users_seconds == pytest.approx(895, abs=1)
    scene.restarted()
    scene.goes(1000, seen(0, of("ana")), step=5.0)
    report = scene.report()
    assert report.gpu_seconds == pytest.approx(1995)
    assert report.users_seconds == pytest.approx(1890, abs=6)


@pytest.mark.django_db
def test_gpu_that_only_a_lost_journal_knew_was_there_until_its_last_record(scene: Scene) -> None:
    scene.goes(1000, idle(0), idle(1), step=5.0)
    scene.ledger.write_now()
    UsageJournal.objects.all().delete()
    scene.restarted()
    scene.goes(100, idle(0))
    scene.report()
    assert dict(UsagePeriod.objects.values_list("gpu__uuid", "end")) == {"GPU-0": None, "GPU-1": START + 900}


@pytest.mark.django_db
def test_database_that_is_begun_anew_gets_what_is_open(scene: Scene) -> None:
    scene.goes(1000, seen(0, of("ana")), step=5.0)
    scene.ledger.write_now()
    for model in (UsageJournal, UsageShare, UsageSlice, UsagePeriod, UsageHolder, UsageGpu):
        model._default_manager.all().delete()
    scene.goes(1000, seen(0, of("ana")), step=5.0)
    report = scene.report()
    assert report.users_seconds == pytest.approx(1095, abs=6)
    assert report.gpu_seconds == pytest.approx(1995, abs=6)


@pytest.mark.django_db
def test_error_is_a_problem_until_it_is_over(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.goes(10, idle())
    with monkeypatch.context() as broken:
        broken.setattr(store, "save", lambda *_: 1 // 0)
        scene.goes(61, idle())
        assert scene.ledger.problem == "usage is not counted (ZeroDivisionError: integer division or modulo by zero)"
    scene.goes(61, idle())
    assert scene.ledger.problem is None


@pytest.mark.django_db
def test_nothing_is_recorded_while_it_is_off(scene: Scene) -> None:
    scene.goes(100, seen(0, of("ana")))
    scene.settings = LedgerSettings(is_on=False)
    scene.goes(100, seen(0, of("bo")))
    scene.settings = LedgerSettings()
    scene.goes(100, seen(0, of("ana")))
    report = scene.report()
    assert [row.key for row in report.rows] == ["ana"]
    assert report.users_seconds == pytest.approx(200, abs=2)
    assert report.not_recorded_seconds == pytest.approx(99, abs=2)


@pytest.mark.django_db
def test_old_records_go_and_what_is_left_adds_up(scene: Scene) -> None:
    scene.goes(7200, seen(0, of("ana")), step=60.0, poll_interval_seconds=60.0)
    scene.now += 10 * DAY
    scene.goes(1800, seen(0, of("bo", 2)), step=60.0, poll_interval_seconds=60.0)
    scene.goes(180, idle(), step=60.0, poll_interval_seconds=60.0)
    scene.ledger.write_now()
    assert UsageProcess.objects.count() == 2
    while prune(scene.wall, days=5, process_days=5):
        pass
    report = usage(START, scene.wall, "user", now=scene.wall)
    assert [row.key for row in report.rows] == ["bo"]
    assert report.gpu_seconds == pytest.approx(5 * DAY, abs=1)
    assert report.recorded_from == pytest.approx(scene.wall - 5 * DAY, abs=1)
    assert list(UsageHolder.objects.values_list("user", flat=True)) == ["bo"]
    assert UsageProcess.objects.count() == 1


@pytest.mark.django_db
def test_much_is_deleted_in_steps() -> None:
    gpu = UsageGpu.objects.create(uuid="GPU-0", index=0, name="H100", host="dgx")
    zero = dict.fromkeys(
        ("busy_ms", "held_ms", "nobody_ms", "free_ms", "lost_ms", "unread_ms", "energy_joules", "energy_ms"), 0
    )
    UsageSlice.objects.bulk_create(UsageSlice(gpu=gpu, start=at * 900, **zero) for at in range(2 * PRUNED_ROWS + 5))
    steps = [prune(START, days=1, process_days=1) for _ in range(4)]
    assert steps == [True, True, True, False]
    assert not UsageSlice.objects.exists()


@pytest.mark.django_db
def test_wrong_date_deletes_nothing(scene: Scene) -> None:
    scene.goes(2000, idle(), step=5.0)
    scene.ahead = 20 * 365 * DAY
    scene.goes(3000, idle(), step=5.0)
    scene.ahead = 0.0
    scene.goes(100, idle(), step=5.0)
    scene.ledger.write_now()
    assert UsageSlice.objects.filter(start=START).exists()


@pytest.mark.django_db(transaction=True)
def test_stage_counts_in_a_thread_of_its_own_and_an_orderly_end_loses_nothing() -> None:
    scene = Scene()
    stage = UsageLedger(clock=lambda: scene.wall, monotonic=lambda: scene.now)
    stage.start()
    for _ in range(100):
        scene.now += 1
        stage.take(scene.snapshot([seen(0, of("ana"))]))
    stage.stop(30.0)
    assert stage.problem is None
    assert "usage" not in {thread.name for thread in threading.enumerate()}
    assert usage(START, scene.wall, "user", now=scene.wall).users_seconds == pytest.approx(99)


@pytest.mark.django_db
def test_unreadable_database_counts_as_recorded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the clock was set back, time that is counted twice would be worse than time without records."""
    scene.goes(1000, idle(), step=5.0)

    def fails(*_: object) -> bool:
        raise DatabaseError("locked")

    monkeypatch.setattr(store, "is_recorded", fails)
    scene.ahead = -1000.0
    scene.goes(890, seen(0, of("ana")), step=5.0)
    assert scene.report().rows == ()
