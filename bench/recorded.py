"""A recording for the replay provider: GPUs with 4 processes each, where every value differs from the previous reading."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.host import PROCESSES
from monitor.telemetry import recording
from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import used_percent
from monitor.telemetry.providers.selection import make
from monitor.telemetry.schema import Fan, Gpu, GpuProcess, Reading

_READINGS = 120
"""An even number, so that the last reading also differs from the first, which follows it when the replay starts over."""
_GIB = 1 << 30

Draw = Callable[[float, float], float]


@contextmanager
def recorded(*, gpus: int, hz: float) -> Iterator[Path]:
    """The file of the recording. With `replay_speed=0` each tick reads the next reading."""
    with TemporaryDirectory(prefix="gpumon-bench-") as name:
        path = Path(name) / "recording.jsonl"
        _record(path, gpus=gpus, hz=hz)
        yield path


def _record(path: Path, *, gpus: int, hz: float) -> None:
    provider = make("simulated", Options(simulated_gpus=gpus))
    provider.open()
    reading = provider.read(1.0e9)
    chance = random.Random(8)
    with path.open("wb") as file:
        writer = recording.Writer(file, host="bench", provider="pynvml")
        for number in range(_READINGS):
            draw = _half(chance, number % 2)
            changed = [_gpu(reading.gpus[0], gpu, draw) for gpu in reading.gpus]
            writer.write(Reading(sampled_at=1.0e9 + number / hz, gpus=tuple(changed), driver_version="580.82.07"))


def _half(chance: random.Random, half: int) -> Draw:
    """Draw from the lower half of a range at even readings and from the upper half at odd ones, so that every value changes."""

    def draw(low: float, high: float) -> float:
        middle = (low + high) / 2
        margin = (high - low) / 20  # no two values look the same after rounding
        return chance.uniform(low, middle - margin) if half == 0 else chance.uniform(middle + margin, high)

    return draw


def _gpu(busy: Gpu, gpu: Gpu, draw: Draw) -> Gpu:
    """A busy GPU (the simulated host's first) with the identity of `gpu`."""
    total = busy.memory_total_bytes
    used = int(draw(8, 72) * _GIB)
    first = (busy.processes or ())[0]
    pids = range(40_000 + 10 * gpu.index, 40_000 + 10 * gpu.index + PROCESSES)
    return msgspec.structs.replace(
        busy,
        index=gpu.index,
        uuid=gpu.uuid,
        pci_bus_id=gpu.pci_bus_id,
        clock_event_reasons=(),
        utilization_percent=round(draw(0, 100)),
        memory_used_bytes=used,
        memory_used_percent=used_percent(used, total),
        temperature_celsius=round(draw(30, 85)),
        power_watts=round(draw(70, 700), 1),
        sm_clock_mhz=round(draw(345, 1980)),
        fans=(Fan(speed_percent=round(draw(20, 100))),),
        encoder_utilization_percent=round(draw(0, 100)),
        decoder_utilization_percent=round(draw(0, 100)),
        pcie_rx_bytes_per_second=draw(0, 3e10),
        pcie_tx_bytes_per_second=draw(0, 3e10),
        processes=tuple([_process(first, pid, draw) for pid in pids]),
    )


def _process(process: GpuProcess, pid: int, draw: Draw) -> GpuProcess:
    return msgspec.structs.replace(
        process,
        pid=pid,
        memory_used_bytes=int(draw(1, 17) * _GIB),
        sm_utilization_percent=round(draw(0, 100)),
        cpu_percent=round(draw(1, 400), 1),
        resident_memory_bytes=int(draw(1, 30) * _GIB),
    )
