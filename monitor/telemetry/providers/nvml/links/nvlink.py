"""NVLink of one GPU: which links are active, and their traffic. Read on the slow cadence."""

from __future__ import annotations

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import FieldValues, Handle, counter_bits, number
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, code_of, field_reason
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS, Counter
from monitor.telemetry.schema import NvLink

TX, RX = nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX
METRICS = ("nvlinks", "nvlink_rx_bytes_per_second", "nvlink_tx_bytes_per_second")
NO_NVLINK = "the driver reports no NVLink"
_NO_SUCH_LINK = (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_INVALID_ARGUMENT)
_UNIT_BYTES = 1024
"""The counters count KiB."""
_VERSIONS = {
    nvml.NVML_NVLINK_VERSION_1_0: 1.0,
    nvml.NVML_NVLINK_VERSION_2_0: 2.0,
    nvml.NVML_NVLINK_VERSION_2_2: 2.2,
    nvml.NVML_NVLINK_VERSION_3_0: 3.0,
    nvml.NVML_NVLINK_VERSION_3_1: 3.1,
    nvml.NVML_NVLINK_VERSION_4_0: 4.0,
    nvml.NVML_NVLINK_VERSION_5_0: 5.0,
    nvml.NVML_NVLINK_VERSION_6_0: 6.0,
}
"""nvmlDeviceGetNvLinkVersion returns an enumeration; 0 is invalid, as for a link that is down."""


class NvLinks:
    """Finds the links of a GPU, then reads their state and counters. Links need not be numbered without gaps."""

    def __init__(self) -> None:
        self._versions: dict[int, float | None] = {}
        self._counters: dict[tuple[int, int], Counter] = {}
        self._why_none = NO_NVLINK
        self.reasons: dict[str, str] = {}

    def find(self, handle: Handle) -> int:
        """Look for every link that a GPU can have, keep those found before, and return how many are missing."""
        self._why_none = NO_NVLINK
        for link in range(nvml.NVML_NVLINK_MAX_LINKS):
            try:
                nvml.nvmlDeviceGetNvLinkState(handle, link)
            except FIELD_ERRORS as error:
                if code_of(error) not in _NO_SUCH_LINK:
                    self._why_none = field_reason(error)
            else:
                self._versions.setdefault(link, None)
        return int(nvml.NVML_NVLINK_MAX_LINKS) - len(self._versions)

    def fill(self, handle: Handle, values: Values, at: float) -> None:
        """Fill METRICS; `at` is monotonic seconds. Raises NVMLError if no link's state can be read."""
        if not self._versions:
            self.reasons = dict.fromkeys(METRICS, self._why_none)
            return
        active = self._states(handle)
        rates = self._rates(handle, [link for link, is_active in active.items() if is_active], at)
        values["nvlinks"] = tuple(
            NvLink(
                link=link,
                is_active=is_active,
                version=self._version(handle, link, is_active=is_active),
                rx_bytes_per_second=rates.get((link, RX)),
                tx_bytes_per_second=rates.get((link, TX)),
            )
            for link, is_active in active.items()
        )
        for metric, direction in (("nvlink_rx_bytes_per_second", RX), ("nvlink_tx_bytes_per_second", TX)):
            known = [rate for (_, way), rate in rates.items() if way == direction]
            values[metric] = sum(known) if known else None

    def _states(self, handle: Handle) -> dict[int, bool]:
        """Whether each link is active, in order; a link that is refused now is left out."""
        active: dict[int, bool] = {}
        refusal: Exception | None = None
        for link in sorted(self._versions):
            try:
                active[link] = bool(nvml.nvmlDeviceGetNvLinkState(handle, link))
            except FIELD_ERRORS as error:
                refusal = error
        if refusal is not None and not active:
            raise refusal
        return active

    def _version(self, handle: Handle, link: int, *, is_active: bool) -> float | None:
        """The version of the link, which does not change; an inactive link has none."""
        if self._versions[link] is None and is_active:
            try:
                self._versions[link] = _VERSIONS.get(nvml.nvmlDeviceGetNvLinkVersion(handle, link))
            except FIELD_ERRORS:
                return None
        return self._versions[link]

    def _rates(self, handle: Handle, links: list[int], at: float) -> dict[tuple[int, int], float]:
        """Bytes per second by link and direction; unknown ones are absent, with the reason in `reasons`."""
        rates: dict[tuple[int, int], float] = {}
        why = NEEDS_TWO_READINGS if links else "no link is active"
        asked = FieldValues([(field, link) for link in links for field in (TX, RX)])
        try:
            answers = asked(handle) if links else []
        except FIELD_ERRORS as error:
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
