"""The two sides of `bench.fast_tick`, each in a process of its own: `python -m bench.ticks provider|bare`.

Sent a number on stdin, it makes so many ticks and answers the CPU seconds they took.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import pynvml as nvml

from monitor.telemetry.options import Options
from monitor.telemetry.providers.nvml.fields import METRICS
from monitor.telemetry.providers.nvml.provider import Pynvml

PAUSE_SECONDS = 0.005
"""Between two ticks, so that the driver has new utilization samples of every process at each, as at 1 Hz."""
INTERVAL_SECONDS = 0.1
"""What the provider takes for the time between ticks: at its fastest, so that few slow calls fall on a tick."""


def provider() -> Callable[[], object]:
    """A tick of the provider: from the driver to finished Gpu structs."""
    clock = [0.0]
    opened = Pynvml(Options(), monotonic=lambda: clock[0])
    opened.open()

    def tick() -> None:
        clock[0] += INTERVAL_SECONDS
        opened.read(time.time())

    return tick


def bare() -> Callable[[], object]:
    """The calls of a fast tick as pynvml has them, with nothing made of their answers."""
    nvml.nvmlInit()
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    newest = dict.fromkeys(range(len(handles)), int((time.time() - 1) * 1e6))
    fans = [nvml.nvmlDeviceGetNumFans(handle) for handle in handles]
    fields = [field for field in METRICS if field != nvml.NVML_FI_DEV_POWER_AVERAGE]  # the energy counter tells it

    def tick() -> None:
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


def main() -> None:
    tick = {"provider": provider, "bare": bare}[sys.argv[1]]()
    for line in sys.stdin:
        began = time.process_time()
        for _ in range(int(line)):
            tick()
            time.sleep(PAUSE_SECONDS)
        print(time.process_time() - began, flush=True)
    os._exit(0)  # the provider listens for Xid errors in a thread that waits in the driver


if __name__ == "__main__":
    main()
