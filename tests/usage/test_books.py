"""Awkward times: clocks that are set, names that come late, GPUs that come and go, counters that restart."""

from __future__ import annotations

import pytest

from monitor.models.usage import UsagePeriod, UsageProcess, UsageSlice, UsageUser
from monitor.usage.accounts import ClosedSlice, GpuAccount, HolderAccount, Journal
from monitor.usage.books import Books
from monitor.usage.gpu_time import MOST_HOLDERS
from monitor.usage.reports import usage
from tests.support.snapshots import GIB
from tests.usage.scene import START, Scene, idle, of, seen

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_time_that_the_clock_goes_through_twice_is_counted_once(scene: Scene) -> None:
    scene.goes(4000, seen(0, of("ana")), step=5.0)
    scene.ahead = -3600.0
    scene.goes(7200, seen(0, of("bo", 2)), step=5.0)
    report = scene.report()
    assert report.gpu_seconds == pytest.approx(7595, abs=6)
    parts = report.users_seconds + report.nobody_seconds + report.free_seconds + report.unknown_seconds
    assert parts == pytest.approx(report.gpu_seconds, rel=1e-4)
    found = {row.key: row.share_seconds for row in report.rows}
    assert found["ana"] == pytest.approx(3995, abs=6)
    assert found["bo"] == pytest.approx(7595 - 4500, abs=6), "from the first quarter-hour that has no records"


def test_small_step_back_waits_until_the_time_is_new(scene: Scene) -> None:
    scene.goes(100, idle())
    scene.ahead = -50.0
    scene.goes(100, idle())
    report = scene.report()
    assert (report.free_seconds, report.gpu_seconds) == (149.0, 149.0)


def test_step_forward_is_time_without_records(scene: Scene) -> None:
    scene.goes(100, idle())
    scene.ahead = 5000.0
    scene.goes(100, idle())
    report = scene.report()
    assert report.free_seconds == pytest.approx(199, abs=2)
    assert report.not_recorded_seconds == pytest.approx(5000, abs=2)


def test_clock_of_another_year_stops_no_records_once_it_is_right(scene: Scene) -> None:
    scene.ahead = 3e8
    scene.goes(100, seen(0, of("ana")))
    scene.ahead = 0.0
    scene.goes(100, seen(0, of("ana")))
    report = scene.report()
    assert report.users_seconds == pytest.approx(99, abs=2)


def test_name_that_becomes_known_holds_from_the_beginning(scene: Scene) -> None:
    scene.goes(10, seen(0, of(None, command=None, name=None)))
    scene.goes(60, seen(0, of("ana")))
    assert [(row.key, row.share_seconds) for row in scene.report().rows] == [("ana", 69.0)]
    assert [row.key for row in scene.report(by="command").rows] == ["python train.py"]


def test_program_that_another_one_replaces_has_its_time(scene: Scene) -> None:
    scene.goes(31, seen(0, of("ana", command="bash run.sh")))
    scene.goes(30, seen(0, of("ana", command="python train.py")))
    assert {row.key: row.share_seconds for row in scene.report(by="command").rows} == {
        "bash run.sh": 30.0,
        "python train.py": 30.0,
    }


def test_gpu_counts_from_when_it_came_until_it_was_gone(scene: Scene) -> None:
    scene.goes(101, idle(0))
    scene.goes(100, idle(0), idle(1))
    scene.goes(100, idle(0))
    report = scene.report()
    assert report.gpu_count == 2
    assert report.gpu_seconds == pytest.approx(300 + 99)
    assert report.free_seconds == pytest.approx(300 + 99)
    assert list(UsagePeriod.objects.order_by("start").values_list("gpu__uuid", "end")) == [
        ("GPU-0", None),
        ("GPU-1", START + 201),
    ]
    assert usage(START + 250, START + 300, "gpu", now=scene.wall).gpu_count == 1


def test_energy_is_the_counters_until_it_restarts_then_power_times_time(scene: Scene) -> None:
    for joules in (1000.0, 1600.0, 2200.0):
        scene.goes(1, seen(0, of("ana"), energy_joules=joules, power_watts=1.0))
    assert scene.report().energy_joules == 1200.0
    scene.goes(1, seen(0, of("ana"), energy_joules=5.0, power_watts=300.0))
    assert scene.report().energy_joules == 1500.0
    scene.goes(1, seen(0, of("ana"), energy_joules=100_000.0, power_watts=300.0, power_limit_watts=700.0))
    assert scene.report().energy_joules == 1800.0, "far above the limit: the counter is not this GPU's alone"


