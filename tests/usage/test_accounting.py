"""Processes that no reading saw: the driver's accounting mode names them, and the ledger records each once."""

from __future__ import annotations

import pytest

from monitor.models.usage import UsageProcess
from monitor.telemetry.schema import EndedProcess, Gpu
from monitor.usage.process_log import UNSEEN_SECONDS
from monitor.usage.processes import processes
from tests.support.snapshots import GIB
from tests.usage.scene import START, Scene, idle, of, seen


@pytest.fixture
def scene(db: None) -> Scene:
    made = Scene()
    made.goes(10, idle())
    return made


def ended(pid: int, at: float, seconds: float = 0.5, utilization: float | None = 80.0) -> EndedProcess:
    """A process that ended then."""
    return EndedProcess(
        pid=pid, started_at=at - seconds, seconds=seconds, memory_peak_bytes=2 * GIB, utilization_percent=utilization
    )


def after(*processes: EndedProcess, **changes: object) -> Gpu:
    return idle(ended_processes=processes, **changes)


def test_process_between_two_readings_is_recorded_once_and_has_no_part_of_the_time(scene: Scene) -> None:
    short = ended(7, scene.wall)
    scene.goes(100, after(short))
    report = scene.report()
    (found,) = processes(START, scene.wall)
    assert (found.pid, found.user, found.is_from_accounting, found.is_running) == (7, None, True, False)
    assert (found.first_at, found.seconds) == (short.started_at, 0.5)
    assert (found.memory_peak_bytes, found.memory_mean_bytes) == (2 * GIB, None)
    assert (found.sm_percent, found.zero_seconds) == (80.0, 0.0)
    assert (report.free_seconds, report.users_seconds) == (pytest.approx(report.gpu_seconds), 0.0)


def test_process_that_a_reading_saw_is_recorded_by_the_readings_alone(scene: Scene) -> None:
    scene.goes(20, seen(0, of("ana", 7), ended_processes=()))
    scene.goes(100, after(ended(7, scene.wall, 20.0)))
    scene.ledger.write_now()
    assert [(each.user, each.is_from_accounting) for each in processes(START, scene.wall)] == [("ana", False)]


def test_process_that_is_reported_late_is_left_out(scene: Scene) -> None:
    """A reading may have shown it, and the ledger has closed its record since."""
    scene.goes(10, after(ended(7, scene.wall - UNSEEN_SECONDS - 20)))
    scene.ledger.write_now()
    assert processes(START, scene.wall) == []


def test_process_without_a_start_or_utilization_is_recorded_with_what_is_known(scene: Scene) -> None:
    scene.goes(1, after(EndedProcess(pid=7, seconds=0.25)))
    scene.ledger.write_now()
    (found,) = processes(START, scene.wall)
    assert (found.started_at, found.sm_percent, found.memory_peak_bytes) == (None, None, None)
    assert found.last_at == scene.wall


@pytest.mark.slow
def test_restart_records_no_process_twice(scene: Scene) -> None:
    short = ended(7, scene.wall)
    scene.goes(5, after(short))
    scene.ledger.write_now()
    scene.restarted()
    scene.goes(5, after(short, ended(8, scene.wall)))  # and 8 ended while nothing was recorded
    scene.ledger.write_now()
    assert list(UsageProcess.objects.values_list("pid", flat=True)) == [7]
