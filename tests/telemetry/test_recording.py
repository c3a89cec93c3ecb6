"""A recording is written line by line; any other file is refused with a clear error."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitor.telemetry import recording
from monitor.telemetry.schema import Fan, Gpu, GpuProcess, Notice, Reading, Xid

READINGS = [
    Reading(
        sampled_at=1_800_000_000.25 + second,
        gpus=(
            Gpu(
                index=0,
                uuid="GPU-0",
                name="Card \ufffd „ä“",
                utilization_percent=0,
                power_watts=99.123456789,
                energy_joules=1e12 / 3,
                xids=(Xid(code=79, count=2, last_at=1.5),),
                processes=(GpuProcess(pid=1, command='a "b" \\ c', memory_used_bytes=(1 << 44) - 1),),
                unavailable={"fans": "no fan"},
            ),
        ),
        notices=(Notice(code="x", text="y"),),
        driver_version="580.65",
    )
    for second in range(3)
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A recording of three readings."""
    path = tmp_path / "it's a recording.jsonl"
    with path.open("wb") as file:
        writer = recording.Writer(file, host="box", provider="pynvml")
        for reading in READINGS:
            writer.write(reading)
    return path


def read(path: Path) -> list[Reading]:
    return list(recording.read(path)[1])


def test_recorded_figures_beyond_what_hardware_can_do_are_unknown(path: Path) -> None:
    """Regression: an edited recording with 1e308 W ended in "Internal server error" where its history was read."""
    reading = READINGS[0]
    wild = msgspec.structs.replace(
        reading.gpus[0],
        power_watts=1e19,
        memory_total_bytes=1 << 34,
        memory_used_bytes=(1 << 64) - 1,
        fans=(Fan(speed_percent=40.0, speed_rpm=-1e19), Fan(speed_percent=50.0)),
        processes=(GpuProcess(pid=1, memory_used_bytes=(1 << 63) - 1), GpuProcess(pid=2)),
    )
    with path.open("wb") as file:
        recording.Writer(file, host="box", provider="pynvml").write(msgspec.structs.replace(reading, gpus=(wild,)))
    [gpu] = read(path)[0].gpus
    assert (gpu.power_watts, gpu.memory_used_bytes, gpu.memory_total_bytes) == (None, None, 1 << 34)
    assert gpu.unavailable["fans"] == "no fan"
    assert gpu.unavailable["power_watts"].startswith("the recording reports 1000000000000000")
    assert gpu.fans == (Fan(speed_percent=40.0), Fan(speed_percent=50.0))
    assert [process.memory_used_bytes for process in gpu.processes or ()] == [None, None]


@pytest.mark.parametrize("index", [-1, 1 << 31, 1 << 64])
def test_gpu_with_an_index_that_no_table_can_hold_is_named_with_its_line(path: Path, index: int) -> None:
    """Regression: one such GPU kept the history, the usage and the alerts of all others from being stored."""
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace('"index":0', f'"index":{index}')]))
    assert "line 2, is not a reading" in str(complaint(path))
    assert "gpus[0].index" in str(complaint(path))


def complaint(path: Path) -> recording.BadRecording:
    with pytest.raises(recording.BadRecording) as caught:
        read(path)
    return caught.value


def outcome(path: Path) -> tuple[list[Reading], recording.BadRecording | None]:
    """The readings of a file, or the error."""
    try:
        return read(path), None
    except recording.BadRecording as told:
        return [], told


def test_written_readings_are_read_to_the_last_digit(path: Path) -> None:
    header, readings = recording.read(path)
    assert (header.host, header.provider) == ("box", "pynvml")
    assert list(readings) == READINGS


def test_reading_is_in_the_file_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    writer = recording.Writer(path.open("wb"), host="box", provider="pynvml")
    writer.write(READINGS[0])
    assert read(path) == READINGS[:1]
    writer.close()
    writer.close()


def test_recording_named_gz_is_compressed_and_read_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl.gz"
    writer = recording.Writer(recording.create(path), host="box", provider="pynvml")
    for reading in READINGS:
        writer.write(reading)
    writer.close()
    assert len(gzip.decompress(path.read_bytes())) > path.stat().st_size
    assert read(path) == READINGS
    assert read(path.rename(tmp_path / "under another name")) == READINGS


