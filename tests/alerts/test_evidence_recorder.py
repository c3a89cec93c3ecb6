"""The engine records the evidence of its alerts: before, at and after the moment they fire, over restarts and failures."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from django.db import DatabaseError

from monitor.alerts import evidence_store
from monitor.alerts.evidence import AFTER_SECONDS, Evidence, Gap
from monitor.alerts.evidence_case import MOST_KERNEL_LINES, Case, Earlier
from monitor.alerts.evidence_recorder import MOST_CASES, NOT_READ, NOT_RECORDED, NOT_SAVED, WRITE_SECONDS
from monitor.models import AlertEvent, AlertEvidence, AlertRule
from monitor.rules.host_contact import HostContact
from monitor.telemetry.host.kernel_log import XidMessage
from monitor.telemetry.schema import Xid
from tests.alerts.engine_scene import COOL, HOT, Scene, rule
from tests.support.snapshots import gpu, process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> Scene:
    AlertRule.objects.all().delete()
    return Scene()


def evidence(**lookup: Any) -> Evidence:
    """The stored evidence of the alert."""
    found = evidence_store.load(AlertEvent.objects.get(**lookup).pk)
    assert found is not None
    return found


def values(found: Evidence, metric: str = "gpu.temperature_celsius") -> list[float | None]:
    [line] = [line for line in found.lines if line.metric == metric]
    return list(line.values)


def test_readings_before_the_alert_and_at_it_are_there_as_soon_as_it_fires(scene: Scene) -> None:
    rule(for_seconds=2)
    for temperature in (60, 61, 95, 96):
        scene.goes(1, gpu(temperature_celsius=temperature))
    assert not AlertEvidence.objects.exists()
    scene.goes(1, gpu(temperature_celsius=97))
    found = evidence()
    assert found.times == (-4.0, -3.0, -2.0, -1.0, 0.0)
    assert values(found) == [60, 61, 95, 96, 97]
    assert values(found, "gpu.sm_clock_mhz") == [990] * 5
    assert [line.top for line in found.lines] == [None, 1980]


def test_readings_from_more_than_15_minutes_before_are_left_out(scene: Scene) -> None:
    rule(for_seconds=0)
    for _ in range(10):
        scene.goes(100, COOL)
    scene.goes(1, HOT)
    assert evidence().times == (*range(-801, 0, 100), 0)


def test_the_time_after_is_written_once_a_minute_until_15_minutes_have_passed(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(1, HOT)
    scene.goes(WRITE_SECONDS - 1, COOL)
    assert evidence().times == (0.0,)
    scene.goes(1, COOL)
    assert evidence().times == (0.0, 59.0, 60.0)
    scene.goes(AFTER_SECONDS - 60, COOL)
    scene.goes(1, COOL)
    scene.goes(WRITE_SECONDS, COOL)
    assert evidence().times == (0.0, 59.0, 60.0, 900.0)
    assert values(evidence()) == [95, 60, 60, 60]


def test_processes_are_those_of_the_gpu_at_that_moment_the_largest_first(scene: Scene) -> None:
    rule(for_seconds=0)
    small, large = process(1, memory_used_bytes=1 << 30), process(2, memory_used_bytes=9 << 30)
    scene.goes(1, gpu(0, temperature_celsius=95, processes=(small, large)), gpu(1, processes=(process(3),)))
    scene.goes(WRITE_SECONDS, gpu(0, temperature_celsius=95, processes=()))
    [then] = evidence().gpus
    assert (then.index, then.uuid, then.processes) == (0, "GPU-0", (large, small))


def test_alert_about_the_host_has_the_processes_of_every_gpu(scene: Scene) -> None:
    rule(kind="gpu_count_fell", metric="", comparator="", threshold=None, for_seconds=0)
    held = process(1), process(2)
    scene.goes(1, gpu(0, processes=held[:1]), gpu(1, processes=held[1:]))
    scene.goes(1, gpu(0, processes=held[:1]))
    found = evidence()
    assert [(then.index, then.processes) for then in found.gpus] == [(0, held[:1])]
    assert values(found, "health.gpu_count") == [2, 1]


def test_process_alert_follows_its_process(scene: Scene) -> None:
    rule(metric="process.memory_used_bytes", threshold=8 << 30, for_seconds=0)
    small = process(2, memory_used_bytes=1 << 30)
    scene.goes(1, gpu(processes=(small, process(1, memory_used_bytes=2 << 30))))
    scene.goes(1, gpu(processes=(small, process(1, memory_used_bytes=9 << 30))))
    assert values(evidence(), "process.memory_used_bytes") == pytest.approx([2 << 30, 9 << 30], rel=1e-5)


def test_xid_errors_before_and_after_are_kept_once_each(scene: Scene) -> None:
    rule(for_seconds=0)
    start = scene.now
    old, first, again = (Xid(code=62, count=n, last_at=start + at) for n, at in ((1, -1000), (2, 1), (3, 40)))
    scene.goes(1, gpu(temperature_celsius=60, xids=(old,)))
    scene.goes(1, gpu(temperature_celsius=60, xids=(first,)))
    scene.goes(1, gpu(temperature_celsius=95, xids=(first,)))
    scene.goes(WRITE_SECONDS, gpu(temperature_celsius=95, xids=(again,)))
    assert [(xid.at, xid.code, xid.count) for xid in evidence().xids] == [(-2.0, 62, 2), (37.0, 62, 3)]


NVRM = "NVRM: Xid (PCI:0000:3b:00): "


def test_kernel_log_explains_the_xids_of_the_gpu(scene: Scene) -> None:
    rule(for_seconds=0)
    start = scene.now
    first, second = (Xid(code=code, count=1, last_at=start + at) for code, at in ((31, 2), (79, 30)))
    scene.kernel_log = [
        XidMessage(start - 2000, "0000:3b:00", f"{NVRM}13, too old"),
        XidMessage(start + 1.9, "0000:3b:00", f"{NVRM}31, pid=7, name=python"),
        XidMessage(start + 2, "0000:af:00", "NVRM: Xid (PCI:0000:af:00): 31, of another GPU"),
    ]
    scene.goes(2, gpu(temperature_celsius=95, pci_bus_id="0000:3b:00.0", xids=(first,)))
    assert [(line.at, line.gpu_index, line.text) for line in evidence().kernel_lines] == [
        (-0.1, 0, f"{NVRM}31, pid=7, name=python")
    ]
    scene.goes(WRITE_SECONDS, gpu(temperature_celsius=95, pci_bus_id="0000:3b:00.0", xids=(first,)))
    assert scene.kernel_log_reads == 1  # nothing new has happened
    scene.kernel_log = [XidMessage(start + 30, "0000:3b:00", f"{NVRM}79, it has lost the older lines")]
    scene.goes(WRITE_SECONDS, gpu(temperature_celsius=95, pci_bus_id="0000:3b:00.0", xids=(second, first)))
    found = evidence()
    assert [line.text.removeprefix(NVRM)[:2] for line in found.kernel_lines] == ["31", "79"]
    assert found.kernel_log_note == ""


def test_unreadable_kernel_log_says_why_and_costs_nothing_else(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.kernel_log = PermissionError(errno.EPERM, "Operation not permitted")
    xid = Xid(code=31, count=1, last_at=scene.now)
    scene.goes(1, gpu(temperature_celsius=95, pci_bus_id="0000:3b:00.0", xids=(xid,)))
    found = evidence()
    assert (found.kernel_lines, found.kernel_log_note) == ((), "kernel log not readable: no permission")
    assert [seen.code for seen in found.xids] == [31]
    assert scene.evidence.problem is None


def test_lost_gpu_is_looked_for_in_the_kernel_log_and_only_the_first_lines_are_kept(scene: Scene) -> None:
    rule(kind="gpu_lost", metric="", comparator="", threshold=None, for_seconds=0)
    scene.kernel_log = [
        XidMessage(scene.now + number / 100, "0000:3b:00", f"{NVRM}79, line {number}")
        for number in range(MOST_KERNEL_LINES + 1)
    ]
    scene.goes(1, gpu(pci_bus_id="0000:3b:00.0"))
    scene.goes(1, gpu(pci_bus_id="0000:3b:00.0", state="lost", xids=None))
    found = evidence()
    assert [line.text for line in found.kernel_lines[:: MOST_KERNEL_LINES - 1]] == [
        f"{NVRM}79, line 0",
        f"{NVRM}79, line 19",
    ]
    assert found.kernel_log_note == "only the first 20 lines of the kernel log are kept"


@pytest.mark.parametrize("is_simulated", [True, False])
def test_kernel_log_is_not_read_for_simulated_gpus_nor_without_an_xid(scene: Scene, is_simulated: bool) -> None:
    rule(for_seconds=0)
    xids = (Xid(code=31, count=1, last_at=scene.now),) if is_simulated else ()
    hot = gpu(temperature_celsius=95, pci_bus_id="0000:3b:00.0", xids=xids)
    scene.goes(1, hot, is_simulated=is_simulated)
    assert evidence().times == (0.0,)
    assert scene.kernel_log_reads == 0


def test_gaps_say_why_nothing_is_known(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(1, HOT)
    for _ in range(3):
        scene.goes(1, HOT, stale=True)
    scene.goes(1, HOT)
    scene.goes(1, gpu(state="lost"))
    scene.goes(WRITE_SECONDS, gpu(state="lost"))
    found = evidence()
    assert values(found) == [95, None, None, None, 95, None, None]
    assert found.gaps == (Gap(1, 3, "no fresh reading"), Gap(5, 65, "GPU lost"))


def test_recording_continues_after_a_restart_with_a_gap(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(1, COOL)
    scene.goes(1, HOT)
    scene.now += 100
    scene.restarted()
    scene.goes(0, HOT)
    scene.goes(1, HOT)
    scene.goes(WRITE_SECONDS, HOT)
    found = evidence()
    assert found.times == (-1, 0, 101, 161)
    assert found.gaps == (Gap(0, 100, "server not running"),)


def test_orderly_end_writes_what_is_recorded(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(1, HOT)
    scene.goes(5, HOT)
    scene.evidence.write(lambda: None, is_last=True)
    assert evidence().times == (0, 5)


def test_alert_that_flaps_records_its_readings_once(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(1, HOT)
    scene.goes(1, COOL)
    scene.goes(1, gpu(temperature_celsius=96, processes=(process(4),)))
    first, second = AlertEvent.objects.order_by("fired_at")
    assert evidence(pk=second.pk).recorded_with == str(first.pk)
    assert evidence(pk=second.pk).times == ()
    assert [each.pid for each in evidence(pk=second.pk).gpus[0].processes or ()] == [4]
    scene.goes(WRITE_SECONDS, COOL)
    assert evidence(pk=first.pk).times == (0, 1, 2, 62)
    scene.goes(AFTER_SECONDS, HOT)
    assert evidence(fired_at__gt=second.fired_at).recorded_with == ""


def test_reading_that_fires_again_is_kept_even_if_it_follows_soon(scene: Scene) -> None:
    """At ten readings a second the hot one was left out, and the chart of the alert ended with a cool GPU."""
    rule(for_seconds=0)
    for reading in (HOT, COOL, COOL, HOT):
        scene.goes(0.5, reading)
    first = AlertEvent.objects.order_by("fired_at")[0]
    assert evidence(pk=first.pk).times == (0, 1, 1.5)
    assert values(evidence(pk=first.pk))[-1] == values(evidence(pk=first.pk))[0]


def test_times_stay_true_when_the_clock_is_set(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(1, COOL)
    scene.goes(1, HOT)
    scene.ahead = 3600
    scene.goes(1, HOT)
    scene.goes(WRITE_SECONDS, HOT)
    assert evidence().times == (-1, 0, 1, 61)


@pytest.mark.parametrize(
    ("error", "said"), [(DatabaseError("no such table"), NOT_SAVED), (ValueError("odd"), NOT_RECORDED)]
)
def test_failing_write_is_a_problem_of_its_own_and_harms_no_alert(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(_found: object) -> None:
        raise error

    rule(for_seconds=0)
    scene.goes(1, COOL)
    with monkeypatch.context() as patch:
        patch.setattr(evidence_store, "save", fail)
        scene.goes(1, HOT)
        scene.goes(1, COOL)
    assert AlertEvent.objects.get().state == "resolved"
    assert [state for state, _ in scene.told] == ["firing", "resolved"]
    assert scene.evidence.problem == f"{said} ({error})"
    assert scene.engine.problem is None
    scene.goes(WRITE_SECONDS, COOL)
    assert AlertEvidence.objects.exists() is isinstance(error, DatabaseError)
    scene.goes(WRITE_SECONDS, HOT)
    assert scene.evidence.problem is None


def test_failure_while_recording_harms_no_alert(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(for_seconds=0)
    monkeypatch.setattr("monitor.alerts.evidence_case.value_of", lambda *_: 1 / 0)
    scene.goes(1, HOT)
    assert AlertEvent.objects.get().state == "firing"
    assert scene.engine.problem is None
    assert scene.evidence.problem == f"{NOT_RECORDED} (division by zero)"


def test_evidence_goes_with_its_alert(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(1, HOT)
    scene.goes(1, COOL)
    scene.goes(91 * 86_400, COOL)
    assert not AlertEvent.objects.exists()
    assert not AlertEvidence.objects.exists()


def test_alert_deleted_while_it_is_recorded_is_skipped(scene: Scene) -> None:
    rule(for_seconds=0)
    scene.goes(1, HOT)
    scene.goes(1, COOL)
    AlertEvent.objects.all().delete()
    scene.goes(WRITE_SECONDS, COOL)
    assert scene.evidence.problem is None
    assert not AlertEvidence.objects.exists()


def test_many_alerts_at_once_each_have_their_processes(scene: Scene) -> None:
    rule(for_seconds=0)
    count = MOST_CASES + 5
    scene.goes(1, *(gpu(index, temperature_celsius=95, processes=(process(index),)) for index in range(count)))
    assert AlertEvidence.objects.count() == count
    scene.goes(WRITE_SECONDS, *(gpu(index, temperature_celsius=95) for index in range(count)))
    lengths = {len(evidence(pk=pk).times) for pk in AlertEvent.objects.values_list("pk", flat=True)}
    assert lengths == {1, 2}


# ── Other hosts ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def fleet(scene: Scene) -> Scene:
    scene.contacts = [HostContact("a", "node-a", (), False, None), HostContact("b", "node-b", (), False, None)]
    return scene


def test_alert_of_another_host_has_the_readings_of_that_host_and_its_history_before(fleet: Scene) -> None:
    asked: list[tuple[float, float]] = []

    def stored(case: Case) -> Earlier:
        asked.append(case.span)
        times = [fleet.now - 3, fleet.now - 2]
        return Earlier(times, [[70.0, None], [1500.0, 1600.0]], [Gap(fleet.now - 900, fleet.now - 4, "no connection")])

    fleet.stored = stored
    rule(for_seconds=0)
    fleet.arrives("a", gpu(temperature_celsius=95, processes=(process(7),)))
    fleet.arrives("b", COOL)
    fleet.goes(0, COOL)
    found = evidence()
    assert asked == [(fleet.now - 900, pytest.approx(fleet.now - 0.9))]
    assert found.times == (-3, -2, 0)
    assert (values(found), values(found, "gpu.sm_clock_mhz")) == ([70, None, 95], [1500, 1600, 990])
    assert found.gaps == (Gap(-900, -4, "no connection"),)
    assert [each.pid for each in found.gpus[0].processes or ()] == [7]
    fleet.now += WRITE_SECONDS
    fleet.arrives("a", gpu(temperature_celsius=96))
    fleet.arrives("b", gpu(temperature_celsius=61))
    fleet.goes(0, gpu(temperature_celsius=62))
    assert (evidence().times, values(evidence())) == ((-3, -2, 0, 60), [70, None, 95, 96])


def test_evidence_lasts_15_minutes_of_the_clock_of_the_host(fleet: Scene) -> None:
    rule(for_seconds=0)
    behind = 3600
    for seconds in (0, WRITE_SECONDS, WRITE_SECONDS):
        fleet.now += seconds
        fleet.arrives("a", HOT, time=fleet.now - behind, sampled_at=fleet.now - behind)
        fleet.goes(0, COOL)
    assert evidence().times == (0, 60, 120)


def test_kernel_log_of_this_host_says_nothing_about_another(fleet: Scene) -> None:
    rule(for_seconds=0)
    fleet.kernel_log = [XidMessage(fleet.now, "0000:3b:00", f"{NVRM}79, of the GPU at this address here")]
    xid = Xid(code=79, count=1, last_at=fleet.now)
    fleet.arrives("a", gpu(temperature_celsius=95, pci_bus_id="0000:3b:00.0", xids=(xid,)))
    fleet.goes(0, COOL)
    found = evidence()
    assert (found.kernel_lines, found.kernel_log_note) == ((), "the kernel log of another host is not read")
    assert [seen.code for seen in found.xids] == [79]
    assert fleet.kernel_log_reads == 0


def test_history_that_cannot_be_read_is_a_problem_until_it_is_read(fleet: Scene) -> None:
    def fail(_case: Case) -> Earlier:
        raise DatabaseError("locked")

    fleet.stored = fail
    rule(for_seconds=0)
    fleet.arrives("a", HOT)
    fleet.goes(0, COOL)
    assert evidence().times == (0,)
    assert fleet.evidence.problem == f"{NOT_READ} (locked)"
    fleet.stored = lambda case: Earlier([case.fired_at - 5], [[80.0], [None]], ())
    fleet.goes(WRITE_SECONDS, COOL)
    assert evidence().times == (-5, 0)
    assert fleet.evidence.problem is None
