"""Readings that NVML offers only as field values, several in one call: instant power, energy, memory temperature."""

from __future__ import annotations

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import ALL_ONES, Values
from monitor.telemetry.providers.nvml.ctypes_calls import FieldValues, Handle, number
from monitor.telemetry.providers.nvml.errors import PERMANENT, field_reason
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS, Counter

MEMORY_TEMPERATURE = nvml.NVML_FI_DEV_MEMORY_TEMP
ENERGY = nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION
POWER_AVERAGE = nvml.NVML_FI_DEV_POWER_AVERAGE
POWER_INSTANT = nvml.NVML_FI_DEV_POWER_INSTANT

METRICS = {
    POWER_INSTANT: ("power_watts",),
    ENERGY: ("energy_joules", "power_average_watts"),
    POWER_AVERAGE: ("power_average_watts",),
    MEMORY_TEMPERATURE: ("memory_temperature_celsius",),
}


class Fields:
    """Reads one GPU's field values in one call, and drops those that it does not support.

    `supported` starts with all of them and only shrinks; `reasons` says why a metric is missing this time.
    """

    def __init__(self) -> None:
        self.supported = list(METRICS)
        self.reasons: dict[str, str] = {}
        self._ask = FieldValues([(field, 0) for field in self.supported])
        self._energy_counter = Counter()
        self._take = {
            POWER_INSTANT: self._power,
            ENERGY: self._energy,
            POWER_AVERAGE: self._power_average,
            MEMORY_TEMPERATURE: self._memory_temperature,
        }

    def drop(self, field: int, reason: str) -> None:
        """Do not ask for this field again."""
        if field in self.supported:
            self.supported.remove(field)
            self._ask = FieldValues([(kept, 0) for kept in self.supported])
        for metric in METRICS[field]:
            self.reasons[metric] = reason

    def fill(self, handle: Handle, values: Values, at: float) -> None:
        """Fill the metrics of METRICS; `at` is monotonic seconds. Raises NVMLError where the call as a whole fails."""
        if not self.supported:
            return
        for identity, _, kind, status, raw in self._ask(handle):
            if status == nvml.NVML_SUCCESS:
                self._take[identity](number(kind, raw), values, at)
            else:
                self._refused(identity, status)
        if values["power_average_watts"] is not None and POWER_AVERAGE in self.supported and ENERGY in self.supported:
            self.drop(POWER_AVERAGE, NEEDS_TWO_READINGS)  # the energy counter gives it from now on

    def _refused(self, identity: int, status: int) -> None:
        error = nvml.NVMLError(status)
        if status == nvml.NVML_ERROR_GPU_IS_LOST:
            raise error
        if status in PERMANENT or status == nvml.NVML_ERROR_NOT_FOUND:
            self.drop(identity, field_reason(error))
        else:
            self.reasons.update(dict.fromkeys(METRICS[identity], field_reason(error)))

    def _power(self, value: float, values: Values, _at: float) -> None:
        values["power_watts"] = value / 1000

    def _energy(self, value: float, values: Values, at: float) -> None:
        values["energy_joules"] = value / 1000
        milliwatts = self._energy_counter.rate(value, at)
        if milliwatts is None:
            self.reasons["power_average_watts"] = NEEDS_TWO_READINGS
        else:
            values["power_average_watts"] = milliwatts / 1000

    def _power_average(self, value: float, values: Values, _at: float) -> None:
        if values["power_average_watts"] is None:
            values["power_average_watts"] = value / 1000

    def _memory_temperature(self, value: float, values: Values, _at: float) -> None:
        # A running board's memory is never at 0 °C: the driver has no reading.
        if value in (0, ALL_ONES):
            self.drop(MEMORY_TEMPERATURE, "not reported by this GPU")
        else:
            values["memory_temperature_celsius"] = value
