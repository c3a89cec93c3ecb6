"""The messages that all sides of `delivery` and `delay` send: snapshots of 8 GPUs with 4 processes each, always of one length."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

import msgspec

from bench.host import GPUS, PROCESSES
from monitor.telemetry.options import Options
from monitor.telemetry.providers.selection import make
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot

HZ = float(os.environ.get("BENCH_HZ", "10"))
"""Messages per second to each client."""
PHASE = float(os.environ.get("BENCH_PHASE", "0"))
"""The time within each interval at which a message is made, from 0 to 1. Sides with other phases do not compete for the CPU."""
_FIRST = 1_000_000


def snapshot(number: int) -> Snapshot:
    """The snapshot of this number, 0 to 999,999, taken now. Its values differ from those of the previous one."""
    at = int(time.time() * 1e4) / 1e4 + 0.00005  # always 5 decimals
    gpus = tuple([changed(gpu, number) for gpu in _BASE.gpus])
    return msgspec.structs.replace(_BASE, seq=_FIRST + number, time=at, sampled_at=at, gpus=gpus)


def changed(gpu: Gpu, number: int) -> Gpu:
    """The GPU with other values, of the same length in JSON."""
    step = (7 * number + gpu.index) % 50
    return msgspec.structs.replace(
        gpu,
        utilization_percent=40 + step,
        memory_utilization_percent=30 + step,
        memory_used_bytes=(20 + step) << 30,
        memory_used_percent=30.5 + step,
        temperature_celsius=40 + step,
        power_watts=300.5 + step,
        sm_clock_mhz=1300 + step,
    )


def text(number: int) -> str:
    """The snapshot as the feed sends it."""
    return msgspec.json.encode(snapshot(number)).decode()


def frame_bytes() -> int:
    """Length of a message as a WebSocket frame: RFC 6455, section 5.2, unmasked."""
    payload = len(text(0).encode())
    return payload + (2 if payload < 126 else 4 if payload < 1 << 16 else 10)


def seconds_to_next() -> float:
    """Seconds until the next message is due."""
    return (1 + PHASE - time.time() * HZ % 1) % 1 / HZ or 1 / HZ


def pace(send: Callable[[int], None]) -> None:
    """Call `send` with 0, 1, … at HZ, without end."""
    for number in itertools.count():
        time.sleep(seconds_to_next())
        send(number)


def _base() -> Snapshot:
    provider = make("simulated", Options(simulated_gpus=GPUS))
    provider.open()
    reading = provider.read(1.0e9)
    rows = [process for gpu in reading.gpus for process in gpu.processes or ()]
    gpus = tuple(
        msgspec.structs.replace(
            gpu, processes=tuple(_row(rows[0], 4000 + 10 * gpu.index + row) for row in range(PROCESSES))
        )
        for gpu in reading.gpus
    )
    return Snapshot(host="bench", seq=0, time=0.0, provider="pynvml", poll_interval_seconds=1 / HZ, gpus=gpus)


def _row(process: GpuProcess, pid: int) -> GpuProcess:
    return msgspec.structs.replace(process, pid=pid)


_BASE = _base()
