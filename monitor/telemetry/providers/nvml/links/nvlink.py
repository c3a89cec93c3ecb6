"""NVLink of one GPU: which links are active, what is at their other end, and their traffic. Read on the slow cadence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import FieldValues, Handle, counter_bits, number
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, code_of, field_reason
from monitor.telemetry.providers.nvml.identity import valid_pci_bus_id
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS, Counter
from monitor.telemetry.schema import NvLink, NvLinkPeerType

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
_PEER_TYPES: dict[int, NvLinkPeerType] = {
    nvml.NVML_NVLINK_DEVICE_TYPE_GPU: "gpu",
    nvml.NVML_NVLINK_DEVICE_TYPE_IBMNPU: "npu",
    nvml.NVML_NVLINK_DEVICE_TYPE_SWITCH: "switch",
}
_NO_DEVICE = ("0000:00:00.0", "ffffffff:ff:ff.0")
"""Addresses that the driver reports for a switch it does not see, as in a virtual machine."""


class _Facts(NamedTuple):
    """What does not change while a link is active."""

    version: float | None = None
    peer_type: NvLinkPeerType | None = None
    peer_pci_bus_id: str | None = None


class NvLinks:
    """Finds the links of a GPU, then reads their state and counters. Links need not be numbered without gaps."""

    def __init__(self) -> None:
        self._links: set[int] = set()
        self._facts: dict[int, _Facts] = {}
        self._counters: dict[tuple[int, int], Counter] = {}
        self._why_none = NO_NVLINK
        self.reasons: dict[str, str] = {}
        self.refused_count = 0
        """How many links were not found, or lack a fact."""

    def find(self, handle: Handle) -> None:
        """Look for every link that a GPU can have, and keep those found before. Facts that are unknown will be asked again."""
        self._why_none = NO_NVLINK
        self._facts = {link: facts for link, facts in self._facts.items() if None not in facts}
        for link in range(nvml.NVML_NVLINK_MAX_LINKS):
            try:
                nvml.nvmlDeviceGetNvLinkState(handle, link)
            except FIELD_ERRORS as error:
                if code_of(error) not in _NO_SUCH_LINK:
                    self._why_none = field_reason(error)
            else:
                self._links.add(link)
        self._count_refused()

    def fill(self, handle: Handle, values: Values, at: float) -> None:
        """Fill METRICS; `at` is monotonic seconds. Raises NVMLError if no link's state can be read."""
        if not self._links:
            self.reasons = dict.fromkeys(METRICS, self._why_none)
            return
        active = self._states(handle)
        rates = self._rates(handle, [link for link, is_active in active.items() if is_active], at)
        values["nvlinks"] = tuple(
            NvLink(
                link=link,
                is_active=is_active,
                rx_bytes_per_second=rates.get((link, RX)),
                tx_bytes_per_second=rates.get((link, TX)),
                **self._facts_of(handle, link, is_active=is_active)._asdict(),
            )
            for link, is_active in active.items()
        )
        for metric, direction in (("nvlink_rx_bytes_per_second", RX), ("nvlink_tx_bytes_per_second", TX)):
            known = [rate for (_, way), rate in rates.items() if way == direction]
            values[metric] = sum(known) if known else None
        self._count_refused()

    def _count_refused(self) -> None:
        incomplete = [facts for facts in self._facts.values() if None in facts]
        self.refused_count = int(nvml.NVML_NVLINK_MAX_LINKS) - len(self._links) + len(incomplete)

    def _states(self, handle: Handle) -> dict[int, bool]:
        """Whether each link is active, in order; a link that is refused now is left out."""
        active: dict[int, bool] = {}
        refusal: Exception | None = None
        for link in sorted(self._links):
            try:
                active[link] = bool(nvml.nvmlDeviceGetNvLinkState(handle, link))
            except FIELD_ERRORS as error:
                refusal = error
        if refusal is not None and not active:
            raise refusal
        return active

    def _facts_of(self, handle: Handle, link: int, *, is_active: bool) -> _Facts:
        """The facts of a link, asked once while it is active; an inactive one has none."""
        if link not in self._facts and is_active:
            self._facts[link] = _Facts(
                version=_VERSIONS.get(_asked(nvml.nvmlDeviceGetNvLinkVersion, handle, link)),
                peer_type=_PEER_TYPES.get(_asked(nvml.nvmlDeviceGetNvLinkRemoteDeviceType, handle, link)),
                peer_pci_bus_id=_asked(_peer_pci_bus_id, handle, link),
            )
        return self._facts.get(link, _Facts())

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


def _asked(ask: Callable[[Handle, int], Any], handle: Handle, link: int) -> Any:
    """The answer, or None where the driver has none."""
    try:
        return ask(handle, link)
    except FIELD_ERRORS:
        return None


def _peer_pci_bus_id(handle: Handle, link: int) -> str | None:
    address = valid_pci_bus_id(nvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, link).busId)
    return None if address in _NO_DEVICE else address
