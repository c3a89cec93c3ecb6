"""Parses one report of `nvidia-smi -q -x`, driver schemas v11 to v13. Missing values are None, with a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from monitor.telemetry.providers.base import (
    GPU_METRICS,
    LONG_PCI_DOMAIN,
    NOT_SUPPORTED,
    explain,
    unattributed_bytes,
    used_percent,
)
from monitor.telemetry.providers.gpu_notices import DRAIN_AND_RESET, NONE, RESET, notices_of
from monitor.telemetry.providers.nvidia_smi.processes import instances_in, processes_in
from monitor.telemetry.providers.nvidia_smi.report import Part, Report, take_apart
from monitor.telemetry.providers.nvidia_smi.values import (
    LOST,
    NEEDS_RESET,
    NOT_REPORTED,
    Field,
    Values,
    at,
    count,
    known_text,
    refusal_of,
    reports,
    text_of,
    why_no_value,
)
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.providers.program import NotADocument
from monitor.telemetry.providers.unified import take_host_memory
from monitor.telemetry.schema import Fan, Gpu, Notice, Reading

_COUNT = re.compile("[0-9]{1,4}")
DAMAGED = "this GPU's part of nvidia-smi's report is damaged"
AS_MARGIN = "this driver reports only the margin to the limit"
IN_MIG_MODE = "not available while the GPU is in MIG mode"
_VERSION = re.compile(r"[0-9][\w.+ ()-]{0,40}")
_PCI_BUS_ID = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")

_POWER_LIMITS = ("current_power_limit", "enforced_power_limit", "power_limit")
_POWER = ("gpu_power_readings", "power_readings")
NUMBERS: tuple[Field, ...] = (
    at("utilization_percent", "utilization/gpu_util"),
    at("memory_utilization_percent", "utilization/memory_util"),
    at("encoder_utilization_percent", "utilization/encoder_util"),
    at("decoder_utilization_percent", "utilization/decoder_util"),
    at("jpeg_utilization_percent", "utilization/jpeg_util"),
    at("ofa_utilization_percent", "utilization/ofa_util"),
    count("memory_total_bytes", "fb_memory_usage/total"),
    count("memory_used_bytes", "fb_memory_usage/used"),
    count("memory_free_bytes", "fb_memory_usage/free"),
    count("memory_reserved_bytes", "fb_memory_usage/reserved"),
    count("bar1_total_bytes", "bar1_memory_usage/total"),
    count("bar1_used_bytes", "bar1_memory_usage/used"),
    at("temperature_celsius", "temperature/gpu_temp"),
    at("memory_temperature_celsius", "temperature/memory_temp"),
    at("slowdown_temperature_celsius", "temperature/gpu_temp_slow_threshold"),
    at("shutdown_temperature_celsius", "temperature/gpu_temp_max_threshold"),
    at("power_watts", *(f"{block}/{name}" for name in ("instant_power_draw", "power_draw") for block in _POWER)),
    at("power_average_watts", *(f"{block}/average_power_draw" for block in _POWER)),
    at("power_limit_watts", *(f"{block}/{name}" for name in _POWER_LIMITS for block in _POWER)),
    at("power_default_limit_watts", *(f"{block}/default_power_limit" for block in _POWER)),
    at("power_min_limit_watts", *(f"{block}/min_power_limit" for block in _POWER)),
    at("power_max_limit_watts", *(f"{block}/max_power_limit" for block in _POWER)),
    at("graphics_clock_mhz", "clocks/graphics_clock"),
    at("sm_clock_mhz", "clocks/sm_clock"),
    at("memory_clock_mhz", "clocks/mem_clock"),
    at("video_clock_mhz", "clocks/video_clock"),
    at("graphics_clock_max_mhz", "max_clocks/graphics_clock"),
    at("sm_clock_max_mhz", "max_clocks/sm_clock"),
    at("memory_clock_max_mhz", "max_clocks/mem_clock"),
    at("video_clock_max_mhz", "max_clocks/video_clock"),
    count("pcie_generation", "pci/pci_gpu_link_info/pcie_gen/current_link_gen"),
    count("pcie_generation_max", "pci/pci_gpu_link_info/pcie_gen/max_link_gen"),
    count("pcie_width", "pci/pci_gpu_link_info/link_widths/current_link_width"),
    count("pcie_width_max", "pci/pci_gpu_link_info/link_widths/max_link_width"),
    at("pcie_rx_bytes_per_second", "pci/rx_util"),
    at("pcie_tx_bytes_per_second", "pci/tx_util"),
    count("pcie_replays", "pci/replay_counter"),
    count("remapped_rows_corrected", "remapped_rows/remapped_row_corr"),
    count("remapped_rows_uncorrected", "remapped_rows/remapped_row_unc"),
)  # fmt: skip

TEXTS = (
    ("architecture", "product_architecture"),
    ("brand", "product_brand"),
    ("serial_number", "serial"),
    ("vbios_version", "vbios_version"),
    ("performance_state", "performance_state"),
    ("compute_mode", "compute_mode"),
)
_ENABLED = {"enabled": True, "disabled": False}
_YES = {"yes": True, "no": False}
BOOLEANS = (
    ("persistence_mode", "persistence_mode", _ENABLED),
    ("mig_mode", "mig_mode/current_mig", _ENABLED),
    ("ecc_is_enabled", "ecc_mode/current_ecc", _ENABLED),
    ("remapped_rows_are_pending", "remapped_rows/remapped_row_pending", _YES),
    ("remapped_rows_failed", "remapped_rows/remapped_row_failure", _YES),
)
_FABRIC_STATES = ("not started", "in progress", "completed")
_RESET_STATUS = (("reset_required", RESET), ("drain_and_reset_recommended", DRAIN_AND_RESET))


def parse(document: bytes, sampled_at: float, bounds: Bounds, *, indexes: Mapping[str, int] | None = None) -> Reading:
    """The reading. Raises NotADocument if it is no whole report, or if nothing can be read of any GPU in it.

    `indexes` maps the PCI bus ids of all GPUs to their indexes, if nvidia-smi was called for some of them only.
    """
    report = take_apart(document)
    read = [part and _gpu(index, part, bounds) for index, part in enumerate(report.gpus)]
    gpus = tuple(_at_index(gpu, indexes) for gpu in read if gpu is not None)
    if read and not gpus:
        raise NotADocument("nothing can be read of any GPU in it")
    head = Values(report.head)
    versions = {name: head.text(name, name) for name in ("driver_version", "cuda_version")}
    for name, text in versions.items():
        if text is not None and not _VERSION.fullmatch(text):
            versions[name], head.reasons[name] = None, reports(text)
    return Reading(
        sampled_at=sampled_at,
        gpus=gpus,
        driver_version=versions["driver_version"],
        cuda_version=versions["cuda_version"],
        unavailable=explain(versions, versions, head.reasons, NOT_REPORTED),
        notices=(*_unlisted(report, len(gpus), is_of_all_gpus=indexes is None), *notices_of(gpus)),
        clamped_count=bounds.clamped_count,
    )


def _at_index(gpu: Gpu, indexes: Mapping[str, int] | None) -> Gpu:
    index = gpu.index if indexes is None else indexes.get(gpu.pci_bus_id or "", gpu.index)
    return gpu if index == gpu.index else msgspec.structs.replace(gpu, index=index)


def _unlisted(report: Report, listed: int, *, is_of_all_gpus: bool) -> tuple[Notice, ...]:
    """A notice if the driver knows more GPUs than could be read."""
    complaints = report.complaints[:200]
    attached = text_of(report.head, "attached_gpus") or ""
    is_known = is_of_all_gpus and _COUNT.fullmatch(attached)
    expected = int(attached) if is_known else len(report.gpus)
    if listed >= expected and not complaints:
        return ()
    why = (
        f"nvidia-smi reports {complaints!r}"
        if complaints
        else "nvidia-smi's report of the others is missing or damaged"
    )
    counts = f"{listed} of {expected} GPUs can be read: " if listed < expected else ""
    return (
        Notice(
            code="gpu_not_read" if listed < expected else "nvidia_smi_reports",
            text=f"{counts}{why}.",
            fix="See `nvidia-smi -q -x` and `dmesg | grep -i -e nvrm -e xid`.",
        ),
    )


def _gpu(index: int, part: Part, bounds: Bounds) -> Gpu | None:
    """The GPU; None if nothing identifies it."""
    element = part.element
    values = Values(element)
    for field in NUMBERS:
        values.number(field)
    for metric, path in TEXTS:
        values[metric] = values.text(metric, path)
    if values["compute_mode"]:
        values["compute_mode"] = values["compute_mode"].lower().replace("_", " ")
    for metric, path, meaning in BOOLEANS:
        values.boolean(metric, path, meaning)
    if rows := why_no_value(text_of(element, "remapped_rows") or "x"):
        values.reasons.update({metric: rows for metric in GPU_METRICS if metric.startswith("remapped_rows_")})
    _fill_errors(values, bounds)
    _fill_clock_events(values)
    _fill_fans(values, bounds)
    _fill_recovery_action(values)
    _fill_fabric(values)
    if "slowdown_temperature_celsius" not in values and element.find("temperature/gpu_temp_tlimit") is not None:
        values.reasons.update(slowdown_temperature_celsius=AS_MARGIN, shutdown_temperature_celsius=AS_MARGIN)
    if values.get("mig_mode"):
        silent = [name for name in GPU_METRICS if name.endswith("utilization_percent") and name not in values]
        values.reasons.update(
            {name: IN_MIG_MODE for name in silent if values.reasons.get(name) in (None, NOT_SUPPORTED)}
        )
    values.reasons.update(bounds.check(values))
    is_unified = _has_no_memory(values)
    if is_unified:
        values.reasons.update(take_host_memory(values))
    total = values.get("memory_total_bytes")
    instances = instances_in(values, bounds)
    values["processes"] = processes_in(values, instances, bounds, total)
    values["memory_used_percent"] = used_percent(values.get("memory_used_bytes"), total)
    values["memory_unattributed_bytes"] = unattributed_bytes(values.get("memory_used_bytes"), values["processes"])
    values["pci_bus_id"] = _pci_bus_id(values)
    uuid, name = known_text(element, "uuid"), known_text(element, "product_name")
    if not (values["pci_bus_id"] or uuid or name):
        return None
    is_lost = LOST in (*values.reasons.values(), refusal_of(text_of(element, "uuid") or ""))
    return Gpu(
        index=index,
        uuid=uuid or f"pci-{values['pci_bus_id'] or index}",
        name=name or "NVIDIA GPU",
        state="lost" if is_lost else "ok",
        memory_is_unified=is_unified,
        mig_instances=instances,
        unavailable=explain(values, GPU_METRICS, values.reasons, DAMAGED if part.is_damaged else NOT_REPORTED),
        **values,
    )


def _pci_bus_id(values: Values) -> str | None:
    for text in (values.element.get("id"), text_of(values.element, "pci/pci_bus_id")):
        if text and _PCI_BUS_ID.fullmatch(text.strip().lower()):
            return LONG_PCI_DOMAIN.sub("", text.strip().lower())
    values.reasons["pci_bus_id"] = "nvidia-smi reports no PCI address"
    return None


def _has_no_memory(values: Values) -> bool:
    """The GPU shares the host's memory. In MIG mode, a refused total means something else."""
    if values.get("mig_mode"):
        return False
    return values.get("memory_total_bytes") == 0 or values.reasons.get("memory_total_bytes") == NOT_SUPPORTED


