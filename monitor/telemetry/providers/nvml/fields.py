"""Power, energy and memory temperature: NVML's field values, several in one call, or the older calls where those are refused."""

from __future__ import annotations

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import ALL_ONES, Values
from monitor.telemetry.providers.nvml.ctypes_calls import FieldValues, Handle, Number, number
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, PERMANENT, code_of, field_reason
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS, Counter

MEMORY_TEMPERATURE = nvml.NVML_FI_DEV_MEMORY_TEMP
ENERGY = nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION
POWER_AVERAGE = nvml.NVML_FI_DEV_POWER_AVERAGE
POWER_INSTANT = nvml.NVML_FI_DEV_POWER_INSTANT

METRICS = {
    POWER_INSTANT: ("power_watts",),
    POWER_AVERAGE: ("power_average_watts",),
    ENERGY: ("energy_joules", "power_average_watts"),
    MEMORY_TEMPERATURE: ("memory_temperature_celsius",),
}
"""In the order in which they fill a metric: the first that has it wins."""

_LACKS_FIELD = (*PERMANENT, nvml.NVML_ERROR_NOT_FOUND)


class Fields:
    """Reads one GPU's field values in one call, without those it refused; `retry` asks for all of them again."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        """Why a metric is missing."""
        self._last_refusal: Exception | None = None
        self._energy_counter = Counter()
        self._take = {
            POWER_INSTANT: self._power,
            POWER_AVERAGE: self._power_average,
            ENERGY: self._energy,
            MEMORY_TEMPERATURE: self._memory_temperature,
        }
        self._older_calls = {
            POWER_INSTANT: Number("nvmlDeviceGetPowerUsage"),
            ENERGY: Number("nvmlDeviceGetTotalEnergyConsumption", bits=64),
        }
        self.retry()

    def retry(self) -> None:
        """Ask for everything again."""
        self.refused_count = 0
        self._asked = list(METRICS)
        self._older: list[int] = []
        """Fields read by their older call."""
        self._ask = FieldValues([(field, 0) for field in self._asked])

    def fill(self, handle: Handle, values: Values, at: float) -> None:
        """Fill the metrics of METRICS; `at` is monotonic seconds. Raises NVMLError if nothing was answered."""
        failure, has_answered = self._last_refusal, False
        if self._asked:
            try:
                answers = self._ask(handle)
            except FIELD_ERRORS as error:
                if code_of(error) not in PERMANENT:
                    raise
                failure = error
                for field in tuple(self._asked):
                    self._refuse(field, error)
            else:
                has_answered = True
                for field, _, kind, status, raw in answers:
                    if status == nvml.NVML_SUCCESS:
                        self._take[field](number(kind, raw), values, at)
                    else:
                        self._failed(field, nvml.NVMLError(status))
        for field in tuple(self._older):
            try:
                value = self._older_calls[field](handle)
            except FIELD_ERRORS as error:
                failure = error
                if code_of(error) in _LACKS_FIELD:
                    self._older.remove(field)
                self._explain(field, error)
            else:
                has_answered = True
                self._take[field](value, values, at)
        if failure is not None and not has_answered:
            raise failure

    def _failed(self, field: int, error: nvml.NVMLError) -> None:
        if code_of(error) in _LACKS_FIELD:
            self._refuse(field, error)
        else:
            self._explain(field, error)

    def _refuse(self, field: int, error: Exception) -> None:
        self._last_refusal = error
        self.refused_count += 1
        self._asked.remove(field)
        self._ask = FieldValues([(kept, 0) for kept in self._asked])
        self._explain(field, error)
        if field in self._older_calls:
            self._older.append(field)

    def _explain(self, field: int, error: Exception) -> None:
        self.reasons.update(dict.fromkeys(METRICS[field], field_reason(error)))

    def _power(self, value: float, values: Values, _at: float) -> None:
        values["power_watts"] = value / 1000

    def _power_average(self, value: float, values: Values, _at: float) -> None:
        values["power_average_watts"] = value / 1000

    def _energy(self, value: float, values: Values, at: float) -> None:
        values["energy_joules"] = value / 1000
        milliwatts = self._energy_counter.rate(value, at)
        if values["power_average_watts"] is not None:
            return
        # On Grace Hopper the counter is that of the whole module, so it comes second.
        if milliwatts is None:
            self.reasons["power_average_watts"] = NEEDS_TWO_READINGS
        else:
            values["power_average_watts"] = milliwatts / 1000

    def _memory_temperature(self, value: float, values: Values, _at: float) -> None:
        # A running board's memory is never at 0 °C: the driver has no reading.
        if value in (0, ALL_ONES):
            self.reasons["memory_temperature_celsius"] = "not reported by this GPU"
        else:
            values["memory_temperature_celsius"] = value
