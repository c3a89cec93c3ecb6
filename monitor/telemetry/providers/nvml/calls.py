"""The table of NVML calls: which metrics each fills, in which unit, and how often it is made.

STATIC calls are made once for each GPU, FAST ones at each tick, SLOW ones every few seconds, spread over the ticks. A call
fills `values`, keyed by the schema's field names.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import pynvml as nvml

from monitor.telemetry.clock_events import CLOCK_EVENT_REASONS
from monitor.telemetry.providers import gpu_notices
from monitor.telemetry.providers.nvml.ctypes_calls import FieldValues, Handle, Number, Record, number
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, OF_MORE_THAN_A_CALL, UNKNOWN, code_of

Values = dict[str, Any]

ALL_ONES = 0xFFFFFFFF
"""NVML's 32-bit result for no value."""


class Call(NamedTuple):
    """One call to the driver about one GPU."""

    metrics: tuple[str, ...]
    fill: Callable[[Handle, Values], None]
    instead: tuple[Call, ...] = ()
    """Made in its place if the driver does not support it."""
    instead_is_slow: bool = False
    """Whether those are made every few seconds."""


def scalar(metric: str, function: Callable[..., int], *arguments: int, scale: float = 1) -> Call:
    """A call that returns one number; all ones mean no value."""

    def fill(handle: Handle, values: Values) -> None:
        value = function(handle, *arguments)
        values[metric] = None if value == ALL_ONES else value * scale if scale != 1 else value

    return Call((metric,), fill)


def named(metric: str, function: Callable[[Handle], Any], words: Callable[[Any], object]) -> Call:
    """A call whose result is shown as a word or a boolean."""

    def fill(handle: Handle, values: Values) -> None:
        values[metric] = words(function(handle))

    return Call((metric,), fill)


# ── Names for NVML's numbers ──────────────────────────────────────────────────────────────────────────────────────────

_ARCHITECTURES = {
    getattr(nvml, f"NVML_DEVICE_ARCH_{name}"): name.capitalize()
    for name in (
        "KEPLER", "MAXWELL", "PASCAL", "VOLTA", "TURING", "AMPERE", "ADA", "HOPPER", "BLACKWELL", "RUBIN",
    )
    if hasattr(nvml, f"NVML_DEVICE_ARCH_{name}")
}  # fmt: skip
_BRANDS = {
    nvml.NVML_BRAND_QUADRO: "Quadro",
    nvml.NVML_BRAND_TESLA: "Tesla",
    nvml.NVML_BRAND_NVS: "NVS",
    nvml.NVML_BRAND_GRID: "GRID",
    nvml.NVML_BRAND_GEFORCE: "GeForce",
    nvml.NVML_BRAND_TITAN: "Titan",
    nvml.NVML_BRAND_NVIDIA_VAPPS: "NVIDIA Virtual Applications",
    nvml.NVML_BRAND_NVIDIA_VPC: "NVIDIA Virtual PC",
    nvml.NVML_BRAND_NVIDIA_VCS: "NVIDIA Virtual Compute Server",
    nvml.NVML_BRAND_NVIDIA_VWS: "NVIDIA RTX Virtual Workstation",
    nvml.NVML_BRAND_NVIDIA_CLOUD_GAMING: "NVIDIA Cloud Gaming",
    nvml.NVML_BRAND_QUADRO_RTX: "Quadro RTX",
    nvml.NVML_BRAND_NVIDIA_RTX: "NVIDIA RTX",
    nvml.NVML_BRAND_NVIDIA: "NVIDIA",
    nvml.NVML_BRAND_GEFORCE_RTX: "GeForce RTX",
    nvml.NVML_BRAND_TITAN_RTX: "Titan RTX",
}
_COMPUTE_MODES = {
    nvml.NVML_COMPUTEMODE_DEFAULT: "default",
    nvml.NVML_COMPUTEMODE_EXCLUSIVE_THREAD: "exclusive thread",
    nvml.NVML_COMPUTEMODE_PROHIBITED: "prohibited",
    nvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS: "exclusive process",
}
_RECOVERY_ACTIONS = {
    0: gpu_notices.NONE,
    1: gpu_notices.RESET,
    2: gpu_notices.REBOOT,
    3: gpu_notices.DRAIN_P2P,
    4: gpu_notices.DRAIN_AND_RESET,
    5: "recover imex domain",
    6: "bus reset",
    7: "system reboot",
}
"""NVML_GPU_RECOVERY_ACTION_*."""


def clock_event_names(mask: int) -> tuple[str, ...]:
    """The reasons in a mask of nvmlDeviceGetCurrentClocksEventReasons; bits without a name in hexadecimal."""
    return tuple(
        CLOCK_EVENT_REASONS.get(bit, hex(bit))
        for bit in (1 << place for place in range(mask.bit_length()))
        if mask & bit
    )


# ── Calls that fill more than one metric, or are made differently ─────────────────────────────────────────────────────


