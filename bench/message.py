"""The message both sides of `bench.delivery` send: a snapshot of 8 GPUs with 4 processes each, always of one length."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec

from bench.host import GPUS, PROCESSES
from monitor.telemetry.options import Options
from monitor.telemetry.providers import make
from monitor.telemetry.schema import GpuProcess, Snapshot

HZ = float(os.environ.get("BENCH_HZ", "10"))
"""Messages a second to each client."""
_FIRST = 1_000_000


def snapshot(number: int) -> Snapshot:
    """The snapshot of this number, 0 to 999,999; they differ in sequence and time."""
    at = 1.0e9 + number + 0.5
    return msgspec.structs.replace(_BASE, seq=_FIRST + number, time=at, sampled_at=at)


def text(number: int) -> str:
    """The snapshot as the feed sends it."""
    return msgspec.json.encode(snapshot(number)).decode()


def frame_bytes() -> int:
    """Length of a message as a WebSocket frame: RFC 6455, section 5.2, unmasked."""
    payload = len(text(0).encode())
    return payload + (2 if payload < 126 else 4 if payload < 1 << 16 else 10)


def pace(send: Callable[[int], None]) -> None:
    """Call `send` with 0, 1, … at HZ, for ever."""
    began, number = time.monotonic(), 0
    while True:
        send(number)
        number += 1
        time.sleep(max(0.0, began + number / HZ - time.monotonic()))


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
