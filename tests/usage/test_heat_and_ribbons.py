"""When GPUs are busy, and who had each one when."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from monitor.models.usage import UsageGpu, UsageSlice
from monitor.usage.heat import heat
from monitor.usage.ribbons import SPAN_DAYS, ribbons
from tests.usage.scene import START, Scene, idle, of, seen

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")


def fill(start: datetime, end: datetime, **ms: int) -> None:
    """Quarter-hours of one GPU, in which it was busy unless told otherwise."""
    gpu, _ = UsageGpu.objects.get_or_create(uuid="GPU-0", defaults={"index": 0, "name": "H100", "host": "dgx"})
    zero = dict.fromkeys(("busy_ms", "held_ms", "nobody_ms", "free_ms", "lost_ms", "unread_ms"), 0)
    values = {**zero, "energy_joules": 0, "energy_ms": 0, **(ms or {"busy_ms": 900_000})}
    starts = range(int(start.timestamp()), int(end.timestamp()), 900)
    UsageSlice.objects.bulk_create(UsageSlice(gpu=gpu, start=at, **values) for at in starts)


def test_hours_are_those_of_the_zone_also_where_it_is_half_an_hour_off() -> None:
    kolkata = ZoneInfo("Asia/Kolkata")
    fill(datetime(2026, 11, 25, 9, tzinfo=kolkata), datetime(2026, 11, 25, 10, tzinfo=kolkata))
    found = heat(0, 2e9, kolkata)
    cells = {(day, hour) for day, row in enumerate(found.days) for hour, cell in enumerate(row) if cell.busy}
    assert cells == {(2, 9)}
    assert found.days[2][9].seconds == 3600
    assert found.days[0][0].busy is None


def test_hour_that_the_clock_goes_through_twice_has_two_hours_and_the_skipped_one_none() -> None:
    fill(datetime(2026, 10, 25, 0, tzinfo=BERLIN), datetime(2026, 10, 26, 0, tzinfo=BERLIN))
    assert [cell.seconds for cell in heat(0, 2e9, BERLIN).days[6]][:4] == [3600, 3600, 7200, 3600]
    UsageSlice.objects.all().delete()
    fill(datetime(2026, 3, 29, 0, tzinfo=BERLIN), datetime(2026, 3, 30, 0, tzinfo=BERLIN))
    sunday = heat(0, 2e9, BERLIN).days[6]
    assert [cell.seconds for cell in sunday][:4] == [3600, 3600, 0, 3600]
    assert {cell.busy for cell in sunday} == {1.0, None}


def test_cells_are_means_over_the_readings() -> None:
    fill(datetime(2026, 11, 23, 9, tzinfo=BERLIN), datetime(2026, 11, 23, 10, tzinfo=BERLIN))
    fill(datetime(2026, 11, 30, 9, tzinfo=BERLIN), datetime(2026, 11, 30, 10, tzinfo=BERLIN), free_ms=450_000)
    cell = heat(0, 2e9, BERLIN).days[0][9]
    assert (cell.busy, cell.free, cell.held, cell.gpus) == pytest.approx((2 / 3, 1 / 3, 0, 1))


@pytest.fixture
def scene() -> Scene:
    """Two hours: ana for 40 minutes, idle-held for 20, free for 20, lost for 10, off for 20, bo for 10."""
    made = Scene()
    made.goes(2400, seen(0, of("ana")), step=5.0)
    made.goes(1200, seen(0, of("ana"), utilization_percent=0.0), step=5.0)
    made.goes(1200, idle(), step=5.0)
    made.goes(600, idle(state="lost"), step=5.0)
    made.ledger.write_now()
    made.now += 1200
    made.restarted()
    made.goes(600, seen(0, of("bo", 2)), step=5.0)
    made.ledger.write_now()
    return made


def minutes(scene: Scene, **changes: int) -> list[tuple[int, str, str, int]]:
    (found,) = ribbons(START, scene.wall, now=scene.wall, **changes)
    return [(round((each.end - each.start) / 60), each.state, each.user, each.hue) for each in found.spans]


def test_ribbon_has_who_held_the_gpu_by_the_minute(scene: Scene) -> None:
    assert minutes(scene) == [
        (40, "busy", "ana", 1),
        (20, "held", "ana", 1),
        (20, "free", "", 0),
        (10, "lost", "", 0),
        (20, "unknown", "", 0),
        (10, "busy", "bo", 2),
    ]
    (found,) = ribbons(START, scene.wall, now=scene.wall)
    assert [(each.user, round(each.seconds / 60)) for each in found.users] == [("ana", 60), ("bo", 10)]


def test_few_points_show_the_longest_state_of_each_part(scene: Scene) -> None:
    assert [each[:3] for each in minutes(scene, points=3)] == [
        (40, "busy", "ana"),
        (40, "held", "ana"),
        (40, "unknown", ""),
    ]


def test_old_ribbon_is_by_the_quarter_hour(scene: Scene) -> None:
    later = scene.wall
    scene.now += (SPAN_DAYS + 1) * 86_400
    scene.restarted()
    scene.goes(600, seen(0, of("bo", 2)), step=5.0)
    scene.ledger.write_now()
    (found,) = ribbons(START, later, now=scene.wall)
    assert [(round((each.end - each.start) / 60), each.state, each.user) for each in found.spans] == [
        (45, "busy", "ana"),
        (15, "held", "ana"),
        (15, "free", ""),
        (15, "lost", ""),
        (15, "unknown", ""),
        (15, "busy", "bo"),
    ]


def test_ribbons_are_of_the_gpus_there_were_and_end_now(scene: Scene) -> None:
    assert ribbons(START - 7200, START, now=scene.wall) == []
    assert ribbons(START, scene.wall, uuid="GPU-none", now=scene.wall) == []
    (found,) = ribbons(START - 3600, scene.wall + 3600, uuid="GPU-0", now=scene.wall)
    assert found.spans[0].start >= START - 3600
    assert found.spans[-1].end == scene.wall