_ask_utilization = Record("nvmlDeviceGetUtilizationRates", struct.Struct("=II"))
_ask_memory_v2 = Record("nvmlDeviceGetMemoryInfo_v2", struct.Struct("=8xQQQQ"), nvml.nvmlMemory_v2)


_ask_temperature_v = Record(
    "nvmlDeviceGetTemperatureV", struct.Struct("=8xi"), nvml.nvmlTemperature_v1, nvml.NVML_TEMPERATURE_GPU
)


def _temperature_v(handle: Handle, values: Values) -> None:
    """The newer call, for drivers without the older one, which is deprecated."""
    (values["temperature_celsius"],) = _ask_temperature_v(handle)


def _utilization(handle: Handle, values: Values) -> None:
    values["utilization_percent"], values["memory_utilization_percent"] = _ask_utilization(handle)


def _jpeg(handle: Handle, values: Values) -> None:
    values["jpeg_utilization_percent"] = nvml.nvmlDeviceGetJpgUtilization(handle)[0]


def _ofa(handle: Handle, values: Values) -> None:
    values["ofa_utilization_percent"] = nvml.nvmlDeviceGetOfaUtilization(handle)[0]


def memory_v2(handle: Handle, values: Values) -> None:
    """Total, used, free and the driver's reserve.

    `used` excludes the reserve: total = reserved + used + free (an H100 with driver 580). The manual can be read the
    other way, so it is computed as total less free less reserved, which is right for both.
    """
    total, reserved, free, reported = _ask_memory_v2(handle)
    values["memory_total_bytes"] = total
    values["memory_free_bytes"] = free
    values["memory_reserved_bytes"] = reserved
    used = total - free - reserved
    values["memory_used_bytes"] = used if used >= 0 else reported  # free can be garbage, which plausible.py judges


def memory_v1(handle: Handle, values: Values) -> None:
    """Total, used and free; `used` counts the driver's reserve (since R510), which v1 does not report separately."""
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    values["memory_total_bytes"] = memory.total
    values["memory_free_bytes"] = memory.free
    values["memory_used_bytes"] = memory.used


def _bar1(handle: Handle, values: Values) -> None:
    bar1 = nvml.nvmlDeviceGetBAR1MemoryInfo(handle)
    values["bar1_total_bytes"] = bar1.bar1Total
    values["bar1_used_bytes"] = bar1.bar1Used


def _limits(handle: Handle, values: Values) -> None:
    least, most = nvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
    values["power_min_limit_watts"] = least / 1000
    values["power_max_limit_watts"] = most / 1000


def _ecc_mode(handle: Handle, values: Values) -> None:
    values["ecc_is_enabled"] = bool(nvml.nvmlDeviceGetEccMode(handle)[0])


def _retired_pages(handle: Handle, values: Values) -> None:
    single = nvml.nvmlDeviceGetRetiredPages(handle, nvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS)
    double = nvml.nvmlDeviceGetRetiredPages(handle, nvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR)
    values["retired_pages"] = len(single) + len(double)


def _remapped_rows(handle: Handle, values: Values) -> None:
    corrected, uncorrected, pending, failed = nvml.nvmlDeviceGetRemappedRows(handle)
    values["remapped_rows_corrected"] = corrected
    values["remapped_rows_uncorrected"] = uncorrected
    values["remapped_rows_are_pending"] = bool(pending)
    values["remapped_rows_failed"] = bool(failed)


_ask_recovery_action = FieldValues([(nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, 0)])


def _recovery_action(handle: Handle, values: Values) -> None:
    ((_, _, kind, status, raw),) = _ask_recovery_action(handle)
    if status != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(status)
    action = int(number(kind, raw))
    values["recovery_action"] = _RECOVERY_ACTIONS.get(action, f"action {action}")


def pcie_throughput(handle: Handle, values: Values) -> None:
    """Both directions. The driver samples for 20 ms at each call, so only if it lacks the byte counters."""
    values["pcie_rx_bytes_per_second"] = 1000 * nvml.nvmlDeviceGetPcieThroughput(handle, nvml.NVML_PCIE_UTIL_RX_BYTES)
    values["pcie_tx_bytes_per_second"] = 1000 * nvml.nvmlDeviceGetPcieThroughput(handle, nvml.NVML_PCIE_UTIL_TX_BYTES)


# ── The table ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_VOLATILE, _AGGREGATE = nvml.NVML_VOLATILE_ECC, nvml.NVML_AGGREGATE_ECC
_CORRECTED, _UNCORRECTED = nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
_REASONS = "clock_event_reasons"

PCIE_THROUGHPUT = Call(("pcie_rx_bytes_per_second", "pcie_tx_bytes_per_second"), pcie_throughput)
MEMORY_V1 = Call(("memory_total_bytes", "memory_used_bytes", "memory_free_bytes"), memory_v1)

