"""One side of a comparison of ticks, in its own process: `python -m bench.ticks SIDE PAUSE_SECONDS [URL]`.

Sides: `provider`, a tick of the NVML provider; `second`, one as at a reading a second, with its share of the slower calls; `bare`,
the pynvml calls of such a tick; `floor`, these calls and the JSON
encoding of the latest snapshot of a gpumon server at URL. For each number on stdin, it makes that many ticks, with the pause
after each, and prints their CPU seconds.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from collections.abc import Callable

import msgspec
import pynvml as nvml

from monitor.telemetry.options import Options
from monitor.telemetry.providers.nvml.fields import METRICS
from monitor.telemetry.providers.nvml.links import pcie
from monitor.telemetry.providers.nvml.provider import Pynvml
from monitor.telemetry.schema import Snapshot

FAST_SECONDS = 0.1
"""The time between ticks by the provider's clock: its shortest, so that few of the slow calls fall on a tick."""


def provider(interval_seconds: float = FAST_SECONDS) -> Callable[[], object]:
    """A tick of the provider: from the driver to finished Gpu structs."""
    clock = [0.0]
    opened = Pynvml(Options(), monotonic=lambda: clock[0])
    opened.open()

    def tick() -> None:
        clock[0] += interval_seconds
        opened.read(time.time())

    return tick


def bare() -> Callable[[], object]:
    """The calls of a fast tick through pynvml; the results are dropped."""
    nvml.nvmlInit()
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    newest = dict.fromkeys(range(len(handles)), int((time.time() - 1) * 1e6))
    fans = [nvml.nvmlDeviceGetNumFans(handle) for handle in handles]
    fields = list(METRICS)

    def tick() -> None:
        began = time.monotonic()
        for handle in handles:  # a sample of the PCIe counters begins
            nvml.nvmlDeviceGetFieldValues(handle, [pcie.RX, pcie.TX])
        if (missing := began + pcie.SAMPLE_SECONDS - time.monotonic()) > 0:
            time.sleep(missing)
        for handle in handles:
            nvml.nvmlDeviceGetFieldValues(handle, [pcie.RX, pcie.TX])
        for index, handle in enumerate(handles):
            nvml.nvmlDeviceGetUtilizationRates(handle)
            nvml.nvmlDeviceGetEncoderUtilization(handle)
            nvml.nvmlDeviceGetDecoderUtilization(handle)
            nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
            nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_GRAPHICS)
            nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)
            nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)
            nvml.nvmlDeviceGetPerformanceState(handle)
            nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
            nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
            nvml.nvmlDeviceGetFieldValues(handle, fields)
            nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            nvml.nvmlDeviceGetGraphicsRunningProcesses(handle)
            nvml.nvmlDeviceGetMPSComputeRunningProcesses(handle)
            try:
                samples = nvml.nvmlDeviceGetProcessUtilization(handle, newest[index])
                newest[index] = samples[0].timeStamp
            except nvml.NVMLError_NotFound:
                pass
            for fan in range(fans[index]):
                nvml.nvmlDeviceGetFanSpeed_v2(handle, fan)

    return tick


def floor() -> Callable[[], object]:
    """The minimum of a whole tick: the driver calls, and the bytes of the snapshot."""
    with urllib.request.urlopen(f"{sys.argv[3]}/api/snapshot", timeout=10) as answer:
        snapshot = msgspec.json.decode(answer.read(), type=Snapshot)
    calls, encoder = bare(), msgspec.json.Encoder()

    def tick() -> None:
        calls()
        encoder.encode(snapshot)

    return tick


def main() -> None:
    sides = {"provider": provider, "second": lambda: provider(1.0), "bare": bare, "floor": floor}
    tick, pause_seconds = sides[sys.argv[1]](), float(sys.argv[2])
    for line in sys.stdin:
        began = time.process_time()
        for _ in range(int(line)):
            tick()
            time.sleep(pause_seconds)
        print(time.process_time() - began, flush=True)
    os._exit(0)  # the provider's thread waits for Xid errors inside the driver


if __name__ == "__main__":
    main()
