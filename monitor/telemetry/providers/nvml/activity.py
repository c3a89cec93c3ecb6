"""How much of a GPU works, by GPM (GPU performance monitoring; Hopper and newer): the mean between two samples of the driver.

Read on the slow cadence: utilization_percent only says that some kernel ran, this says how many SMs did.
"""

from __future__ import annotations

from typing import Any

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.errors import field_reason
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS

_IDS = {
    "sm_activity_percent": nvml.NVML_GPM_METRIC_SM_UTIL,
    "tensor_activity_percent": nvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
    "dram_activity_percent": nvml.NVML_GPM_METRIC_DRAM_BW_UTIL,
}
METRICS = tuple(_IDS)


class Activity:
    """Keeps the driver's sample of the previous reading."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._samples: list[Any] = []
        """Two of them, once the GPU is known to have GPM: that of the previous reading first, if there is one."""
        self._has_earlier = False
        self._request: Any = None

    def fill(self, handle: Handle, values: Values) -> None:
        """Fill METRICS with the means since the previous call. Raises NVMLError where the GPU has no GPM."""
        values.update(dict.fromkeys(METRICS))
        self.reasons = dict.fromkeys(METRICS, NEEDS_TWO_READINGS)
        if not self._samples:
            self._allocate(handle)
        has_earlier, self._has_earlier = self._has_earlier, False  # after an error, start over
        earlier, now = self._samples
        nvml.nvmlGpmSampleGet(handle, now)
        if has_earlier:
            self._compare(earlier, now, values)
        self._samples.reverse()
        self._has_earlier = True

    def _allocate(self, handle: Handle) -> None:
        """Both samples. They are released with the process, which ends when the driver is."""
        if not nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice:
            raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
        self._samples = [nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()]
        self._request = nvml.c_nvmlGpmMetricsGet_t(version=nvml.NVML_GPM_METRICS_GET_VERSION, numMetrics=len(_IDS))
        for metric, number in zip(self._request.metrics, _IDS.values(), strict=False):
            metric.metricId = number

    def _compare(self, earlier: Any, now: Any, values: Values) -> None:
        self._request.sample1, self._request.sample2 = earlier, now
        nvml.nvmlGpmMetricsGet(self._request)
        for name, metric in zip(METRICS, self._request.metrics, strict=False):
            if metric.nvmlReturn == nvml.NVML_SUCCESS:
                values[name] = metric.value
            else:
                self.reasons[name] = field_reason(nvml.NVMLError(metric.nvmlReturn))
