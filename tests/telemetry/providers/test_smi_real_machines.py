"""Reports of real machines (`nvidia-smi -q -x`): an A100, a desktop card, a laptop and others. They are not part of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.telemetry.providers.nvidia_smi.xml import parse
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.schema import Fan, Gpu, Reading
from tests.support.servers import ROOT
from tests.telemetry.providers.reader import check_rules

MIB = 1 << 20
REAL = ROOT.parent / "shared/data/smi"


def read(path: Path) -> Reading:
    reading = parse(path.read_bytes(), 1.0, Bounds("nvidia-smi"))
    reading = msgspec.json.decode(msgspec.json.encode(reading), type=Reading)
    check_rules(reading)
    return reading


def real(name: str) -> Gpu:
    if not REAL.is_dir():
        pytest.skip("no fault: recordings of real machines in ../shared/data/smi are not part of the project")
    return read(REAL / name).gpus[0]


def assert_values(gpu: Gpu, **expected: Any) -> None:
    assert {name: getattr(gpu, name) for name in expected} == expected


def test_report_of_an_a100_in_mig_mode_is_read() -> None:
    gpu = real("a100-sxm4-mig.xml")
    assert_values(
        gpu,
        name="NVIDIA A100-SXM4-40GB",
        pci_bus_id="0000:00:04.0",
        mig_mode=True,
        memory_total_bytes=40960 * MIB,
        memory_reserved_bytes=605 * MIB,
        memory_used_bytes=38 * MIB,
        power_watts=66.92,
        power_limit_watts=400.0,
        temperature_celsius=36,
        memory_temperature_celsius=44,
        slowdown_temperature_celsius=89,
        shutdown_temperature_celsius=92,
        sm_clock_mhz=1410,
        utilization_percent=None,
        ecc_uncorrected_aggregate=0,
        ecc_corrected_volatile=None,
        retired_pages=None,
        processes=(),
        clock_event_reasons=(),
        persistence_mode=False,
    )
    assert "MIG" in gpu.unavailable["utilization_percent"]
    assert [
        (each.index, each.gpu_instance_id, each.memory_total_bytes, each.memory_used_bytes)
        for each in gpu.mig_instances
    ] == [
        (0, 1, 19968 * MIB, 19 * MIB),
        (1, 2, 19968 * MIB, 19 * MIB),
    ]
    assert gpu.mig_instances[0].unavailable["profile"]


def test_report_of_a_desktop_card_on_windows_is_read() -> None:
    gpu = real("rtx-2080-win.xml")
    assert_values(
        gpu,
        name="NVIDIA GeForce RTX 2080",
        pci_bus_id="0000:0a:00.0",
        utilization_percent=2,
        memory_utilization_percent=7,
        memory_used_bytes=862 * MIB,
        fans=(Fan(speed_percent=37),),
        pcie_width=8,
        pcie_width_max=16,
        pcie_rx_bytes_per_second=91e6,
        pcie_tx_bytes_per_second=13e6,
        persistence_mode=None,
        clock_event_reasons=("gpu_idle",),
        power_max_limit_watts=350.0,
        ecc_is_enabled=None,
    )
    processes = gpu.processes or ()
    assert len(processes) == 26
    assert (processes[0].pid, processes[0].types, processes[0].name) == (
        7724,
        ("compute", "graphics"),
        "PhoneExperienceHost.exe",
    )
    assert all(process.memory_used_bytes is None for process in processes)


def test_report_of_a_laptop_without_power_limits_is_read() -> None:
    gpu = real("rtx-3060.xml")
    assert_values(
        gpu,
        utilization_percent=0,
        memory_used_bytes=5 * MIB,
        power_watts=8.7,
        power_limit_watts=None,
        pcie_generation=1,
        pcie_generation_max=4,
        temperature_celsius=45,
        slowdown_temperature_celsius=102,
        sm_clock_max_mhz=2100,
        fans=None,
        vbios_version="94.06.19.00.51",
    )
    (xorg,) = gpu.processes or ()
    assert (xorg.pid, xorg.types, xorg.name, xorg.memory_used_bytes) == (28543, ("graphics",), "Xorg", 4 * MIB)


def test_report_of_driver_535_is_read() -> None:
    gpu = real("rtx-4090-driver-535.xml")
    assert_values(
        gpu,
        architecture="Ada Lovelace",
        pci_bus_id="0000:84:00.0",
        power_watts=26.84,
        power_limit_watts=450.0,
        power_min_limit_watts=10.0,
        power_max_limit_watts=600.0,
        fans=(Fan(speed_percent=0),),
        jpeg_utilization_percent=0,
        ofa_utilization_percent=0,
        memory_reserved_bytes=346 * MIB,
        ecc_is_enabled=False,
        remapped_rows_corrected=0,
        remapped_rows_are_pending=False,
        slowdown_temperature_celsius=None,
        persistence_mode=True,
        processes=(),
    )


def test_fragment_of_a_report_of_driver_580_is_read() -> None:
    gpu = real("rtx-pro-6000-driver-580.xml")
    assert_values(
        gpu,
        uuid="GPU-11111111-2222-3333-4444-555555555555",
        pci_bus_id="0000:01:00.0",
        temperature_celsius=37,
        power_watts=66.84,
        power_average_watts=None,
        fans=(Fan(speed_percent=40),),
        performance_state="P8",
        memory_total_bytes=None,
        processes=None,
    )


def test_report_of_a_pascal_card_with_errors_per_memory_cell_is_read() -> None:
    assert_values(
        real("tesla-p100.xml"),
        brand="Tesla",
        ecc_is_enabled=True,
        ecc_corrected_volatile=0,
        ecc_corrected_aggregate=3,
        ecc_uncorrected_aggregate=0,
        retired_pages=0,
        memory_used_bytes=0,
        memory_used_percent=0,
        bar1_used_bytes=2 * MIB,
        power_min_limit_watts=125.0,
        sm_clock_mhz=405,
        sm_clock_max_mhz=1328,
        remapped_rows_corrected=None,
    )
