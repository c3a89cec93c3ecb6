"""Recordings for tests: a board whose temperature follows the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitor.telemetry import recording
from monitor.telemetry.schema import Gpu, Reading
from tests.support.snapshots import gpu

BEGAN_AT = 1_800_000_000.0
"""2027-01-15 08:00:00 UTC."""


def record(path: Path, readings: Sequence[Sequence[Gpu]], *, step: float = 1.0) -> Path:
    """A recording of these GPUs, with a reading each `step` seconds."""
    with path.open("wb") as file:
        writer = recording.Writer(file, host="dgx", provider="pynvml")
        for number, gpus in enumerate(readings):
            writer.write(Reading(sampled_at=BEGAN_AT + step * number, gpus=tuple(gpus)))
    return path


def heat(path: Path, temperatures: Sequence[float], *, step: float = 1.0) -> Path:
    """Two GPUs: the first with these temperatures, the second always at 50 °C."""
    hot = [(gpu(0, temperature_celsius=each), gpu(1, temperature_celsius=50.0)) for each in temperatures]
    return record(path, hot, step=step)