def _fill_fans(values: Values, bounds: Bounds) -> None:
    fan = Values(values.element)
    fan.number(at("speed_percent", "fan_speed"))
    fan.reasons.update(bounds.check(fan))
    speed, reason = fan.get("speed_percent"), fan.reasons.get("speed_percent")
    values["fans"] = None if speed is None else (Fan(speed_percent=speed),)
    if reason is not None:
        values.reasons["fans"] = reason


def _fill_recovery_action(values: Values) -> None:
    """`gpu_recovery_action` (from R560), else what `gpu_reset_status` and the words in place of values say."""
    action = text_of(values.element, "gpu_recovery_action")
    if action and action.lower() == NONE:
        values["recovery_action"] = NONE
    elif action := values.text("recovery_action", "gpu_recovery_action"):
        values["recovery_action"] = action.lower()
    elif NEEDS_RESET in values.reasons.values():
        values["recovery_action"] = RESET
    else:
        status = {action: text_of(values.element, f"gpu_reset_status/{name}") for name, action in _RESET_STATUS}
        wanted = [action for action, answer in status.items() if answer == "Yes"]
        values["recovery_action"] = wanted[0] if wanted else NONE if "No" in status.values() else None


def _fill_fabric(values: Values) -> None:
    """Words that stand for no value elsewhere have a meaning here: Not Started is a state, and the status can name an error."""
    state, status = (text_of(values.element, f"fabric/{name}") or "" for name in ("state", "status"))
    is_state = state.lower() in _FABRIC_STATES
    values["fabric_state"] = state.lower() if is_state else values.text("fabric_state", "fabric/state")
    is_status = values["fabric_state"] == "completed" and status and refusal_of(status) != NOT_SUPPORTED
    values["fabric_status"] = status.lower() if is_status else values.text("fabric_status", "fabric/status")


