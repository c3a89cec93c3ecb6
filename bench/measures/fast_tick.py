"""A fast tick of the NVML provider against the bare pynvml calls it makes, both on the fake driver; and a count of the calls."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.child import child
from bench.figures import CouldNotMeasure, Figure
from bench.host import GPUS, PROCESSES, fake_host

_TICKS, _ROUNDS = 150, 9
_PAUSE_SECONDS = "0.005"
"""The pause between ticks, so that the driver has a new utilization sample of every process at each, as at 1 Hz."""
_LISTENING = "nvmlEventSetWait_v2"
"""Waits for Xid errors in its own thread, every few seconds; part of a tick on neither side."""
STATIC_CALLS = {
    "nvmlDeviceGetArchitecture",
    "nvmlDeviceGetBrand",
    "nvmlDeviceGetCudaComputeCapability",
    "nvmlDeviceGetHandleByIndex_v2",
    "nvmlDeviceGetMaxClockInfo",
    "nvmlDeviceGetMaxPcieLinkGeneration",
    "nvmlDeviceGetMaxPcieLinkWidth",
    "nvmlDeviceGetName",
    "nvmlDeviceGetNumFans",
    "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetPowerManagementDefaultLimit",
    "nvmlDeviceGetPowerManagementLimitConstraints",
    "nvmlDeviceGetSerial",
    "nvmlDeviceGetTemperatureThreshold",
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetVbiosVersion",
    "nvmlGpmQueryDeviceSupport",
    "nvmlGpmSampleAlloc",
    "nvmlSystemGetCudaDriverVersion_v2",
    "nvmlSystemGetDriverVersion",
}
"""Calls for values that do not change while a driver is loaded."""


def measure() -> Iterator[Figure]:
    with (
        fake_host() as host,
        child("bench.ticks", "provider", _PAUSE_SECONDS, environment=host.environment) as provider,
        child("bench.ticks", "bare", _PAUSE_SECONDS, environment=host.environment) as bare,
    ):
        for side in (provider, bare):
            side.ask(_TICKS)  # opens the driver and warms up Python
        calls = []
        for side in (provider, bare):
            host.driver.reset_calls()
            side.ask(_TICKS)
            calls.append({name: count for name, count in host.driver.calls().items() if name != _LISTENING})
        ours, theirs = calls
        if missing := {name for name, count in ours.items() if count >= _TICKS * GPUS} ^ theirs.keys():
            raise CouldNotMeasure(f"the bare side does not make the calls of a fast tick: {', '.join(missing)}")
        ratios, times = [], []
        for _ in range(_ROUNDS):
            tick, floor = provider.ask(_TICKS), bare.ask(_TICKS)
            ratios.append(tick / floor)
            times.append(tick / _TICKS * 1e3)
    measured = f"CPU of the provider / of the bare pynvml calls it makes, {GPUS} GPUs × {PROCESSES} processes"
    yield Figure(median(ratios), "x", 1.5, measured)
    yield Figure(median(times), " ms", None, "that tick of the provider, all GPUs")
    made = sum(ours.values()) / _TICKS / GPUS
    yield Figure(made, "", 22, "NVML calls a GPU and tick, counted by the driver, with the tick's share of slow ones")
    static = sum(count for name, count in ours.items() if name in STATIC_CALLS)
    yield Figure(static, "", 0, f"calls for what never changes, in {_TICKS} ticks")
