"""The ledger of a fleet: each host has its own books, and time without a connection is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.models import FleetHost
from monitor.models.usage import UsageGpu, UsageJournal, UsagePeriod, UsageProcess, UsageShare, UsageSlice, UsageSpan
from monitor.telemetry.schema import Gpu, Snapshot
from monitor.usage.heat import heat
from monitor.usage.processes import processes
from monitor.usage.pruning import prune
from monitor.usage.records import hosts
from monitor.usage.reports import Report, usage, users_by_gpu
from monitor.usage.ribbons import ribbons
from tests.usage.scene import START, Scene, idle, of, seen

pytestmark = pytest.mark.django_db
DGX = "d" * 32


class FleetScene(Scene):
    """This host has one GPU, which is free; dgx-05 has what the test says."""

    def __init__(self) -> None:
        super().__init__()
        FleetHost.objects.get_or_create(host_id=DGX, defaults={"name": "dgx-05"})

    def both(self, seconds: int, gpus: Sequence[Gpu] | None, *, is_late: bool = False, **changes: Any) -> None:
        """Without GPUs, the other host has no connection."""
        for _ in range(seconds):
            self.now += 1
            self.ledger.take(self.snapshot([idle(0)]))
            if gpus is not None:
                other = self.snapshot(gpus, host="dgx-05", host_id=DGX, **changes)
                self.ledger.take_of_fleet(other, is_late=is_late)
            self.ledger.work()

    def of_host(self, host_id: str | None) -> Report:
        self.ledger.write_now()
        return usage(START, self.wall, "user", now=self.wall, host_id=host_id)


@pytest.fixture
def scene() -> FleetScene:
    return FleetScene()


def assert_adds_up(report: Report, gpu_seconds: float) -> None:
    parts = report.users_seconds + report.nobody_seconds + report.free_seconds + report.unknown_seconds
    assert parts == pytest.approx(gpu_seconds, rel=1e-4)
    assert report.gpu_seconds == pytest.approx(gpu_seconds, rel=1e-4)


def test_reports_add_up_over_all_hosts_and_for_each(scene: FleetScene) -> None:
    scene.both(1, [idle(0)])
    scene.both(1000, [seen(0, of("ana"))])
    own, other, everything = scene.of_host(""), scene.of_host(DGX), scene.of_host(None)
    assert_adds_up(own, 1000)
    assert_adds_up(other, 1000)
    assert_adds_up(everything, 2000)
    assert (own.users_seconds, other.users_seconds) == (0.0, pytest.approx(1000))
    assert (own.hosts, other.hosts, everything.hosts) == (("dgx",), ("dgx-05",), ("dgx", "dgx-05"))
    assert hosts() == {"": "dgx", DGX: "dgx-05"}
    by_host = usage(START, scene.wall, "host", now=scene.wall)
    assert [(row.label, round(row.share_seconds), row.gpu_count) for row in by_host.rows] == [
        ("dgx-05", 1000, 1), ("dgx", 0, 1),
    ]  # fmt: skip
    by_gpu = usage(START, scene.wall, "gpu", now=scene.wall)
    assert [(row.key, row.label, row.host) for row in by_gpu.rows] == [
        ("GPU-0", "dgx-05 · GPU 0", "dgx-05"), ("GPU-0", "dgx · GPU 0", "dgx"),
    ]  # fmt: skip
    assert [row.label for row in usage(START, scene.wall, "gpu", now=scene.wall, host_id=DGX).rows] == ["GPU 0"]


def test_one_user_on_two_hosts_is_one_row(scene: FleetScene) -> None:
    scene.both(1, [idle(0)])
    for _ in range(100):
        scene.now += 1
        scene.ledger.take(scene.snapshot([seen(0, of("ana"))]))
        scene.ledger.take_of_fleet(scene.snapshot([seen(0, of("ana"))], host="dgx-05", host_id=DGX), is_late=False)
        scene.ledger.work()
    (row,) = scene.of_host(None).rows
    assert (row.key, row.share_seconds, row.gpu_count, row.host_count) == ("ana", pytest.approx(200), 2, 2)


def test_time_without_a_connection_is_unknown(scene: FleetScene) -> None:
    scene.both(301, [seen(0, of("ana"))])
    scene.both(500, None)
    scene.both(210, [seen(0, of("ana"))])
    report = scene.of_host(DGX)
    assert_adds_up(report, 1010)
    assert report.unknown_seconds == pytest.approx(499, abs=1)
    assert scene.of_host("").unknown_seconds == 0


# ── Late readings ─────────────────────────────────────────────────────────────────────────────────────────────────────


def missed(scene: FleetScene, seconds: int, gpus: Sequence[Gpu]) -> list[Snapshot]:
    """The host reads, but has no connection."""
    found = []
    for _ in range(seconds):
        scene.both(1, None)
        found.append(scene.snapshot(gpus, host="dgx-05", host_id=DGX))
    return found


def replay(scene: FleetScene, late: list[Snapshot], gpus: Sequence[Gpu]) -> None:
    """Live readings go on, and five late ones come with each."""
    while late:
        scene.both(1, gpus)
        for _ in range(min(5, len(late))):
            scene.ledger.take_of_fleet(late.pop(0), is_late=True)
        scene.ledger.work()


BO = of("bo", pid=7, started_at=START + 200)


def test_what_the_hub_missed_is_counted_when_it_comes_late(scene: FleetScene) -> None:
    ana = [seen(0, of("ana", started_at=START))]
    scene.both(801, ana)
    late = missed(scene, 1500, [seen(0, BO)])
    assert scene.of_host(DGX).unknown_seconds == pytest.approx(1500)
    scene.both(60, ana)
    replay(scene, late, ana)
    scene.both(60, ana)
    report = scene.of_host(DGX)
    assert_adds_up(report, report.gpu_seconds)
    assert {row.key: round(row.share_seconds) for row in report.rows} == {
        "ana": round(report.gpu_seconds) - 1500, "bo": 1500,
    }  # fmt: skip
    assert report.unknown_seconds == pytest.approx(0, abs=0.01)
    (ribbon,) = ribbons(START, scene.wall, now=scene.wall, host_id=DGX)
    assert [span.user for span in ribbon.spans] == ["ana", "bo", "ana"]
    seen_of_bo = [each for each in processes(START, scene.wall, host_id=DGX) if each.user == "bo"]
    assert [round(each.seconds) for each in seen_of_bo] == [1500]


def test_late_readings_that_are_repeated_count_once(scene: FleetScene) -> None:
    scene.both(301, [seen(0, BO)])
    late = missed(scene, 300, [seen(0, BO)])
    again = [*late[:200], *late[100:]]
    replay(scene, again, [seen(0, BO)])
    replay(scene, [*late], [seen(0, BO)])
    report = scene.of_host(DGX)
    assert_adds_up(report, report.gpu_seconds)
    assert report.users_seconds == pytest.approx(report.gpu_seconds)
    assert [(each.user, round(each.seconds)) for each in processes(START, scene.wall, host_id=DGX)] == [
        ("bo", round(report.gpu_seconds))
    ]


def test_readings_that_a_restart_of_the_hub_missed_are_counted(scene: FleetScene) -> None:
    bo = [seen(0, BO)]
    scene.both(301, bo)
    scene.ledger.write_now()
    late = missed(scene, 100, bo)
    scene.restarted()
    replay(scene, late[:50], bo)
    scene.ledger.write_now()
    scene.restarted()
    replay(scene, late[50:], bo)
    report = scene.of_host(DGX)
    assert_adds_up(report, report.gpu_seconds)
    assert report.users_seconds == pytest.approx(report.gpu_seconds, abs=3)


def test_late_readings_in_order_need_no_reading_before_them(scene: FleetScene) -> None:
    """An engine that takes over reads what the one before had not written as late, then what is new."""
    bo = [seen(0, BO)]
    scene.both(301, bo)
    scene.ledger.write_now()
    scene.restarted()
    scene.both(60, bo, is_late=True)
    scene.both(60, bo)
    assert scene.of_host(DGX).users_seconds == pytest.approx(420)


def test_gpus_of_a_host_that_was_retired_end_with_its_last_reading(scene: FleetScene) -> None:
    scene.both(301, [seen(0, of("ana"))])
    scene.both(900, None)
    assert scene.of_host(DGX).unknown_seconds == pytest.approx(900)
    FleetHost.objects.update(state=FleetHost.State.RETIRED)
    assert scene.of_host(DGX).unknown_seconds == 0
    FleetHost.objects.all().delete()
    report = scene.of_host(DGX)
    assert_adds_up(report, 300)
    assert (report.users_seconds, report.hosts) == (pytest.approx(300), ("dgx-05",))


def test_host_that_was_renamed_has_its_new_name_at_once(scene: FleetScene) -> None:
    scene.both(301, [seen(0, of("ana"))])
    FleetHost.objects.update(name="dgx-05 (replaced)", state=FleetHost.State.RETIRED)
    assert scene.of_host(None).hosts == ("dgx", "dgx-05 (replaced)")
    assert hosts() == {"": "dgx", DGX: "dgx-05 (replaced)"}


def test_books_of_each_host_go_on_after_a_restart(scene: FleetScene) -> None:
    scene.both(301, [seen(0, of("ana"))])
    scene.ledger.write_now()
    scene.restarted()
    scene.now += 20
    scene.both(300, [seen(0, of("ana"))])
    report = scene.of_host(DGX)
    assert_adds_up(report, 620)
    assert report.users_seconds == pytest.approx(600, abs=2)
    assert UsageJournal.objects.count() == 2


def test_ribbons_processes_heat_and_users_are_those_of_the_host(scene: FleetScene) -> None:
    scene.both(1, [idle(0)])
    scene.both(1900, [seen(0, of("ana"))])
    scene.ledger.write_now()
    (own,) = ribbons(START, scene.wall, now=scene.wall)
    (other,) = ribbons(START, scene.wall, now=scene.wall, host_id=DGX)
    assert ({span.state for span in own.spans}, [each.user for each in other.users]) == ({"free"}, ["ana"])
    assert [(each.host, each.user) for each in processes(START, scene.wall)] == [("dgx-05", "ana")]
    assert processes(START, scene.wall, host_id="") == []
    assert (users_by_gpu(START, scene.wall, now=scene.wall), users_by_gpu(START, scene.wall, host_id=DGX, now=scene.wall)) == (
        {}, {"GPU-0": ("ana",)},
    )  # fmt: skip
    assert [heat(START, scene.wall, ZoneInfo("UTC"), host_id).most for host_id in (None, "", DGX)] == [2, 1, 1]


def test_host_that_sends_nonsense_costs_others_nothing(scene: FleetScene, caplog: pytest.LogCaptureFixture) -> None:
    scene.both(301, [seen(0, of("ana"))])
    scene.both(3, [seen(0, of("ana"))], poll_interval_seconds="a second")
    assert "usage is not counted (TypeError" in (scene.ledger.problem or "")
    assert caplog.text.count("usage is not counted") == 1
    scene.both(301, [seen(0, of("ana"))])
    assert scene.ledger.problem is None
    assert scene.of_host("").unknown_seconds == 0


def test_records_of_a_host_that_is_gone_are_deleted_when_they_are_old(scene: FleetScene) -> None:
    scene.both(301, [seen(0, of("ana"))])
    scene.ledger.write_now()
    later = scene.wall + 10 * 86_400
    while prune(later, days=5, process_days=5):
        pass
    assert [*UsageJournal.objects.values_list("host_id", flat=True)] == [""]
    prune(later, days=5, process_days=5)
    assert [*UsageGpu.objects.values_list("host_id", flat=True)] == [""]


@given(
    happenings=st.lists(st.tuples(st.sampled_from(["both", "own", "restart", "late"]), st.integers(1, 400)), max_size=7)
)
@example(happenings=[("own", 5), ("both", 400), ("restart", 30), ("own", 400), ("late", 9), ("both", 300)])
@settings(max_examples=12, deadline=None)
def test_conservation_for_each_host(happenings: list[tuple[str, int]]) -> None:
    for model in (UsageJournal, UsageSlice, UsageShare, UsageProcess, UsageSpan, UsagePeriod, UsageGpu):
        model._default_manager.all().delete()
    scene = FleetScene()
    first = first_of_other = None
    for kind, seconds in happenings:
        if kind != "restart" and first is None:
            first = scene.wall + 1
        if kind == "restart":
            scene.ledger.write_now()
            scene.restarted()
            scene.now += seconds
        elif kind == "own":
            scene.both(seconds, None)
        else:
            if first_of_other is None:
                first_of_other = scene.wall + 1
            scene.both(seconds, [seen(0, of("ana"))], is_late=kind == "late")
    if first is None:
        first = scene.wall + 1
    scene.both(1, None)
    own, other, everything = scene.of_host(""), scene.of_host(DGX), scene.of_host(None)
    for report in (own, other, everything):
        assert_adds_up(report, report.gpu_seconds)
    for report, firsts in ((own, [first]), (other, [first_of_other]), (everything, [first, first_of_other])):
        existing = sum(report.end - since for since in firsts if since is not None)
        assert report.gpu_seconds == pytest.approx(existing, abs=0.01)
