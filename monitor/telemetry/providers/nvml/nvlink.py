"""NVLink of one GPU: which links are active, and their traffic. Read on the slow cadence."""

from __future__ import annotations

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import FieldValues, Handle, counter_bits, number
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, GPU_IS_LOST, code_of, field_reason
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS, Counter
from monitor.telemetry.schema import NvLink

TX, RX = nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX
METRICS = ("nvlinks", "nvlink_rx_bytes_per_second", "nvlink_tx_bytes_per_second")
NO_NVLINK = "the driver reports no NVLink"
_UNIT_BYTES = 1024
"""The counters count KiB."""


class NvLinks:
    """Finds the links of a GPU once, then reads their state and counters."""

    def __init__(self) -> None:
        self._versions: dict[int, int | None] = {}
        self._counters: dict[tuple[int, int], Counter] = {}
        self.reasons: dict[str, str] = {}

    def find(self, handle: Handle) -> bool:
        """Whether the GPU has any link. Links are numbered without gaps: the first unknown one ends the search."""
        for link in range(nvml.NVML_NVLINK_MAX_LINKS):
            try:
                nvml.nvmlDeviceGetNvLinkState(handle, link)
            except FIELD_ERRORS as error:
                if code_of(error) == GPU_IS_LOST:
                    raise
                break
            try:
                self._versions[link] = nvml.nvmlDeviceGetNvLinkVersion(handle, link)
            except FIELD_ERRORS:
                self._versions[link] = None  # an inactive link has none
        return bool(self._versions)

    def fill(self, handle: Handle, values: Values, at: float) -> None:
        """Fill METRICS; `at` is monotonic seconds. Raises NVMLError if the states cannot be read."""
        active = {link: bool(nvml.nvmlDeviceGetNvLinkState(handle, link)) for link in self._versions}
        rates = self._rates(handle, [link for link, is_active in active.items() if is_active], at)
        values["nvlinks"] = tuple(
            NvLink(
                link=link,
                is_active=is_active,
                version=self._versions[link],
                rx_bytes_per_second=rates.get((link, RX)),
                tx_bytes_per_second=rates.get((link, TX)),
            )
            for link, is_active in active.items()
        )
        for metric, direction in (("nvlink_rx_bytes_per_second", RX), ("nvlink_tx_bytes_per_second", TX)):
            known = [rate for (_, way), rate in rates.items() if way == direction]
            values[metric] = sum(known) if known else None

    def _rates(self, handle: Handle, links: list[int], at: float) -> dict[tuple[int, int], float]:
        """Bytes per second by link and direction; unknown ones are absent, with the reason in `reasons`."""
        rates: dict[tuple[int, int], float] = {}
        why = NEEDS_TWO_READINGS if links else "no link is active"
        asked = FieldValues([(field, link) for link in links for field in (TX, RX)])
        try:
            answers = asked(handle) if links else []
        except FIELD_ERRORS as error:
            if code_of(error) == GPU_IS_LOST:
                raise
            answers, why = [], field_reason(error)
        for field, link, kind, status, raw in answers:
            key = (link, field)
            if status != nvml.NVML_SUCCESS:
                why = field_reason(nvml.NVMLError(status))
                continue
            rate = self._counters.setdefault(key, Counter()).rate(number(kind, raw), at, counter_bits(kind))
            if rate is not None:
                rates[key] = rate * _UNIT_BYTES
        self.reasons = dict.fromkeys(METRICS[1:], why)
        return rates