def test_plain_recording_with_any_name_is_read(path: Path) -> None:
    """`--record recording.jsonl.gz` once wrote plain text."""
    assert read(path.rename(path.with_name("recording.jsonl.gz"))) == READINGS


def test_truncated_compressed_recording_gives_the_readings_before_the_cut(tmp_path: Path) -> None:
    """The writer was killed: the file has every reading, but not gzip's last bytes."""
    path = tmp_path / "recording.jsonl.gz"
    writer = recording.Writer(recording.create(path), host="box", provider="pynvml")
    for reading in READINGS:
        writer.write(reading)
    readings = recording.read(path)[1]
    assert [next(readings) for _ in READINGS] == READINGS
    with pytest.raises(recording.BadRecording, match="ended before"):
        next(readings)
    writer.close()


def test_missing_file_is_reported_with_the_settings_that_name_it(tmp_path: Path) -> None:
    told = complaint(tmp_path / "gone")
    assert str(tmp_path / "gone") in told.reason
    assert "No such file" in told.reason
    assert "GPU_MONITOR_REPLAY_FILE" in (told.fix or "")
    assert "--replay-file" in (told.fix or "")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "directory" in complaint(tmp_path).reason


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\x1f\x8b\x08\x00gzip",
        b"\xff\xfe\x00",
        b'{"a": 1}\n',
        b'{"gpumon_recording":1,"host":"\xff"}',
        b"[]",
    ],
)
def test_other_file_is_refused_with_the_command_to_make_a_recording(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(data)
    told = complaint(path)
    assert f"{path} is not a recording" in told.reason
    assert "--record" in (told.fix or "")


def test_endless_file_is_refused_after_its_first_part() -> None:
    """/dev/zero was read until the memory was full."""
    assert "is not a recording" in complaint(Path("/dev/zero")).reason


def test_recording_of_another_version_is_refused_with_the_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"gpumon_recording":1', b'"gpumon_recording":2'))
    assert complaint(path).reason == f"{path} is a recording of version 2, not 1."


def test_truncated_recording_is_reported_with_the_line_and_the_fix(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])
    told = complaint(path)
    assert f"{path}, line 4, is not a reading" in told.reason
    assert "truncated" in told.reason
    command = (told.fix or "").split("`")[1]
    assert os.system(command) == 0
    assert read(path) == READINGS[:2]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"utilization_percent":0', b'"utilization_percent":101'),
        (b'"580.65"', b'"\xff\xfe\xfd"'),
        (b'"type":"reading"', b'"type":"snapshot"'),
        (b'"sampled_at":1800000001.25', b'"sampled_at":1e999'),
        (b'"sampled_at":1800000001.25', b'"sampled_at":null'),
        (b'"sampled_at":1800000001.25', b'"sampled_at":1800000001250'),
        (b'"type":"reading"', b'"x":' + b"[" * 5000),
    ],
    ids=["a share above 100", "no UTF-8", "another kind", "no number", "no time", "a time in no calendar", "nested"],
)
def test_corrupt_line_is_reported_by_number_after_the_good_ones(path: Path, before: bytes, after: bytes) -> None:
    """Invalid UTF-8, and later deep nesting, caused a traceback."""
    lines = path.read_bytes().splitlines(keepends=True)
    assert before in lines[2]
    lines[2] = lines[2].replace(before, after)
    path.write_bytes(b"".join(lines))
    readings = recording.read(path)[1]
    assert next(readings) == READINGS[0]
    with pytest.raises(recording.BadRecording, match="line 3, is not a reading"):
        next(readings)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), garbage=st.binary(max_size=12), removed=st.integers(0, 30))
@example(where=0.5, garbage=b"\xff", removed=1)
def test_any_damage_gives_readings_or_a_clear_error(path: Path, where: float, garbage: bytes, removed: int) -> None:
    data = path.read_bytes()
    at = int(where * len(data))
    damaged = path.with_name("damaged")
    damaged.write_bytes(data[:at] + garbage + data[at + removed :])
    readings, told = outcome(damaged)
    assert len(readings) <= 3 + garbage.count(b"\n")
    assert told is None or (str(damaged) in told.reason and told.fix)