def _fill_errors(values: Values, bounds: Bounds) -> None:
    """ECC counts (nested by cell, or flat by memory since Ampere) and retired pages of both causes together."""
    for period in ("volatile", "aggregate"):
        for kind, old, new in (
            ("corrected", "single_bit", "correctable"),
            ("uncorrected", "double_bit", "uncorrectable"),
        ):
            metric, base = f"ecc_{kind}_{period}", f"ecc_errors/{period}"
            causes = [f"{memory}_{new}{cause}" for memory in ("sram", "dram") for cause in ("", "_parity", "_secded")]
            if text_of(values.element, f"{base}/{old}/total") is not None:
                _fill_sum(values, bounds, metric, [f"{base}/{old}/total"])
            else:
                _fill_sum(values, bounds, metric, [f"{base}/{cause}" for cause in causes])
    causes = ["multiple_single_bit_retirement", "double_bit_retirement"]
    _fill_sum(values, bounds, "retired_pages", [f"retired_pages/{cause}/retired_count" for cause in causes])


def _fill_sum(values: Values, bounds: Bounds, metric: str, paths: list[str]) -> None:
    """The sum of those counts that this kind of GPU has; unknown if one of these cannot be read."""
    total = None
    for path in paths:
        part = Values(values.element)
        part.number(count(metric, path))
        part.reasons.update(bounds.check(part))
        values.reasons.update(part.reasons)
        if part.get(metric) is not None:
            total = (total or 0) + part[metric]
        elif part.reasons.get(metric) not in (None, NOT_SUPPORTED):
            return
    if total is not None:
        values[metric] = total
        values.reasons.pop(metric, None)


def _fill_clock_events(values: Values) -> None:
    """`clocks_event_reasons` (from R535) or `clocks_throttle_reasons`; the names are NVML's."""
    for block, prefix in (
        ("clocks_event_reasons", "clocks_event_reason_"),
        ("clocks_throttle_reasons", "clocks_throttle_reason_"),
    ):
        element = values.element.find(block)
        if element is not None and len(element):
            values["clock_event_reasons"] = tuple(
                child.tag.removeprefix(prefix)
                for child in element
                if child.tag.startswith(prefix) and (child.text or "").strip() == "Active"
            )
            return
        if element is not None and (refusal := refusal_of((element.text or "").strip())):
            values.reasons["clock_event_reasons"] = refusal
