"""An H100 in a virtual machine (driver 580.159), recorded at 1 Hz: two seconds idle, 14 under load, idle again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from monitor.telemetry import recording
from monitor.telemetry.options import Options
from monitor.telemetry.providers.replay import Replay
from monitor.telemetry.recorded_snapshots import snapshots_of
from monitor.telemetry.schema import Gpu, Reading, Snapshot

RECORDING = Path(__file__).parents[1] / "data/h100-driver-580.jsonl.gz"
NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def gpus() -> list[Gpu]:
    """The GPU at each reading."""
    return [reading.gpus[0] for reading in recording.read(RECORDING)[1]]


def test_replay_provider_plays_it_as_recorded(gpus: list[Gpu]) -> None:
    replay = Replay(Options(replay_file=str(RECORDING), replay_speed=1.0))
    replay.open()
    began = replay.read(NOW)
    played = [began, *(replay.read(NOW + second + 0.01) for second in range(1, len(gpus)))]
    replay.close()
    assert [reading.gpus[0] for reading in played] == gpus
    assert began.driver_version == "580.159.04"


def test_load_and_power_rise_and_fall_together(gpus: list[Gpu]) -> None:
    assert [gpu.utilization_percent for gpu in gpus] == [0, 0, *[99] * 4, 100, *[99] * 9, 0, 0, 0, 0]
    assert all((gpu.power_watts or 0) > 600 for gpu in gpus[2:16])
    assert all((gpu.power_watts or 999) < 140 for gpu in (*gpus[:2], *gpus[16:]))
    assert {gpu.clock_event_reasons for gpu in gpus[2:16]} == {("sw_power_cap",)}


def test_total_memory_is_reserved_and_used_and_free(gpus: list[Gpu]) -> None:
    for gpu in gpus:
        parts = (gpu.memory_reserved_bytes, gpu.memory_used_bytes, gpu.memory_free_bytes)
        assert sum(part or 0 for part in parts) == gpu.memory_total_bytes
        assert gpu.memory_unattributed_bytes is not None
        assert gpu.memory_unattributed_bytes < 16 << 20


def test_process_traffic_and_links_equal_the_drivers_report(gpus: list[Gpu]) -> None:
    assert [len(gpu.processes or ()) for gpu in gpus] == [0, 0, *[1] * 18]
    loaded = gpus[5]
    (process,) = loaded.processes or ()
    assert (process.name, process.types, process.status) == ("python3", ("compute",), "running")
    assert process.memory_used_bytes == 22525509632
    assert loaded.pcie_rx_bytes_per_second == pytest.approx(18e6, rel=0.01)
    assert loaded.nvlinks is None
    assert loaded.unavailable["nvlinks"] == "the driver reports no NVLink"


def test_every_reading_and_snapshot_of_it_matches_the_schema() -> None:
    for reading in recording.read(RECORDING)[1]:
        assert msgspec.json.decode(msgspec.json.encode(reading), type=Reading) == reading
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(reading), type=Reading) == reading
    for snapshot in snapshots_of(*recording.read(RECORDING)):
        assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot
