"""The fans of one GPU. NVML reports their intended speed."""

from __future__ import annotations

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import Handle, Number
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.schema import Fan

_MOST_FANS = 32


class Fans:
    """Counts the fans once, then reads each one's speed."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._speeds: list[Number] | None = None
        self._first_speed = Number("nvmlDeviceGetFanSpeed")

    def fill(self, handle: Handle, values: Values) -> None:
        """Every fan; a speed that was refused is unknown. Raises NVMLError if none can be read."""
        if self._speeds is None:
            count = nvml.nvmlDeviceGetNumFans(handle)
            if count > _MOST_FANS:
                raise nvml.NVMLError(nvml.NVML_ERROR_NO_DATA)
            self._speeds = [Number("nvmlDeviceGetFanSpeed_v2", fan) for fan in range(count)]
        speeds: list[float | None] = []
        refusal: Exception | None = None
        for ask in self._speeds:
            try:
                speed = ask(handle)
                speeds.append(speed if speed <= 100 else self._checked(speed))
            except FIELD_ERRORS as error:
                refusal = error
                speeds.append(None)
        if refusal is not None and not any(speed is not None for speed in speeds):
            raise refusal
        values["fans"] = tuple([Fan(speed_percent=speed) for speed in speeds])

    def fill_first(self, handle: Handle, values: Values) -> None:
        """The first fan alone: drivers before 510 cannot count fans. Raises NVMLError."""
        values["fans"] = (Fan(speed_percent=self._checked(self._first_speed(handle))),)

    def _checked(self, percent: float) -> float | None:
        checked: Values = {"speed_percent": percent}
        self._bounds.check(checked)
        return checked["speed_percent"]  # type: ignore[no-any-return]
