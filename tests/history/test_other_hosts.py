"""The history of other hosts: each has its own, and what the hub missed comes later."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.alerts.evidence_case import Case
from monitor.history import store
from monitor.history.buckets import Buckets
from monitor.history.gaps import NO_CONNECTION, REASONS
from monitor.history.queries import history as stored_history
from monitor.history.tiers import MINUTES, SECONDS, TIERS, Tier
from monitor.models import HistoryChunk, HistoryGap, HistorySource
from monitor.rules.evaluation import Event
from monitor.rules.rule import Rule
from monitor.runtime.stored_evidence import stored_before
from monitor.shards import SHARDS
from tests.history.machines import BEGIN, Machine
from tests.history.remote_host import DGX, RemoteHost

GPU = "GPU-0"
UTILIZATION = "utilization_percent"
START = int(BEGIN)


@pytest.fixture
def remote(history: Path | None) -> RemoteHost:
    return RemoteHost(Machine())


def stored(key: str = GPU, tier: Tier = SECONDS, host_id: str = DGX) -> Buckets:
    source = HistorySource.objects.get(host_id=host_id, key=key)
    return store.read(source.pk, tier, 0, 1 << 40)


def gaps(host_id: str = DGX) -> list[tuple[str, str | None, int, int]]:
    rows = HistoryGap.objects.filter(host_id=host_id).order_by("start").select_related("source")
    return [(row.reason, row.source and row.source.key, row.start - START, row.end - START) for row in rows]


@pytest.mark.usefixtures("django_db_setup")  # the names of hosts are in the main database
def test_each_host_has_its_own_history_also_of_gpus_with_one_uuid(remote: RemoteHost) -> None:
    remote.run(70)
    recorder = remote.machine.recorder
    assert recorder.open_buckets(GPU, [UTILIZATION], DGX).starts == [*range(START + 60, START + 71)]
    recorder.close()
    assert store.hosts() == {"": "dgx", DGX: "dgx-05"}
    assert [source.key for source in store.sources(DGX)] == ["host", GPU]
    assert stored().columns[UTILIZATION].mean == [(START + each) % 97 for each in range(1, 71)]
    assert stored(host_id="").columns[UTILIZATION].mean == [(START + each) % 101 for each in range(1, 71)]
    assert gaps() == gaps("") == []
    (answer,) = stored_history(GPU, [UTILIZATION], START, START + 60, 60, host_id=DGX)
    assert answer.mean == [(START + each) % 97 for each in range(1, 60)]


@pytest.mark.slow
def test_what_the_hub_missed_is_stored_at_its_own_time_and_the_gap_vanishes(remote: RemoteHost) -> None:
    remote.run(700)
    remote.run(1400, is_connected=False)
    remote.run(61)
    assert gaps() == [(NO_CONNECTION, None, 700, 2100)]
    remote.run(800, late_per_second=2)
    remote.machine.recorder.close()
    assert gaps() == []
    seconds = stored()
    assert seconds.starts == [*range(START + 1, START + 2962)]
    assert {*seconds.seconds} == {1.0}
    assert seconds.columns["energy_joules"].mean == [at % 301 for at in seconds.starts]
    assert sum(stored(tier=MINUTES).seconds) == len([at for at in seconds.starts if at < START + 2400])


def test_gap_of_which_a_part_arrives_is_shorter(remote: RemoteHost) -> None:
    remote.run(61)
    remote.run(300, is_connected=False)
    del remote.missed[:100], remote.missed[50:100]
    remote.run(61, late_per_second=10)
    remote.machine.recorder.close()
    assert gaps() == [(NO_CONNECTION, None, 61, 161), (NO_CONNECTION, None, 211, 261)]


def test_snapshots_that_are_sent_again_count_once(remote: RemoteHost) -> None:
    remote.run(100)
    remote.repeat(30)
    remote.run(20, is_connected=False)
    remote.run(30, late_per_second=3)
    remote.repeat(10)
    remote.run(5, is_connected=False)
    remote.run(90, late_per_second=3)
    remote.machine.recorder.close()
    assert stored().starts == [*range(START + 1, START + 246)]
    assert {*stored().seconds, *stored("host").seconds} == {1.0}


def test_reading_that_was_skipped_is_not_counted_when_it_comes_after_all(remote: RemoteHost) -> None:
    remote.run(10)
    remote.run(1, is_connected=False)
    remote.run(70, late_per_second=1)
    remote.machine.recorder.close()
    assert sum(stored().seconds) == 81
    assert stored().columns["energy_joules"].mean[9:11] == [(START + 10) % 301, 2 * ((START + 12) % 301)]


def test_restarted_hub_says_when_it_was_not_running_until_the_agent_has_filled_that(remote: RemoteHost) -> None:
    remote.run(50)
    remote.run(50, is_connected=False)
    remote.machine.recorder.close()
    remote.machine.pass_time(100)
    remote.machine.new_recorder()
    remote.run(40, is_connected=False)
    remote.run(61)
    assert gaps() == [
        (NO_CONNECTION, None, 51, 101),
        ("not_running", None, 101, 201),
        (NO_CONNECTION, None, 201, 241),
    ]
    remote.run(70, late_per_second=5)
    assert gaps() == [("not_running", None, 101, 200)]  # the host's own agent was not running either
    assert gaps("") == [("not_running", None, 101, 201)]


def test_host_that_does_not_return_has_no_connection(remote: RemoteHost) -> None:
    remote.run(65)
    remote.run(600, is_connected=False)
    (answer,) = stored_history(GPU, [UTILIZATION], START, START + 600, 600, host_id=DGX)
    (gap,) = answer.gaps
    assert (gap.start, gap.end, gap.reason) == (START + 65, START + 600, NO_CONNECTION)


def test_readings_with_a_time_that_cannot_be_right_are_refused_and_the_gap_says_so(remote: RemoteHost) -> None:
    remote.run(61)
    for time in (BEGIN + 86_400, BEGIN - 86_400, float("nan"), float("inf")):
        remote.run(10, time=time, sampled_at=time)
    remote.run(61)
    remote.machine.recorder.close()
    assert gaps() == [("wrong_clock", None, 61, 101)]
    assert stored().starts == [*range(START + 1, START + 62), *range(START + 102, START + 163)]


def test_driver_that_hung_while_there_was_no_connection_is_told(remote: RemoteHost) -> None:
    remote.run(61)
    remote.run(20, is_connected=False)
    hung_at = remote.machine.now
    remote.run(40, is_connected=False, stale=True, sampled_at=hung_at, stale_reason="The driver is silent.")
    remote.run(20, is_connected=False)
    remote.run(100, late_per_second=10)
    assert gaps() == [("driver_hung", GPU, 81, 121)]


EVENTS = st.lists(st.tuples(st.sampled_from(["on", "off", "restart", "repeat"]), st.integers(1, 700)), max_size=7)


@given(scene=EVENTS, late_per_second=st.integers(1, 9))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_tier_has_each_reading_once_whenever_it_came(
    scene: list[tuple[str, int]], late_per_second: int, history: Path | None
) -> None:
    """Connections that break, readings that are repeated, and a hub that restarts in between."""
    for model in (HistoryGap, HistoryChunk, HistorySource):
        model.objects.all().delete()
    remote = RemoteHost(Machine())
    for kind, seconds in [("on", 3), *scene, ("on", 61)]:
        if kind == "restart":
            remote.machine.recorder.close()
            remote.machine.new_recorder()
        elif kind == "repeat":
            remote.repeat(min(seconds, 20))
        else:
            # Where one reading is missing, the next stands for its time.
            remote.run(max(2, seconds), is_connected=kind == "on", late_per_second=late_per_second)
    remote.run(-(-len(remote.missed) // late_per_second), late_per_second=late_per_second)
    remote.machine.recorder.close()
    times = range(START + 1, int(remote.machine.now) + 1)
    deque(store.close_chunks(BEGIN + 10_000_000), maxlen=0)
    assert HistoryGap.objects.filter(host_id=DGX).count() == 0
    for tier in TIERS:
        found = stored(tier=tier)
        low, _mean, high, _seconds = found.columns[UTILIZATION]
        reference: dict[int, list[int]] = {}
        for at in times:
            reference.setdefault(at // tier.bucket_seconds * tier.bucket_seconds, []).append(at)
        assert found.starts == [*reference]
        assert found.seconds == [len(values) for values in reference.values()]
        assert low == [min(at % 97 for at in values) for values in reference.values()]
        assert high == [max(at % 97 for at in values) for values in reference.values()]
        joules = found.columns["energy_joules"].mean
        assert joules == [sum(at % 301 for at in values) for values in reference.values()]


def test_late_readings_faster_than_one_a_second_keep_every_part_of_a_second(remote: RemoteHost) -> None:
    """Regression: a second that was half sent when the minute was written lost its other half."""
    remote.run(60)
    remote.run(120, is_connected=False)
    readings = [
        msgspec.structs.replace(each, time=each.time + part, sampled_at=each.time + part, seq=each.seq * 4 + place,
                                poll_interval_seconds=0.25)
        for each in remote.missed
        for place, part in enumerate((0.0, 0.25, 0.5, 0.75))
    ]  # fmt: skip
    remote.missed = readings
    remote.run(300, late_per_second=3)
    remote.machine.recorder.close()
    assert [*stored().seconds[61:179]] == pytest.approx([1.0] * 118)


def test_evidence_of_an_alert_begins_with_what_is_stored_and_what_is_not_yet(remote: RemoteHost) -> None:
    remote.run(70)
    remote.run(40, is_connected=False)
    remote.run(100)
    fired_at = remote.machine.now
    event = Event(
        id="", rule="", severity="info", host="dgx-05", host_id=DGX, subject=GPU, gpu_uuid=GPU, summary="", started_at=fired_at,
        fired_at=fired_at, rule_then=Rule(id=1, name="", kind="process_gone"),
    )  # fmt: skip
    case = Case(event).earlier()
    case.metrics = (f"gpu.{UTILIZATION}", "process.memory_used_bytes", "system.cpu_percent")
    earlier = stored_before(case, newest=remote.machine.recorder.open_buckets)
    begin = [*range(START + 1, START + 71), *range(START + 111, START + 210)]
    known = [at for at, value in zip(earlier.times, earlier.columns[0], strict=True) if value is not None]
    assert known == begin
    assert [value for value in earlier.columns[0] if value is not None] == [at % 97 for at in begin]
    assert earlier.columns[2] == earlier.columns[0]  # as this host's CPU goes
    assert {*earlier.columns[1]} == {None}  # the history has no processes
    assert [(gap.start - START, gap.end - START, gap.reason) for gap in earlier.gaps] == [
        (70, 110, REASONS[NO_CONNECTION])
    ]


def test_recorder_of_some_hosts_closes_the_chunks_of_no_other(remote: RemoteHost) -> None:
    remote.run(70)
    remote.machine.recorder.close()

    def open_hosts() -> set[str]:
        rows = HistoryChunk.objects.filter(is_open=True, tier=SECONDS.number)
        return set(rows.values_list("source__host_id", flat=True))

    deque(store.close_chunks(BEGIN + 10_000, SHARDS[3]), maxlen=0)
    assert open_hosts() == {""}
    deque(store.close_chunks(BEGIN + 10_000, SHARDS[0]), maxlen=0)
    assert open_hosts() == set()
    last = START + 71
    assert [store.last_moment(shard=shard) for shard in SHARDS] == [last, None, None, last]
