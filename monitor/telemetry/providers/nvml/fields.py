"""Readings that NVML gives only as field values, many in one call: instant power, energy, memory temperature, PCIe bytes."""

from __future__ import annotations

from typing import Any

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import ALL_ONES, Handle, Values
from monitor.telemetry.providers.nvml.errors import PERMANENT, field_reason
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS, Counter

MEMORY_TEMPERATURE = nvml.NVML_FI_DEV_MEMORY_TEMP
ENERGY = nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION
POWER_AVERAGE = nvml.NVML_FI_DEV_POWER_AVERAGE
POWER_INSTANT = nvml.NVML_FI_DEV_POWER_INSTANT
PCIE_TX, PCIE_RX = nvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, nvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES

METRICS = {
    POWER_INSTANT: ("power_watts",),
    ENERGY: ("energy_joules", "power_average_watts"),
    POWER_AVERAGE: ("power_average_watts",),
    MEMORY_TEMPERATURE: ("memory_temperature_celsius",),
    PCIE_RX: ("pcie_rx_bytes_per_second",),
    PCIE_TX: ("pcie_tx_bytes_per_second",),
}
_KIND = {
    nvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
    nvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
    nvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
    nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
    nvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
    nvml.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
    nvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
}


def value_of(field: Any) -> float:
    """The number in a c_nvmlFieldValue_t, by its own type tag."""
    number: float = getattr(field.value, _KIND[field.valueType])
    return number


class Fields:
    """Asks one GPU's field values in one call, and drops those that it does not support.

    `supported` starts with all of them and only shrinks; `reasons` says why a metric is missing this time.
    """

    def __init__(self) -> None:
        self.supported = list(METRICS)
        self.reasons: dict[str, str] = {}
        self._ask = [(field, 0) for field in self.supported]
        self._energy, self._rx, self._tx = Counter(), Counter(), Counter()

    def drop(self, field: int, reason: str) -> None:
        """Do not ask this field again."""
        if field in self.supported:
            self.supported.remove(field)
            self._ask = [(kept, 0) for kept in self.supported]
        for metric in METRICS[field]:
            self.reasons[metric] = reason

    def fill(self, handle: Handle, values: Values, at: float) -> None:
        """Fill the metrics of METRICS; `at` is monotonic seconds. Raises NVMLError where the call as a whole fails."""
        if not self._ask:
            return
        for field in nvml.nvmlDeviceGetFieldValues(handle, self._ask):
            identity = field.fieldId
            if field.nvmlReturn != nvml.NVML_SUCCESS:
                error = nvml.NVMLError(field.nvmlReturn)
                if field.nvmlReturn in PERMANENT or field.nvmlReturn == nvml.NVML_ERROR_NOT_FOUND:
                    self.drop(identity, field_reason(error))
                elif field.nvmlReturn == nvml.NVML_ERROR_GPU_IS_LOST:
                    raise error
                else:
                    self.reasons.update(dict.fromkeys(METRICS[identity], field_reason(error)))
            else:
                self._take(identity, value_of(field), values, at)
        if values["power_average_watts"] is not None and POWER_AVERAGE in self.supported and ENERGY in self.supported:
            self.drop(POWER_AVERAGE, NEEDS_TWO_READINGS)  # the energy counter tells it from now on

    def _take(self, identity: int, number: float, values: Values, at: float) -> None:
        if identity == POWER_INSTANT:
            values["power_watts"] = number / 1000
        elif identity == ENERGY:
            values["energy_joules"] = number / 1000
            values["power_average_watts"] = self._rate("power_average_watts", self._energy, number / 1000, at)
        elif identity == PCIE_RX:
            values["pcie_rx_bytes_per_second"] = self._rate("pcie_rx_bytes_per_second", self._rx, number, at)
        elif identity == PCIE_TX:
            values["pcie_tx_bytes_per_second"] = self._rate("pcie_tx_bytes_per_second", self._tx, number, at)
        elif identity == POWER_AVERAGE:
            if values["power_average_watts"] is None:
                values["power_average_watts"] = number / 1000
        elif number not in (0, ALL_ONES):
            # 0 °C in a running board's memory is the driver's way to say nothing (seen by users of GeForce cards).
            values["memory_temperature_celsius"] = number
        else:
            self.drop(MEMORY_TEMPERATURE, "not reported by this GPU")

    def _rate(self, metric: str, counter: Counter, number: float, at: float) -> float | None:
        rate = counter.rate(number, at)
        if rate is None:
            self.reasons[metric] = NEEDS_TWO_READINGS
        return rate
