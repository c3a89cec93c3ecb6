"""How much of a GPU works, by GPM (GPU performance monitoring; Hopper and newer): the mean between two samples of the driver.

Read on the slow cadence: utilization_percent only says that some kernel ran, this says how many SMs did. It costs two driver calls
each time, and in MIG mode two for each GPU instance.
"""

from __future__ import annotations

import logging
from typing import Any

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, field_reason
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS

log = logging.getLogger(__name__)

_IDS = {
    "sm_activity_percent": nvml.NVML_GPM_METRIC_SM_UTIL,
    "tensor_activity_percent": nvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
    "dram_activity_percent": nvml.NVML_GPM_METRIC_DRAM_BW_UTIL,
}
METRICS = tuple(_IDS)


class Activity:
    """Of a whole GPU, or of one of its GPU instances in MIG mode. Keeps the driver's sample of the previous reading."""

    def __init__(self, gpu_instance_id: int | None = None) -> None:
        self.reasons: dict[str, str] = {}
        self._gpu_instance_id = gpu_instance_id
        self._samples: list[Any] = []
        """Two of them, once the GPU is known to have GPM: that of the previous reading first, if there is one."""
        self._has_earlier = False

    def fill(self, handle: Handle, values: Values) -> None:
        """Fill METRICS with the means since the previous call. `handle`: of the whole GPU. Raises NVMLError where it has no GPM."""
        values.update(dict.fromkeys(METRICS))
        self.reasons = dict.fromkeys(METRICS, NEEDS_TWO_READINGS)
        if not self._samples:
            self._allocate(handle)
        has_earlier, self._has_earlier = self._has_earlier, False  # after an error, start over
        earlier, now = self._samples
        if self._gpu_instance_id is None:
            nvml.nvmlGpmSampleGet(handle, now)
        else:
            nvml.nvmlGpmMigSampleGet(handle, self._gpu_instance_id, now)
        if has_earlier:
            self._compare(earlier, now, values)
        self._samples.reverse()
        self._has_earlier = True

    def close(self) -> None:
        """Release both samples: the GPU instance is gone. Those of a whole GPU are released with the process."""
        for sample in self._samples:
            try:
                nvml.nvmlGpmSampleFree(sample)
            except FIELD_ERRORS as error:
                log.debug("nvmlGpmSampleFree: %s", error)
        self._samples.clear()

    def _allocate(self, handle: Handle) -> None:
        if not nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice:
            raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
        self._samples = [nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()]

    def _compare(self, earlier: Any, now: Any, values: Values) -> None:
        request = nvml.c_nvmlGpmMetricsGet_t(version=nvml.NVML_GPM_METRICS_GET_VERSION, numMetrics=len(_IDS))
        request.sample1, request.sample2 = earlier, now
        for metric, number in zip(request.metrics, _IDS.values(), strict=False):
            metric.metricId = number
        nvml.nvmlGpmMetricsGet(request)
        for name, metric in zip(METRICS, request.metrics, strict=False):
            if metric.nvmlReturn == nvml.NVML_SUCCESS:
                values[name] = metric.value
            else:
                self.reasons[name] = field_reason(nvml.NVMLError(metric.nvmlReturn))
