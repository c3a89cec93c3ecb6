"""Parses one document of `nvidia-smi -q -x`, driver schemas v11 to v13. Missing values are None, with a reason.

The documents come from the driver's own program, so the standard parser is used. It does not load DTDs.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # nosec

from monitor.telemetry.providers.base import (
    GPU_METRICS,
    LONG_PCI_DOMAIN,
    NOT_SUPPORTED,
    PROCESS_METRICS,
    PercentGate,
    explain,
    unattributed_bytes,
    used_percent,
)
from monitor.telemetry.providers.program import NotADocument
from monitor.telemetry.providers.smi_values import LOST, Field, Values, at, count, known_text, refusal_of, text_of
from monitor.telemetry.schema import Fan, Gpu, GpuProcess, MigInstance, ProcessType, Reading

NOT_REPORTED = "not reported by this nvidia-smi"
AS_MARGIN = "this driver reports only the margin to the limit"
IN_MIG_MODE = "not available while the GPU is in MIG mode"
_DRIVE = re.compile(r"[A-Za-z]:\\")
_TYPES: dict[str, ProcessType] = {"C": "compute", "G": "graphics", "M": "mps"}


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


def parse(document: bytes, sampled_at: float, gate: PercentGate) -> Reading:
    """The reading. Raises NotADocument if the XML is malformed or has another root."""
    try:
        root = ET.fromstring(document.decode("utf-8", errors="replace"))  # noqa: S314 - see the module's docstring  # nosec
    except ET.ParseError as error:
        raise NotADocument(str(error)) from error
    if root.tag != "nvidia_smi_log":
        raise NotADocument(f"its root is <{root.tag}>")
    gpus = tuple(_gpu(index, element, gate) for index, element in enumerate(root.findall("gpu")))
    return Reading(
        sampled_at=sampled_at,
        gpus=gpus,
        driver_version=known_text(root, "driver_version"),
        cuda_version=known_text(root, "cuda_version"),
        clamped_count=gate.clamped_count,
    )


_ENABLED = {"enabled": True, "disabled": False}
_YES = {"yes": True, "no": False}


def _gpu(index: int, element: ET.Element, gate: PercentGate) -> Gpu:
    values = Values(element, gate)
    for field in NUMBERS:
        values.number(field)
    values["architecture"] = values.text("architecture", "product_architecture")
    values["brand"] = values.text("brand", "product_brand")
    values["vbios_version"] = values.text("vbios_version", "vbios_version")
    values["performance_state"] = values.text("performance_state", "performance_state")
    mode = values.text("compute_mode", "compute_mode")
    values["compute_mode"] = mode.lower().replace("_", " ") if mode else None
    values.boolean("persistence_mode", "persistence_mode", _ENABLED)
    values.boolean("mig_mode", "mig_mode/current_mig", _ENABLED)
    values.boolean("ecc_is_enabled", "ecc_mode/current_ecc", _ENABLED)
    values.boolean("remapped_rows_are_pending", "remapped_rows/remapped_row_pending", _YES)
    values.boolean("remapped_rows_failed", "remapped_rows/remapped_row_failure", _YES)
    if refusal_of(text_of(element, "remapped_rows") or "x"):
        rows = ("corrected", "uncorrected", "are_pending", "failed")
        values.reasons.update({f"remapped_rows_{name}": NOT_SUPPORTED for name in rows})
    _fill_errors(values)
    _fill_clock_events(values)
    fan = Values(element, gate)
    fan.number(at("speed_percent", "fan_speed"))
    values["fans"] = (Fan(speed_percent=fan["speed_percent"]),) if "speed_percent" in fan else None
    if "speed_percent" in fan.reasons:
        values.reasons["fans"] = "no fan reported: cooled by the chassis"
    if "slowdown_temperature_celsius" not in values and element.find("temperature/gpu_temp_tlimit") is not None:
        values.reasons.update(slowdown_temperature_celsius=AS_MARGIN, shutdown_temperature_celsius=AS_MARGIN)
    if values.get("mig_mode"):
        silent = [name for name in GPU_METRICS if name.endswith("utilization_percent") and name not in values]
        values.reasons.update(dict.fromkeys(silent, IN_MIG_MODE))
    instances = tuple(_instance(each) for each in element.findall("mig_devices/mig_device"))
    values["processes"] = _processes(element, instances)
    values["memory_used_percent"] = used_percent(values.get("memory_used_bytes"), values.get("memory_total_bytes"))
    values["memory_unattributed_bytes"] = unattributed_bytes(values.get("memory_used_bytes"), values["processes"])
    bus = element.get("id") or text_of(element, "pci/pci_bus_id")
    values["pci_bus_id"] = LONG_PCI_DOMAIN.sub("", bus.strip().lower()) if bus else None
    is_lost = any(
        refusal_of(text) == LOST
        for text in (text_of(element, "uuid") or "", text_of(element, "utilization/gpu_util") or "")
    )
    return Gpu(
        index=index,
        uuid=known_text(element, "uuid") or f"pci-{values['pci_bus_id'] or index}",
        name=known_text(element, "product_name") or "NVIDIA GPU",
        state="lost" if is_lost else "ok",
        mig_instances=instances,
        unavailable=explain(values, GPU_METRICS, values.reasons, NOT_REPORTED),
        **values,
    )  # fmt: skip


def _fill_errors(values: Values) -> None:
    """ECC counts (nested by cell, or flat by memory since Ampere) and retired pages of both causes together."""
    for period in ("volatile", "aggregate"):
        for kind, old, new in (
            ("corrected", "single_bit", "correctable"),
            ("uncorrected", "double_bit", "uncorrectable"),
        ):
            metric = f"ecc_{kind}_{period}"
            base = f"ecc_errors/{period}"
            total = values.text(metric, f"{base}/{old}/total")
            names = [
                f"{base}/{memory}_{new}{cause}" for memory in ("sram", "dram") for cause in ("", "_parity", "_secded")
            ]
            parts = [values.text(metric, name) for name in names]
            counts = [
                int(text) for text in ([total] if total is not None else parts) if text is not None and text.isdigit()
            ]
            if counts:
                values[metric] = sum(counts)
                values.reasons.pop(metric, None)
    retired = [
        values.text("retired_pages", f"retired_pages/{cause}/retired_count")
        for cause in ("multiple_single_bit_retirement", "double_bit_retirement")
    ]
    if all(text is not None and text.isdigit() for text in retired):
        values["retired_pages"] = sum(int(text or 0) for text in retired)


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


def _instance(element: ET.Element) -> MigInstance:
    values = Values(element, PercentGate())
    for metric, path in (
        ("index", "index"),
        ("gpu_instance_id", "gpu_instance_id"),
        ("compute_instance_id", "compute_instance_id"),
        ("memory_total_bytes", "fb_memory_usage/total"),
        ("memory_used_bytes", "fb_memory_usage/used"),
        ("memory_free_bytes", "fb_memory_usage/free"),
        ("memory_reserved_bytes", "fb_memory_usage/reserved"),
    ):
        values.number(count(metric, path))
    values["uuid"] = values.text("uuid", "uuid")
    known = {name: values.get(name) for name in MigInstance.__struct_fields__ if name not in ("index", "unavailable")}
    missing = [name for name, value in known.items() if value is None]
    return MigInstance(
        index=values.get("index", 0), unavailable=explain(known, missing, values.reasons, NOT_REPORTED), **known
    )  # fmt: skip


def _processes(element: ET.Element, instances: tuple[MigInstance, ...]) -> tuple[GpuProcess, ...] | None:
    block = element.find("processes")
    if block is None or (len(block) == 0 and refusal_of((block.text or "").strip())):
        return None
    by_ids = {(each.gpu_instance_id, each.compute_instance_id): each.index for each in instances}
    rows: dict[int, GpuProcess] = {}
    for info in block.findall("process_info"):
        pid = text_of(info, "pid") or ""
        if not pid.isdigit() or int(pid) == 0:
            continue
        process = _process(info, int(pid), by_ids)
        known = rows.get(process.pid)
        rows[process.pid] = process if known is None else _merged(known, process)
    return tuple(rows.values())


def _process(info: ET.Element, pid: int, by_ids: dict[tuple[int | None, int | None], int]) -> GpuProcess:
    values = Values(info, PercentGate())
    values.number(count("memory_used_bytes", "used_memory"))
    ids = tuple(int(text) if (text := known_text(info, name)) and text.isdigit() else None
                for name in ("gpu_instance_id", "compute_instance_id"))  # fmt: skip
    command = known_text(info, "process_name")
    reasons = explain(values, PROCESS_METRICS, values.reasons, NOT_REPORTED)
    return GpuProcess(
        pid=pid,
        types=tuple(_TYPES[letter] for letter in (text_of(info, "type") or "").split("+") if letter in _TYPES),
        mig_instance=by_ids.get((ids[0], ids[1])),
        name=_short_name(command) if command else None,
        command=command,
        memory_used_bytes=values.get("memory_used_bytes"),
        unavailable=reasons,
    )


def _short_name(command: str) -> str:
    """The file name in the first word, or in a whole Windows path, which can contain spaces."""
    program = command if _DRIVE.match(command) else command.split(" ", 1)[0]
    return program.replace("\\", "/").rpartition("/")[2] or program


def _merged(known: GpuProcess, again: GpuProcess) -> GpuProcess:
    """One process from two entries: both types, and the memory size that is known."""
    types = tuple(dict.fromkeys((*known.types, *again.types)))
    first, second = (known, again) if known.memory_used_bytes is not None else (again, known)
    return GpuProcess(
        **{
            name: getattr(first, name) if getattr(first, name) is not None else getattr(second, name)
            for name in GpuProcess.__struct_fields__
            if name != "types"
        },
        types=types,
    )
