"""GPUs of another host, whose figures were checked there by another version, or not at all."""

from __future__ import annotations

import pytest

from monitor.telemetry.options import Options
from monitor.telemetry.providers.plausible import RANGES
from monitor.telemetry.providers.plausible_gpus import plausible_gpus
from monitor.telemetry.providers.simulated import Simulated
from monitor.telemetry.schema import EndedProcess, Fan, Gpu, GpuProcess, MigInstance, NvLink
from tests.support.snapshots import gpu, process

WILD = float(1 << 63)


def test_believable_gpus_are_left_alone() -> None:
    simulated = Simulated(Options(simulated_gpus=4))
    simulated.open()
    gpus = simulated.read(1.8e9).gpus
    assert plausible_gpus(gpus, "its agent") is gpus


@pytest.mark.parametrize("metric", [each for each in RANGES if each in Gpu.__struct_fields__ and "percent" not in each])
@pytest.mark.parametrize("wild", [WILD, -WILD])
def test_figure_of_a_gpu_beyond_hardware_is_unknown_with_the_reason(metric: str, wild: float) -> None:
    [found] = plausible_gpus((gpu(0, **{metric: wild}),), "its agent")
    assert getattr(found, metric) is None
    assert found.unavailable[metric].startswith("its agent reports ")


def test_figures_of_its_parts_are_checked_too() -> None:
    given = gpu(
        0,
        fans=(Fan(speed_rpm=WILD),),
        nvlinks=(NvLink(link=0, is_active=True, rx_bytes_per_second=WILD),),
        mig_instances=(MigInstance(index=0, memory_total_bytes=1 << 63),),
        processes=(process(1, memory_used_bytes=-1), process(2)),
        ended_processes=(EndedProcess(pid=1, seconds=1.0, memory_peak_bytes=1 << 63),),
    )
    [found] = plausible_gpus((given,), "its agent")
    assert found.fans == (Fan(),)
    assert found.nvlinks == (NvLink(link=0, is_active=True),)
    assert found.mig_instances[0].memory_total_bytes is None
    processes: tuple[GpuProcess, ...] = found.processes or ()
    assert [each.memory_used_bytes for each in processes] == [None, process(2).memory_used_bytes]
    assert found.ended_processes == (EndedProcess(pid=1, seconds=1.0),)
