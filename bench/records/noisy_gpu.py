"""An imaginary GPU whose readings are as hard to compress as real ones: every metric is known, and all of them are noisy."""

from __future__ import annotations

import random
from collections.abc import Iterator

from monitor.telemetry.schema import Fan, Gpu

_TOTAL_MIB = 81_559
_LIMIT_WATTS = 700.0
_JOBS = ((96.0, 3.0, 0.04), (88.0, 9.0, 0.02), (45.0, 18.0, 0.01), (70.0, 14.0, 0.1))
"""Mean utilization, its deviation, and how often a second is a pause."""
_JOB_CHANGES = 1 / 1800
"""How often in a second another job begins."""


def readings(number: int, count: int) -> Iterator[Gpu]:
    """One reading a second. Utilization is noise around the job's, as are power and all rates; temperatures follow slowly, a degree
    at a time; clocks move in steps of 15 MHz; memory changes when something is allocated; a reason to throttle comes and goes.
    """
    chance = random.Random(number)
    noise, draw = chance.gauss, chance.random
    job = _JOBS[number % len(_JOBS)]
    temperature, memory_temperature, fan = 60.0, 70.0, 50.0
    used, clock, joules, memory_clock = 60_000, 1980, 1e9, 2619.0
    is_hot, active = False, [0.0] * 3
    for second in range(count):
        if draw() < _JOB_CHANGES:
            job = chance.choice(_JOBS)
            used = chance.randrange(20_000, 80_000)
        mean, deviation, pauses = job
        load = 0.0 if draw() < pauses else min(100.0, max(0.0, noise(mean, deviation)))
        watts = min(_LIMIT_WATTS, max(65.0, 90 + 6.2 * load + noise(0, 14)))
        joules += watts + noise(0, 5)
        if draw() < 0.25:
            temperature += _towards(temperature, 35 + 0.4 * mean, draw())
        if draw() < 0.25:
            memory_temperature += _towards(memory_temperature, 45 + 0.4 * mean, draw())
        if draw() < 0.1:
            fan += _towards(fan, temperature, draw())
        if draw() < 0.3:
            clock = min(1980, max(1200, clock + 15 * chance.randrange(-3, 4)))
        if draw() < 0.15:
            used = min(_TOTAL_MIB, max(1000, used + chance.randrange(-1500, 1501)))
        if draw() < 0.01:
            is_hot = not is_hot
        memory_load = min(100.0, max(0.0, 0.6 * load + noise(0, 4)))
        reasons = (*(["sw_power_cap"] if watts > 640 else []), *(["sw_thermal_slowdown"] if is_hot else []))
        media = number % 4 == 3
        if second % 10 == 0:  # read on the slow cadence
            active = [min(100.0, max(0.0, noise(share * mean, 5))) for share in (0.8, 0.5, 0.4)]
        yield Gpu(
            index=number,
            uuid=f"GPU-{number}",
            name="NVIDIA H100 80GB HBM3",
            utilization_percent=round(load),
            memory_utilization_percent=round(memory_load),
            memory_used_bytes=used << 20,
            memory_used_percent=100 * used / _TOTAL_MIB,
            temperature_celsius=temperature,
            memory_temperature_celsius=memory_temperature,
            hotspot_temperature_celsius=memory_temperature + round(noise(4, 1)),
            power_watts=round(watts, 3),
            energy_joules=round(joules, 3),
            sm_clock_mhz=clock,
            memory_clock_mhz=memory_clock,
            fans=(Fan(speed_percent=fan),),
            pcie_rx_bytes_per_second=max(0.0, load * 1.2e8 * noise(1, 0.2)),
            pcie_tx_bytes_per_second=max(0.0, load * 5e7 * noise(1, 0.2)),
            nvlink_rx_bytes_per_second=max(0.0, load * 3.6e9 * noise(1, 0.1)),
            nvlink_tx_bytes_per_second=max(0.0, load * 3.6e9 * noise(1, 0.1)),
            encoder_utilization_percent=round(min(100, max(0, noise(30, 8)))) if media else 0,
            decoder_utilization_percent=round(min(100, max(0, noise(40, 8)))) if media else 0,
            jpeg_utilization_percent=0,
            ofa_utilization_percent=0,
            sm_activity_percent=active[0],
            tensor_activity_percent=active[1],
            dram_activity_percent=active[2],
            clock_event_reasons=reasons,
        )


def _towards(value: float, target: float, draw: float) -> float:
    """One degree, more often towards the target than away from it."""
    up = 0.7 if value < target else 0.3
    return 1.0 if draw < up else -1.0
