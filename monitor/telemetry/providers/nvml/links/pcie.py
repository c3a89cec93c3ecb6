"""PCIe traffic of one GPU, from the driver's byte counters.

The counters are 32 bits wide (driver 580 on an H100): at 52 GB/s they wrap every 83 ms, so their difference over a second
says nothing. Where the link can move 2^31 bytes between two readings, the rate is sampled: the counters are read at the
start of a tick and again 5 ms later. On that H100 samples of 5 ms gave 58.3 to 59.2 GB/s and nvmlDeviceGetPcieThroughput,
which samples for 20 ms, 58.9.

A sample costs one more driver call per GPU. All GPUs are sampled together before anything else is read, so a tick waits once,
however many GPUs there are and however slow their other calls are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import FieldValues, Handle, counter_bits, number
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS, risen

TX, RX = nvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, nvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES
METRICS = ("pcie_rx_bytes_per_second", "pcie_tx_bytes_per_second")
TOO_SLOW = "the driver took too long to sample it"
STARTED_OVER = "the driver's counters have started over"
SAMPLE_SECONDS = 0.005
"""The shortest sample; nvmlDeviceGetPcieThroughput and nvidia-smi take 20 ms."""
_WIDE = 64
_LANE_BYTES_PER_SECOND = 250e6
"""Of PCIe generation 1, in each direction; every later generation doubles it at most."""
_MOST_OF_LINK = 2
"""More than this times the link's speed is no traffic. Virtual machines can report a slower link than there is."""
_FASTEST_GENERATION, _WIDEST = 6, 16
"""Assumed where the driver does not report the link."""


class Sample(NamedTuple):
    """The counters at one moment."""

    at: float
    bits: int
    rx: float
    tx: float


def link_bytes_per_second(generation: int | None, width: int | None) -> float:
    """The most that a link can move in one direction."""
    lanes = width or _WIDEST
    return lanes * _LANE_BYTES_PER_SECOND * (1 << (generation or _FASTEST_GENERATION) - 1)


class PcieRates:
    """Exact means between readings where the counters cannot wrap in between, else samples."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.reasons: dict[str, str] = {}
        self._clock, self._sleep = clock, sleep
        self._ask = FieldValues([(RX, 0), (TX, 0)])
        self._wraps_after_seconds = math.inf
        self._link_bytes_per_second = link_bytes_per_second(None, None)
        self._previous: Sample | None = None
        self._first: Sample | None = None
        self._last: Sample | None = None

    def set_link(self, generation: int | None, width: int | None) -> None:
        """The fastest link this GPU can have; None: unknown."""
        self._link_bytes_per_second = link_bytes_per_second(generation, width)

    def begin(self, handle: Handle) -> None:
        """Read the counters for the first time in this tick, if the rate has to be sampled. Raises NVMLError."""
        previous = self._previous
        if previous is not None and self._clock() - previous.at >= self._wraps_after_seconds / 2:
            self._first = self._read(handle)  # else the mean since the previous reading is exact

    def end(self, handle: Handle) -> None:
        """Read them for the second time, once SAMPLE_SECONDS have passed. Raises NVMLError.

        If another GPU has held up the driver for so long that these counters may have wrapped, this one is sampled alone.
        """
        first = self._first
        if first is None:
            return
        now = self._clock()
        if now - first.at > self._wraps_after_seconds / 4:
            self._first = first = self._read(handle)
            now = first.at
        if (missing := first.at + SAMPLE_SECONDS - now) > 0:
            self._sleep(missing)
        self._last = self._read(handle)

    def fill(self, handle: Handle, values: Values) -> None:
        """Fill METRICS. Raises NVMLError if the driver lacks the counters."""
        if self._last is None:  # not sampled with the others: new, or the driver failed then
            self.begin(handle)
            self.end(handle)
        first, last = self._first or self._previous, self._last or self._read(handle)
        self._first = self._last = None
        self._previous = last
        rx = tx = None
        if first is None or last.at <= first.at:
            self.reasons = _NEEDS_TWO_READINGS
        elif (seconds := last.at - first.at) >= self._wraps_after_seconds:
            self.reasons = _TOO_SLOW
        elif (rx := risen(first.rx, last.rx, last.bits)) is None or (tx := risen(first.tx, last.tx, last.bits)) is None:
            self.reasons = _STARTED_OVER
        elif max(rx, tx) > _MOST_OF_LINK * self._link_bytes_per_second * seconds:
            self.reasons = _STARTED_OVER  # which looks like a wrap if they are 32 bits wide
        else:
            values["pcie_rx_bytes_per_second"], values["pcie_tx_bytes_per_second"] = rx / seconds, tx / seconds

    def _read(self, handle: Handle) -> Sample:
        (_, _, kind, status, rx), (_, _, tx_kind, tx_status, tx) = self._ask(handle)
        at = self._clock()
        if status != nvml.NVML_SUCCESS or tx_status != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(status or tx_status)
        bits = counter_bits(kind)
        if bits < _WIDE:
            self._wraps_after_seconds = (1 << bits) / self._link_bytes_per_second
        return Sample(at, bits, number(kind, rx), number(tx_kind, tx))


_NEEDS_TWO_READINGS = dict.fromkeys(METRICS, NEEDS_TWO_READINGS)
_STARTED_OVER = dict.fromkeys(METRICS, STARTED_OVER)
_TOO_SLOW = dict.fromkeys(METRICS, TOO_SLOW)