STATIC: tuple[Call, ...] = (
    named("architecture", nvml.nvmlDeviceGetArchitecture, _ARCHITECTURES.get),
    named("brand", nvml.nvmlDeviceGetBrand, _BRANDS.get),
    named("serial_number", nvml.nvmlDeviceGetSerial, str),
    named("compute_capability", nvml.nvmlDeviceGetCudaComputeCapability, lambda version: "{}.{}".format(*version)),
    named("vbios_version", nvml.nvmlDeviceGetVbiosVersion, str),
    scalar("slowdown_temperature_celsius", nvml.nvmlDeviceGetTemperatureThreshold, nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),
    scalar("shutdown_temperature_celsius", nvml.nvmlDeviceGetTemperatureThreshold, nvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN),
    scalar("power_default_limit_watts", nvml.nvmlDeviceGetPowerManagementDefaultLimit, scale=1e-3),
    Call(("power_min_limit_watts", "power_max_limit_watts"), _limits),
    scalar("graphics_clock_max_mhz", nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_GRAPHICS),
    scalar("sm_clock_max_mhz", nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM),
    scalar("memory_clock_max_mhz", nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_MEM),
    scalar("video_clock_max_mhz", nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_VIDEO),
    scalar("pcie_generation_max", nvml.nvmlDeviceGetMaxPcieLinkGeneration),
    scalar("pcie_width_max", nvml.nvmlDeviceGetMaxPcieLinkWidth),
)  # fmt: skip

FAST: tuple[Call, ...] = (
    Call(("utilization_percent", "memory_utilization_percent"), _utilization),
    scalar("encoder_utilization_percent", Number("nvmlDeviceGetEncoderUtilization", answers=2)),
    scalar("decoder_utilization_percent", Number("nvmlDeviceGetDecoderUtilization", answers=2)),
    scalar("temperature_celsius", Number("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU))._replace(
        instead=(Call(("temperature_celsius",), _temperature_v),)
    ),
    scalar("graphics_clock_mhz", Number("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_GRAPHICS)),
    scalar("sm_clock_mhz", Number("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM)),
    scalar("memory_clock_mhz", Number("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM)),
    named("performance_state", Number("nvmlDeviceGetPerformanceState"), lambda state: f"P{state}" if state < 16 else None),
    named(_REASONS, Number("nvmlDeviceGetCurrentClocksEventReasons", bits=64), clock_event_names)._replace(
        instead=(named(_REASONS, Number("nvmlDeviceGetCurrentClocksThrottleReasons", bits=64), clock_event_names),)
    ),
)  # fmt: skip
"""And at each tick: memory (device.py), fields.py, fans, processes.py, links/pcie.py."""


def is_answered(handle: Handle) -> bool:
    """Whether the GPU or driver is well, although some call says otherwise: another succeeds, or none of FAST says so too."""
    scratch: Values = {}
    is_well = True
    for call in FAST:
        try:
            call.fill(handle, scratch)
        except FIELD_ERRORS as error:
            is_well &= code_of(error) not in (*OF_MORE_THAN_A_CALL, UNKNOWN)
        else:
            return True
    return is_well


SLOW: tuple[Call, ...] = (
    scalar("power_limit_watts", nvml.nvmlDeviceGetEnforcedPowerLimit, scale=1e-3),
    scalar("video_clock_mhz", nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_VIDEO),
    Call(("jpeg_utilization_percent",), _jpeg),
    Call(("ofa_utilization_percent",), _ofa),
    Call(("bar1_total_bytes", "bar1_used_bytes"), _bar1),
    scalar("pcie_generation", nvml.nvmlDeviceGetCurrPcieLinkGeneration),
    scalar("pcie_width", nvml.nvmlDeviceGetCurrPcieLinkWidth),
    scalar("pcie_replays", nvml.nvmlDeviceGetPcieReplayCounter),
    Call(("ecc_is_enabled",), _ecc_mode),
    scalar("ecc_corrected_volatile", nvml.nvmlDeviceGetTotalEccErrors, _CORRECTED, _VOLATILE),
    scalar("ecc_uncorrected_volatile", nvml.nvmlDeviceGetTotalEccErrors, _UNCORRECTED, _VOLATILE),
    scalar("ecc_corrected_aggregate", nvml.nvmlDeviceGetTotalEccErrors, _CORRECTED, _AGGREGATE),
    scalar("ecc_uncorrected_aggregate", nvml.nvmlDeviceGetTotalEccErrors, _UNCORRECTED, _AGGREGATE),
    Call(("retired_pages",), _retired_pages),
    Call(
        ("remapped_rows_corrected", "remapped_rows_uncorrected", "remapped_rows_are_pending", "remapped_rows_failed"),
        _remapped_rows,
    ),
    Call(("recovery_action",), _recovery_action),
    named("compute_mode", nvml.nvmlDeviceGetComputeMode, _COMPUTE_MODES.get),
    named("persistence_mode", nvml.nvmlDeviceGetPersistenceMode, bool),
)
"""And: MIG mode and instances (mig.py), NVLink and fabric (links/), activity.py, accounting.py, and PCIE_THROUGHPUT if the driver
lacks the byte counters."""
