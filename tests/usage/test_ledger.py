"""The ledger from readings to reports, through the database: who held what, and that every second is counted once."""

from __future__ import annotations

import pytest

from monitor.models.usage import UsageProcess
from monitor.usage.reports import Report
from tests.usage.scene import START, Scene, idle, of, seen

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return Scene()


def shares(report: Report) -> dict[str, float]:
    return {row.key: round(row.share_seconds, 1) for row in report.rows}


def assert_adds_up(report: Report, gpu_seconds: float) -> None:
    parts = report.users_seconds + report.nobody_seconds + report.free_seconds + report.unknown_seconds
    assert parts == pytest.approx(gpu_seconds, rel=1e-4)
    assert report.gpu_seconds == pytest.approx(gpu_seconds, rel=1e-4)


def test_time_of_a_user_of_nobody_and_free_time_add_up_to_the_gpus_time(scene: Scene) -> None:
    scene.goes(1, idle(0), idle(1))
    scene.goes(600, seen(0, of("ana")), idle(1))
    scene.goes(300, idle(0), seen(1, utilization_percent=90.0))
    scene.goes(300, idle(0), idle(1))
    report = scene.report()
    assert_adds_up(report, 2400)
    assert shares(report) == {"ana": 600.0}
    assert (report.nobody_seconds, report.unknown_seconds) == (300.0, 0.0)
    assert (report.free_seconds, report.gpu_count) == (1500.0, 2)


def test_two_users_on_one_gpu_occupy_it_in_full_and_share_it_by_half(scene: Scene) -> None:
    both = seen(
        0, of("ana", 1, sm_utilization_percent=60.0), of("bo", 2, sm_utilization_percent=20.0), power_watts=400.0
    )
    scene.goes(1, both)
    scene.goes(100, both)
    report = scene.report()
    assert [(row.key, row.occupied_seconds, row.share_seconds) for row in report.rows] == [
        ("ana", 100.0, 50.0),
        ("bo", 100.0, 50.0),
    ]
    assert [row.mean_sm_percent for row in report.rows] == [60.0, 20.0]
    assert [row.energy_joules for row in report.rows] == [30_000.0, 10_000.0]
    assert report.energy_joules == 40_000.0
    assert [row.gib_seconds for row in report.rows] == [800.0, 800.0]


def test_processes_of_one_user_count_once_for_the_user_and_each_for_its_command(scene: Scene) -> None:
    one, two = of("ana", 1), of("ana", 2, command="python3 eval.py --fast")
    scene.goes(1, seen(0, one, two))
    scene.goes(60, seen(0, one, two))
    assert [(row.occupied_seconds, row.share_seconds) for row in scene.report().rows] == [(60.0, 60.0)]
    by_command = scene.report(by="command")
    assert {row.key: (row.occupied_seconds, row.share_seconds) for row in by_command.rows} == {
        "python train.py": (60.0, 30.0),
        "python3 eval.py": (60.0, 30.0),
    }
    assert [row.label for row in scene.report(by="gpu").rows] == ["GPU 0"]
    assert [row.label for row in scene.report(by="job").rows] == ["no job"]


def test_a_desktops_small_context_takes_no_share(scene: Scene) -> None:
    desktop = of("gdm", 9, memory_used_bytes=4 << 20, sm_utilization_percent=0.0)
    scene.goes(61, seen(0, of("ana"), desktop))
    assert shares(scene.report()) == {"ana": 60.0, "gdm": 0.0}


def test_idle_held_time_and_time_at_0_percent(scene: Scene) -> None:
    sleeping = of("ana", sm_utilization_percent=0.0)
    scene.goes(1, idle())
    scene.goes(60, seen(0, sleeping, utilization_percent=0.0))
    scene.goes(60, seen(0, of("ana"), utilization_percent=80.0))
    (row,) = scene.report().rows
    assert (row.idle_held_seconds, row.zero_seconds, row.share_seconds) == (60.0, 60.0, 120.0)
    assert row.mean_sm_percent == 20.0


def test_lost_gpu_is_unknown_time_with_its_reason(scene: Scene) -> None:
    scene.goes(1, idle(0), idle(1))
    scene.goes(60, idle(0), idle(1, state="lost"))
    report = scene.report()
    assert_adds_up(report, 120)
    assert (report.unknown_seconds, report.lost_seconds) == (60.0, 60.0)


def test_readings_that_stopped_are_unread_time(scene: Scene) -> None:
    scene.goes(60, seen(0, of("ana")))
    hung = scene.wall
    scene.goes(100, seen(0, of("ana")), stale=True, sampled_at=hung)
    scene.goes(60, seen(0, of("ana")))
    report = scene.report()
    assert_adds_up(report, 219)
    assert report.unread_seconds == pytest.approx(100, abs=6)
    assert report.not_recorded_seconds < 6
    assert 119 <= report.users_seconds <= 125


def test_books_go_on_after_a_restart_and_the_time_between_is_not_recorded(scene: Scene) -> None:
    scene.goes(300, seen(0, of("ana", started_at=START - 50)))
    scene.ledger.write_now()
    scene.now += 2000
    scene.restarted()
    scene.goes(300, seen(0, of("ana", started_at=START - 50)))
    scene.goes(61, idle())
    report = scene.report()
    assert_adds_up(report, 2660)
    assert shares(report)["ana"] == pytest.approx(600, abs=1)
    assert report.not_recorded_seconds == pytest.approx(1999, abs=1)
    scene.goes(61, idle())
    scene.report()
    (process,) = UsageProcess.objects.all()
    assert process.seconds == pytest.approx(600, abs=1)
    assert process.last_at - process.first_at == pytest.approx(2600, abs=2)


def test_killed_server_loses_a_minute_at_most(scene: Scene) -> None:
    scene.goes(300, seen(0, of("ana")))
    scene.restarted()
    scene.goes(100, seen(0, of("ana")))
    report = scene.report()
    assert_adds_up(report, 399)
    assert report.users_seconds >= 399 - 61


def test_fast_readings_count_as_slow_ones(scene: Scene) -> None:
    scene.goes(60, seen(0, of("ana")), step=0.1, poll_interval_seconds=0.1)
    assert scene.report().users_seconds == pytest.approx(59.5, abs=1)


def test_pid_that_returns_with_another_start_is_another_process(scene: Scene) -> None:
    scene.goes(30, seen(0, of("ana", 7, started_at=START)))
    scene.goes(30, seen(0, of("bo", 7, started_at=START + 30)))
    scene.goes(130, idle())
    scene.report()
    assert [(row.holder.user, row.seconds) for row in UsageProcess.objects.order_by("first_at")] == [
        ("ana", 29.0 + 0.0),
        ("bo", 30.0),
    ]
