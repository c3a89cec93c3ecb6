"""Recent readings in memory, as columns that charts use directly: the last minute of all GPUs, and 15 minutes of each.

Points are placed by time, so a gap in the readings remains a gap. One thread adds readings; any thread can read columns.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monitor.telemetry.schema import Gpu, Snapshot

MINUTE_SECONDS = 60.0
QUARTER_SECONDS = 900.0
MINUTE_METRICS = ("utilization_percent", "memory_used_percent")
"""Shown by the sparklines of all GPUs."""
QUARTER_METRICS = (
    *MINUTE_METRICS,
    "temperature_celsius",
    "power_watts",
    "sm_clock_mhz",
    "pcie_rx_bytes_per_second",
    "pcie_tx_bytes_per_second",
)
"""Shown by the charts of a GPU's page."""


class Columns(msgspec.Struct, frozen=True):
    """Points as columns: `series[metric][i]` belongs to `gpus[i]` and is as long as `time`."""

    time: list[float]
    """When the GPUs were read, in Unix seconds."""
    gpus: tuple[str, ...]
    """UUIDs."""
    series: dict[str, list[list[float | None]]]
    """By the schema's names; null if a value is unknown."""


class _Row(NamedTuple):
    """One reading of all GPUs."""

    number: int
    time: float
    gpus: tuple[str, ...]
    values: array[float]
    """GPU by GPU, metric by metric; NaN if unknown. An array takes a tenth of the memory of a tuple."""


class Series:
    """The readings of the last `seconds`, at most one per `step_seconds`."""

    def __init__(self, metrics: Sequence[str], *, seconds: float, step_seconds: float = 0.0) -> None:
        self._metrics = tuple(metrics)
        self._seconds = seconds
        # A reading can be a little early.
        self._shortest = 0.9 * step_seconds
        self._rows: deque[_Row] = deque()
        self.newest = 0
        """Number of the newest reading; each has the next number."""

    def add(self, snapshot: Snapshot) -> None:
        """Add the snapshot's reading, if it is newer."""
        at = snapshot.sampled_at
        if at is None or snapshot.stale:
            return
        while self._rows and self._rows[-1].time > at:
            self._rows.pop()  # the clock was set back: pages drop what is later than now too
        if self._rows and (at == self._rows[-1].time or at - self._rows[-1].time < self._shortest):
            return
        values = array("d", [_figure(gpu, metric) for gpu in snapshot.gpus for metric in self._metrics])
        uuids = tuple([gpu.uuid for gpu in snapshot.gpus])
        if self._rows and self._rows[-1].gpus == uuids:
            uuids = self._rows[-1].gpus  # share one tuple
        self._rows.append(_Row(self.newest + 1, at, uuids, values))
        self.newest += 1
        while self._rows[0].time < at - self._seconds:
            self._rows.popleft()

    def columns(self, *, after: int = 0, up_to: int, gpu: str | None = None) -> Columns:
        """The readings with numbers above `after`, up to `up_to`, of the GPUs in the newest one, or of one GPU."""
        rows = []
        for row in reversed(self._rows.copy()):  # from the newest: a delta needs one or two of hundreds
            if row.number <= after:
                break
            if row.number <= up_to:
                rows.append(row)
        rows.reverse()
        gpus = (gpu,) if gpu is not None else rows[-1].gpus if rows else ()
        places = {row.gpus: {uuid: place for place, uuid in enumerate(row.gpus)} for row in rows}
        width = len(self._metrics)

        def column(uuid: str, metric: int) -> list[float | None]:
            # The GPU may have had another place in this row.
            found = [(row.values, places[row.gpus].get(uuid)) for row in rows]
            return [_known(values, place, width, metric) for values, place in found]

        return Columns(
            time=[round(row.time, 3) for row in rows],
            gpus=gpus,
            series={name: [column(uuid, metric) for uuid in gpus] for metric, name in enumerate(self._metrics)},
        )


def _figure(gpu: Gpu, metric: str) -> float:
    value: float | None = getattr(gpu, metric)
    return math.nan if value is None else round(value, 1)


def _known(values: array[float], place: int | None, width: int, metric: int) -> float | None:
    if place is None:
        return None
    value = values[place * width + metric]
    return None if math.isnan(value) else value