def test_cost_and_co2_are_of_share_and_energy(scene: Scene) -> None:
    scene.goes(3610, seen(0, of("ana"), power_watts=1000.0), step=10.0, poll_interval_seconds=10.0)
    report = scene.report(per_kwh=0.5, per_gpu_hour=2.0, co2_grams_per_kwh=400.0)
    (row,) = report.rows
    assert (row.cost, row.co2_grams) == pytest.approx((2.5, 400.0), rel=0.01)
    assert scene.report().rows[0].cost is None


def test_ended_process_has_its_memory_and_sm_time(scene: Scene) -> None:
    scene.goes(1, idle())
    scene.goes(30, seen(0, of("ana", memory_used_bytes=2 * GIB, sm_utilization_percent=0.0, started_at=START)))
    scene.goes(30, seen(0, of("ana", memory_used_bytes=4 * GIB, sm_utilization_percent=80.0, started_at=START)))
    scene.goes(130, idle())
    scene.report()
    row = UsageProcess.objects.select_related("holder").get()
    assert (row.seconds, row.zero_seconds, row.sm_percent) == (60.0, 30.0, 40.0)
    assert (row.memory_mean_bytes, row.memory_peak_bytes) == (3 * GIB, 4 * GIB)
    assert (row.first_at, row.last_at) == (START + 1, START + 61)
    assert (row.holder.user, row.command_line) == ("ana", "python train.py")


def test_process_that_the_driver_forgets_for_a_moment_is_the_same(scene: Scene) -> None:
    for gpu in (seen(0, of("ana")), idle(), seen(0, of("ana"))):
        scene.goes(20, gpu)
    scene.goes(130, idle())
    scene.report()
    assert UsageProcess.objects.count() == 1


def test_ended_process_whose_memory_is_still_counted_is_held_by_nobody(scene: Scene) -> None:
    scene.goes(61, seen(0, of(None, status="gone"), utilization_percent=0.0))
    report = scene.report()
    assert (report.nobody_seconds, report.rows) == (60.0, ())


def test_first_eight_users_have_a_hue_of_their_own(scene: Scene) -> None:
    for number in range(10):
        scene.goes(2, seen(0, of(f"user{number}")))
        scene.report()
    hues = dict(UsageUser.objects.values_list("name", "hue"))
    assert [hues[f"user{number}"] for number in range(10)] == [1, 2, 3, 4, 5, 6, 7, 8, 0, 0]


def test_many_holders_of_one_gpu_are_counted_to_their_users(scene: Scene) -> None:
    for number in range(MOST_HOLDERS + 20):
        scene.goes(2, seen(0, of("ana", number + 1, command=f"program{number}")))
    report = scene.report(by="command")
    assert len(report.rows) == MOST_HOLDERS + 1
    assert report.users_seconds == pytest.approx(2 * (MOST_HOLDERS + 20) - 1)


def test_span_within_a_slice_has_its_part_of_it(scene: Scene) -> None:
    scene.goes(901, seen(0, of("ana")), step=5.0)
    scene.goes(1000, idle(), step=5.0)
    scene.report()
    report = usage(START + 300, START + 600, "user", now=scene.wall)
    assert (report.gpu_seconds, report.users_seconds) == pytest.approx((300, 300), abs=3)


def test_books_pass_on_what_they_closed_once() -> None:
    scene = Scene()
    books = Books(None, idle_percent=lambda: 5.0)
    for second in range(0, 1000, 5):
        scene.now = START + second
        books.take(scene.snapshot([idle()]))
    (closed,) = [each for each in books.closed if isinstance(each, ClosedSlice)]
    assert isinstance(closed.account, GpuAccount)
    assert closed.account.free == 900 - 0
    assert isinstance(books.journal, Journal)


def test_an_account_knows_its_parts() -> None:
    account = HolderAccount(share=10.0, energy_joules=4.0)
    assert account.times(0.5) == HolderAccount(share=5.0, energy_joules=2.0)


def test_no_slice_is_written_twice(scene: Scene) -> None:
    scene.goes(2000, idle(), step=5.0)
    scene.report()
    scene.report()
    assert UsageSlice.objects.count() == 2
