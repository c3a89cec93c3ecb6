"""The recorder stores every reading once, whatever ends or holds up the server, the database or the clock."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from pathlib import Path
from unittest import mock

import msgspec
import pytest
from django.db import DatabaseError, OperationalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.history import store
from monitor.history.database import history_connection
from monitor.history.recorder import HistorySettings
from monitor.history.store import HOST
from monitor.history.tiers import MINUTES, QUARTERS, SECONDS, TIERS, Tier
from monitor.models import HistoryChunk, HistoryGap, HistorySource
from tests.history.machines import BEGIN, Machine

GPU = "GPU-0"
UTILIZATION = "utilization_percent"


@pytest.fixture
def machine(history: Path) -> Machine:
    return Machine()


def stored(tier: Tier = SECONDS, key: str = GPU) -> dict[int, float | None]:
    """The utilization of each stored bucket, or the host's CPU."""
    source = HistorySource.objects.filter(key=key).first()
    assert source is not None
    found = store.read(source.pk, tier, 0, 1 << 40)
    return dict(zip(found.starts, found.columns[UTILIZATION if key == GPU else "cpu_percent"].mean, strict=True))


def expected(start: float, count: int) -> dict[int, float | None]:
    """The utilization of these seconds."""
    return {int(start) + each: (start + each) % 101 for each in range(count)}


def gaps() -> list[tuple[str, str | None, int, int]]:
    rows = HistoryGap.objects.order_by("start").select_related("source")
    return [(row.reason, row.source and row.source.key, row.start - int(BEGIN), row.end - int(BEGIN)) for row in rows]


def test_readings_are_stored_once_a_minute_and_seen_in_memory_before_that(machine: Machine) -> None:
    machine.run(59)
    assert not HistorySource.objects.exists()
    assert len(machine.recorder.open_buckets(GPU, [UTILIZATION]).starts) == 59
    machine.run(2)
    assert stored() == expected(BEGIN + 1, 59)
    assert machine.recorder.open_buckets(GPU, [UTILIZATION]).starts == [int(BEGIN) + 60, int(BEGIN) + 61]
    assert len(stored(key=HOST)) == 59


def test_an_orderly_end_loses_nothing(machine: Machine) -> None:
    machine.run(75)
    machine.recorder.close()
    assert stored() == expected(BEGIN + 1, 75)


def test_a_killed_server_loses_the_last_minute_at_most_and_the_rest_is_rolled_up(machine: Machine) -> None:
    machine.run(590)
    machine.pass_time(30)
    machine.new_recorder()
    machine.run(90)
    assert stored() == {**expected(BEGIN + 1, 539), **expected(BEGIN + 621, 59)}
    assert [*stored(MINUTES)] == [int(BEGIN) + 60 * each for each in range(9)]
    assert gaps() == [("not_running", None, 540, 621)]


@pytest.mark.slow
def test_chunks_are_closed_and_every_tier_has_every_reading(machine: Machine) -> None:
    machine.run(7 * 3600, every=10)
    machine.recorder.close()
    rows = HistoryChunk.objects.filter(source__key=GPU, is_open=False)
    assert [rows.filter(tier=tier.number).count() for tier in TIERS] == [41, 1, 0]
    source = HistorySource.objects.get(key=GPU)
    for tier, start, end in ((SECONDS, 10, 25_201), (MINUTES, 0, 24_600), (QUARTERS, 0, 14_400)):
        found = store.read(source.pk, tier, 0, 1 << 40)
        assert sum(found.seconds) == pytest.approx(end, abs=10)
        low, _mean, high, _seconds = found.columns[UTILIZATION]
        assert (min(low), max(high)) == (0, 100)
        assert store.extent(source.pk, tier) == (BEGIN + start, BEGIN + end)


