"""The bytes that storing history and usage writes to the disk, 8 GPUs at one reading a second, noisy values."""

from __future__ import annotations

from collections.abc import Iterator

from bench.child import child
from bench.figures import Figure
from bench.serving import data_folder

_DAY = 86_400
_SETTLE_SECONDS = 1200
_SECONDS = 6 * 3600
"""So that a chunk of every tier but the last is closed as often as in any six hours."""
_BOUND = 150
"""Measured: 122."""


def measure() -> Iterator[Figure]:
    """Six hours of readings, which the process takes in half a minute; each page counts in the log and again in the file."""
    with (
        data_folder() as folder,
        child("bench.records.recorder", "usage", environment={"GPU_MONITOR_DATA_DIR": str(folder)}) as stages,
    ):
        stages.ask(_SETTLE_SECONDS)
        written, cpu = stages.ask(_SECONDS)
    measured = (
        f"written a day by recorder and ledger, from {_SECONDS // 3600} h of 8 GPUs at 1 Hz (/proc/self/io, wchar)"
    )
    yield Figure(written / _SECONDS * _DAY / 1e6, " MB", _BOUND, measured)
    yield Figure(cpu / _SECONDS * 1e3, " ms", None, "CPU of both a reading, with the writing")
