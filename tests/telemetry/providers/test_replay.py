"""A recording is replayed unchanged: at its own pace, faster, or one reading per tick."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.telemetry import recording
from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import ProviderFailed, ProviderUnavailable
from monitor.telemetry.providers.replay import Replay
from monitor.telemetry.providers.simulated import Simulated
from monitor.telemetry.schema import Gpu, Reading

RECORDED_AT = 1_700_000_000.0
NOW = 1_800_000_000.0
Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Writes recordings of one GPU whose utilization is the index of the reading."""

    def write(*times: float) -> Path:
        path = tmp_path / "recording.jsonl"
        with path.open("wb") as file:
            writer = recording.Writer(file, host="box", provider="pynvml")
            for number, time in enumerate(times):
                gpu = Gpu(index=0, uuid="GPU-0", name="H100", utilization_percent=number)
                writer.write(Reading(sampled_at=RECORDED_AT + time, gpus=(gpu,)))
        return path

    return write


def opened(path: Path, speed: float = 1.0) -> Replay:
    replay = Replay(Options(replay_file=str(path), replay_speed=speed))
    replay.open()
    return replay


def shown(replay: Replay, *times: float) -> list[float | None]:
    """The readings shown this many seconds after the beginning."""
    return [replay.read(NOW + time).gpus[0].utilization_percent for time in times]


def test_readings_equal_the_recorded_ones(tmp_path: Path) -> None:
    simulated = Simulated(Options(simulated_gpus=4))
    simulated.open()
    originals = [simulated.read(RECORDED_AT + second) for second in range(5)]
    path = tmp_path / "recording"
    with path.open("wb") as file:
        writer = recording.Writer(file, host="box", provider="simulated")
        for reading in originals:
            writer.write(reading)
    replay = opened(path)
    for second, original in enumerate(originals):
        again = replay.read(NOW + second)
        assert again.sampled_at == NOW + second
        assert msgspec.structs.replace(again, sampled_at=0.0, notices=()) == msgspec.structs.replace(
            original, sampled_at=0.0, notices=()
        )


def test_label_says_that_it_is_a_recording_and_of_which_host(record: Record) -> None:
    replay = opened(record(0, 1), speed=2)
    assert replay.is_simulated
    assert replay.read(NOW).notices[-1].text == "Replaying a recording of box at 2× speed."


@pytest.mark.parametrize(
    ("speed", "at", "readings"),
    [
        (1, [0, 0.5, 1, 1.5, 2, 5, 9.9, 10], [0, 0, 1, 1, 2, 2, 2, 3]),
        (2, [0, 0.5, 1, 2.5, 4.9, 5], [0, 1, 2, 2, 2, 3]),
        (0.5, [0, 1, 2, 4, 19.9, 20], [0, 0, 1, 2, 2, 3]),
        (0, [0, 0, 0.1, 99, 99, 99], [0, 1, 2, 3, 0, 1]),
    ],
)
def test_recording_plays_at_the_speed_of_the_setting_or_one_reading_per_tick(
    record: Record, speed: float, at: list[float], readings: list[int]
) -> None:
    assert shown(opened(record(0, 1, 2, 10), speed), *at) == readings


def test_recording_restarts_one_step_after_its_end(record: Record) -> None:
    assert shown(opened(record(0, 2, 4)), 0, 2, 4, 5.9, 6, 8, 12) == [0, 1, 2, 2, 0, 1, 0]


def test_recording_of_one_reading_advances_by_a_second(record: Record) -> None:
    replay = opened(record(0))
    assert [replay.read(NOW + after).sampled_at - NOW for after in (0, 0.5, 1, 7)] == [0, 0, 1, 7]


def test_clock_set_back_during_recording_neither_stops_replay_nor_reverses_time(record: Record) -> None:
    """The second round began before the first, so replay was always late and the sampler hung."""
    replay = opened(record(0, 1, -3600, -3599))
    times = [replay.read(NOW + second).sampled_at for second in range(10)]
    assert times == sorted(times)
    assert times[-1] - NOW <= 9


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    recorded=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6),
    speed=st.sampled_from([0.0, 0.1, 1.0, 1000.0]),
    asked=st.lists(st.floats(-1e6, 1e9), min_size=1, max_size=6),
)
def test_each_read_returns_with_any_clocks_and_time_never_reverses_by_itself(
    record: Record, recorded: list[float], speed: float, asked: list[float]
) -> None:
    replay = opened(record(*recorded), speed)
    times = [replay.read(NOW + after).sampled_at for after in sorted(asked)]
    assert times == sorted(times)


def test_readings_missed_during_suspend_are_skipped(record: Record) -> None:
    replay = opened(record(0, 1))
    shown(replay, 0)
    assert shown(replay, 1e9) in ([0], [1])
    assert replay.read(NOW + 1e9 + 1).sampled_at == pytest.approx(NOW + 1e9 + 1)


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "reason", "fix"),
    [
        (None, "No recording is set.", "GPU_MONITOR_REPLAY_FILE"),
        ("/nonexistent/file", "No such file", "GPU_MONITOR_REPLAY_FILE"),
        ("/dev/null", "is not a recording", "--record"),
    ],
)
def test_missing_recording_is_reported_with_the_fix(name: str | None, reason: str, fix: str) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        Replay(Options(replay_file=name)).open()
    assert reason in caught.value.reason
    assert fix in (caught.value.fix or "")


def test_recording_without_readings_is_reported(record: Record) -> None:
    with pytest.raises(ProviderUnavailable, match="contains no reading"):
        opened(record())


def test_truncated_recording_plays_to_its_end_and_then_reports_the_line(record: Record) -> None:
    """The last good reading was never shown: the line after it was validated first."""
    path = record(0, 1, 2)
    path.write_bytes(path.read_bytes()[:-20])
    replay = opened(path)
    assert shown(replay, 0, 1, 1.5) == [0, 1, 1]
    with pytest.raises(ProviderFailed, match="line 4, is not a reading") as caught:
        replay.read(NOW + 2)
    assert "sed -i 4d" in (caught.value.fix or "")


def test_recording_with_one_good_line_shows_it(record: Record) -> None:
    path = record(0, 1)
    path.write_bytes(path.read_bytes()[:-20])
    assert shown(opened(path), 0) == [0]


def test_recording_removed_during_replay_is_reported_at_its_end(record: Record) -> None:
    path = record(0, 1)
    replay = opened(path)
    path.unlink()
    assert shown(replay, 0, 1) == [0, 1]
    with pytest.raises(ProviderFailed, match="Cannot read"):
        replay.read(NOW + 2)


def test_provider_can_be_closed_twice(record: Record) -> None:
    replay = opened(record(0))
    replay.close()
    replay.close()