def test_a_locked_database_loses_nothing(machine: Machine, history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.history.recorder.WAIT_SECONDS", 0.001)
    machine.run(30)
    with contextlib.closing(sqlite3.connect(history, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        machine.run(90)
        assert "locked" in (machine.recorder.problem or "")
    machine.run(5)
    assert machine.recorder.problem is None
    machine.recorder.close()
    assert stored() == expected(BEGIN + 1, 125)


def test_readings_in_memory_are_bounded_and_the_lost_ones_are_a_gap(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.history.intake.MOST_ROWS", 200)
    monkeypatch.setattr("monitor.history.intake.LEAST_ROWS", 10)
    monkeypatch.setattr("monitor.history.recorder.HistoryRecorder._write", _no_database)
    machine.run(300)
    assert len(machine.recorder.open_buckets(GPU, [UTILIZATION]).starts) <= 110
    monkeypatch.undo()
    machine.run(10)
    first = min(stored()) - int(BEGIN)
    assert 190 <= first <= 210
    assert ("not_recorded", GPU, 1, first) in gaps()


def _no_database(*_given: object, **_options: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.slow
def test_a_clock_set_back_adds_to_the_seconds_that_are_there(machine: Machine) -> None:
    machine.run(1300)
    machine.now -= 900
    machine.run(1300)
    machine.recorder.close()
    assert [*stored()] == [int(BEGIN) + each for each in range(1, 1701)]
    minutes = stored(MINUTES)
    assert [*minutes] == [int(BEGIN) + 60 * each for each in range(20)]
    source = HistorySource.objects.get(key=GPU)
    assert store.read(source.pk, SECONDS, BEGIN + 500, BEGIN + 502).seconds == [2, 2]


def test_a_clock_set_forward_leaves_a_gap_and_no_reading_twice(machine: Machine) -> None:
    machine.run(100)
    machine.now += 5000
    machine.run(100)
    machine.recorder.close()
    assert stored() == {**expected(BEGIN + 1, 100), **expected(BEGIN + 5101, 100)}


def test_a_hanging_driver_is_a_gap_of_its_gpus_with_the_reason_and_the_host_goes_on(machine: Machine) -> None:
    machine.run(70)
    hung_at = machine.now
    machine.run(30, stale=True, stale_reason="The driver has not answered for 30 s.", sampled_at=hung_at)
    machine.run(30)
    machine.recorder.close()
    (gap,) = HistoryGap.objects.all()
    assert (gap.reason, gap.text) == ("driver_hung", "The driver has not answered for 30 s.")
    assert (gap.start, gap.end) == (int(hung_at), int(hung_at) + 30)
    assert [*stored()] == [
        *map(int, range(int(BEGIN) + 1, int(hung_at) + 1)),
        *range(int(hung_at) + 31, int(hung_at) + 61),
    ]
    assert len(stored(key=HOST)) == 130


def test_a_driver_that_never_answers_after_a_restart_is_a_gap_of_the_gpus_of_the_last_run(machine: Machine) -> None:
    machine.run(70)
    machine.recorder.close()
    machine.new_recorder()
    machine.run(300, gpus=(), sampled_at=None, stale=True, stale_reason="no provider works")
    machine.run(70)
    (gap,) = HistoryGap.objects.filter(reason="driver_hung")
    assert (gap.source and gap.source.key, gap.text) == (GPU, "no provider works")
    assert (gap.start, gap.end) == (int(BEGIN) + 71, int(BEGIN) + 370)


def test_a_gap_that_goes_on_is_one_row(machine: Machine) -> None:
    machine.run(10)
    machine.run(400, gpus=(msgspec.structs.replace(machine.gpu(0, 0), state="lost", since=BEGIN + 10),))
    machine.recorder.close()
    assert gaps() == [("lost", GPU, 10, 410)]


def test_a_gpu_asleep_from_the_start_has_a_gap_from_when_it_fell_asleep(machine: Machine) -> None:
    machine.run(100, gpus=(msgspec.structs.replace(machine.gpu(0, 0), state="asleep", since=BEGIN - 50),))
    machine.recorder.close()
    assert gaps() == [("asleep", GPU, -50, 100)]


def test_a_host_that_was_off_is_told_from_a_server_that_was_not_running(machine: Machine) -> None:
    machine.run(10)
    machine.recorder.close()
    machine.pass_time(3600)
    machine.booted_at = machine.now - 100
    machine.new_recorder()
    machine.run(61)
    assert gaps() == [("host_off", None, 11, 3510), ("not_running", None, 3510, 3611)]


def test_a_switched_off_history_stores_nothing_and_the_time_is_not_recorded(machine: Machine) -> None:
    machine.run(10)
    machine.options = HistorySettings(is_on=False)
    machine.run(100)
    assert stored() == expected(BEGIN + 1, 10)
    machine.options = HistorySettings()
    machine.run(61)
    assert gaps() == [("not_recorded", None, 11, 111)]


@pytest.mark.slow
def test_a_damaged_file_is_set_aside_and_nothing_in_memory_is_lost(machine: Machine, history: Path) -> None:
    machine.run(70)
    for path in history.parent.glob("history.sqlite3*"):
        path.unlink()
    history.write_bytes(b"no database" * 1000)
    machine.run(70)
    assert [path.read_bytes()[:11] for path in history.parent.glob("*.damaged-*")] == [b"no database"]
    assert machine.recorder.problem is None
    machine.recorder.close()
    assert stored() == expected(BEGIN + 60, 81)


@pytest.mark.slow
def test_damage_that_only_a_reader_meets_is_found_and_whole_files_stay(machine: Machine, history: Path) -> None:
    machine.run(1300, every=5)
    machine.recorder.look_for_damage()
    machine.run(2)
    assert not list(history.parent.glob("*.damaged-*"))
    machine.recorder.close()
    with contextlib.closing(sqlite3.connect(history)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'monitor_historychunk'").fetchone()
    with history.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(DatabaseError, match="malformed"):
        stored()
    machine.recorder.look_for_damage()
    machine.run(70)
    assert len(list(history.parent.glob("*.damaged-*"))) == 1
    assert machine.recorder.problem is None
    assert stored()


def test_a_chunk_that_cannot_be_read_stays_and_is_tried_once(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be of a later version, which was tried for a while."""
    machine.run(130)
    damaged = HistoryChunk.objects.filter(source__key=GPU).order_by("start")[0]
    HistoryChunk.objects.filter(id=damaged.pk).update(data=b"\xffof a later version")
    machine.run(670)
    assert bytes(HistoryChunk.objects.get(id=damaged.pk).data) == b"\xffof a later version"
    assert caplog.text.count(f"left out (row {damaged.pk})") == 1
    assert min(stored()) == BEGIN + 60


@pytest.mark.slow
def test_a_deleted_file_is_created_again(machine: Machine, history: Path) -> None:
    machine.run(70)
    for path in history.parent.glob("history.sqlite3*"):
        path.unlink()
    machine.run(70)
    assert machine.recorder.problem is None
    machine.recorder.close()
    assert stored() == expected(BEGIN + 60, 81)


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"no database" * 1000], ids=["deleted", "damaged"])
def test_lost_file_can_be_read_again_before_the_next_write(
    machine: Machine, history: Path, content: bytes | None
) -> None:
    """Regression: for up to a minute, pages failed with "no such table" while health said that all was well."""
    machine.run(70)
    for path in history.parent.glob("history.sqlite3*"):
        path.unlink()
    if content is not None:
        history.write_bytes(content)
    machine.run(20)
    assert machine.recorder.problem is None
    assert stored()


def fill_disk(source: HistorySource, size: int) -> None:
    while True:
        HistoryChunk.objects.create(source=source, tier=9, start=0, end=1, data=bytes(size))


def test_a_full_disk_is_a_problem_that_passes_and_loses_nothing(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite gives the same error when it may not enlarge the file: a full disk takes a mount, which few containers may make."""
    machine.run(70)
    source = HistorySource.objects.get(key=GPU)
    options = history_connection().settings_dict["OPTIONS"]
    with mock.patch.dict(options, init_command="PRAGMA max_page_count=1;"):  # no more than there are now
        history_connection().close()
        for size in (2000, 10):
            with pytest.raises(OperationalError, match="full"):
                fill_disk(source, size)
        machine.run(100)
        assert machine.recorder.problem == "readings cannot be stored now, and wait (database or disk is full)"
        assert "is full; free some space on it" in caplog.text
        history_connection().close()
    machine.run(6)
    assert machine.recorder.problem is None
    machine.recorder.close()
    assert stored() == expected(BEGIN + 1, 176)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["run", "kill", "end", "stale", "back", "forward"]), st.integers(1, 900)), max_size=6
)


@given(scene=EVENTS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_every_tier_has_what_was_read(scene: list[tuple[str, int]], history: Path) -> None:
    """Killed and restarted servers, hanging drivers, a clock set back and forward: lowest and highest value of every bucket are
    those of the readings that were not lost with a killed server.
    """
    HistoryGap.objects.all().delete()
    HistoryChunk.objects.all().delete()
    HistorySource.objects.all().delete()
    machine = Machine()
    machine.utilization = lambda _at: machine.uptime * 7 % 101  # another value when a second comes again
    readings: list[tuple[int, float]] = []
    for kind, seconds in [*scene, ("run", 61), ("end", 1)]:
        if kind in ("run", "stale"):
            for _each in range(seconds if kind == "run" else min(seconds, 60)):
                machine.run(1, **({"stale": True} if kind == "stale" else {}))
                if kind == "run":
                    readings.append((int(machine.now), machine.uptime * 7 % 101))
        elif kind in ("back", "forward"):
            machine.now += seconds if kind == "forward" else -seconds
        else:
            if kind == "kill":
                lost = sum(machine.recorder.open_buckets(GPU, [UTILIZATION]).seconds)
                assert lost <= 60
                readings = readings[: len(readings) - int(lost)]
            else:
                machine.recorder.close()
            machine.pass_time(seconds)
            machine.new_recorder()
    deque(store.close_chunks(BEGIN + 10_000_000), maxlen=0)
    source = HistorySource.objects.get(key=GPU)
    for tier in TIERS:
        found = store.read(source.pk, tier, 0, 1 << 40)
        low, _mean, high, _seconds = found.columns[UTILIZATION]
        reference: dict[int, list[float]] = {}
        for at, value in readings:
            reference.setdefault(int(at // tier.bucket_seconds) * tier.bucket_seconds, []).append(value)
        assert dict(zip(found.starts, zip(low, high, strict=True), strict=True)) == {
            start: (min(values), max(values)) for start, values in reference.items()
        }
    assert not HistoryChunk.objects.filter(is_open=True).exists()
