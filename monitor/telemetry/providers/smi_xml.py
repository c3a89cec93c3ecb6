"""Parses one document of `nvidia-smi -q -x`, driver schemas v11 to v13. Missing values are None, with a reason.

The documents come from the driver's own program, so the standard parser is used. It does not load DTDs.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # nosec
from typing import Any, NamedTuple

from monitor.telemetry.providers.base import (
    GPU_METRICS,
    LONG_PCI_DOMAIN,
    NO_PERMISSION,
    NOT_SUPPORTED,
    PROCESS_METRICS,
    PercentGate,
    explain,
    unattributed_bytes,
    used_percent,
)
from monitor.telemetry.providers.program import NotADocument
from monitor.telemetry.schema import Fan, Gpu, GpuProcess, MigInstance, ProcessType, Reading

NOT_REPORTED = "not reported by this nvidia-smi"
AS_MARGIN = "this driver reports only the margin to the limit"
IN_MIG_MODE = "not available while the GPU is in MIG mode"
LOST = "the GPU is lost: it has fallen off the bus"

_REFUSALS = {
    "n/a": NOT_SUPPORTED,
    "not supported": NOT_SUPPORTED,
    "not available": NOT_SUPPORTED,
    "unknown error": "the driver returned an unknown error",
    "err!": "the driver returned an error",
    "requested functionality has been deprecated": "this driver no longer reports it",
    "insufficient permissions": NO_PERMISSION,
    "no permission": NO_PERMISSION,
    "gpu requires reset": "the GPU requires a reset",
    "gpu access blocked by the operating system": "the operating system (WSL) blocks it",
    "gpu is lost": LOST,
}
_UNITS = {
    "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
    "kb/s": 1e3, "mb/s": 1e6, "gb/s": 1e9,
    "w": 1, "mw": 1e-3, "c": 1, "mhz": 1, "%": 1, "x": 1, "": 1, "j": 1, "mj": 1e-3, "rpm": 1,
}  # fmt: skip
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)\s*([A-Za-z%/]*)")
_DRIVE = re.compile(r"[A-Za-z]:\\")
_TYPES: dict[str, ProcessType] = {"C": "compute", "G": "graphics", "M": "mps"}


class Field(NamedTuple):
    """Where a metric is found: paths in order of preference, and whether it is an integer."""

    metric: str
    paths: tuple[str, ...]
    is_whole: bool = False


def _at(metric: str, *paths: str) -> Field:
    return Field(metric, paths)


def _count(metric: str, *paths: str) -> Field:
    return Field(metric, paths, is_whole=True)


_POWER_LIMITS = ("current_power_limit", "enforced_power_limit", "power_limit")
_POWER = ("gpu_power_readings", "power_readings")
NUMBERS: tuple[Field, ...] = (
    _at("utilization_percent", "utilization/gpu_util"),
    _at("memory_utilization_percent", "utilization/memory_util"),
    _at("encoder_utilization_percent", "utilization/encoder_util"),
    _at("decoder_utilization_percent", "utilization/decoder_util"),
    _at("jpeg_utilization_percent", "utilization/jpeg_util"),
    _at("ofa_utilization_percent", "utilization/ofa_util"),
    _count("memory_total_bytes", "fb_memory_usage/total"),
    _count("memory_used_bytes", "fb_memory_usage/used"),
    _count("memory_free_bytes", "fb_memory_usage/free"),
    _count("memory_reserved_bytes", "fb_memory_usage/reserved"),
    _count("bar1_total_bytes", "bar1_memory_usage/total"),
    _count("bar1_used_bytes", "bar1_memory_usage/used"),
    _at("temperature_celsius", "temperature/gpu_temp"),
    _at("memory_temperature_celsius", "temperature/memory_temp"),
    _at("slowdown_temperature_celsius", "temperature/gpu_temp_slow_threshold"),
    _at("shutdown_temperature_celsius", "temperature/gpu_temp_max_threshold"),
    _at("power_watts", *(f"{block}/{name}" for name in ("instant_power_draw", "power_draw") for block in _POWER)),
    _at("power_average_watts", *(f"{block}/average_power_draw" for block in _POWER)),
    _at("power_limit_watts", *(f"{block}/{name}" for name in _POWER_LIMITS for block in _POWER)),
    _at("power_default_limit_watts", *(f"{block}/default_power_limit" for block in _POWER)),
    _at("power_min_limit_watts", *(f"{block}/min_power_limit" for block in _POWER)),
    _at("power_max_limit_watts", *(f"{block}/max_power_limit" for block in _POWER)),
    _at("graphics_clock_mhz", "clocks/graphics_clock"),
    _at("sm_clock_mhz", "clocks/sm_clock"),
    _at("memory_clock_mhz", "clocks/mem_clock"),
    _at("video_clock_mhz", "clocks/video_clock"),
    _at("graphics_clock_max_mhz", "max_clocks/graphics_clock"),
    _at("sm_clock_max_mhz", "max_clocks/sm_clock"),
    _at("memory_clock_max_mhz", "max_clocks/mem_clock"),
    _at("video_clock_max_mhz", "max_clocks/video_clock"),
    _count("pcie_generation", "pci/pci_gpu_link_info/pcie_gen/current_link_gen"),
    _count("pcie_generation_max", "pci/pci_gpu_link_info/pcie_gen/max_link_gen"),
    _count("pcie_width", "pci/pci_gpu_link_info/link_widths/current_link_width"),
    _count("pcie_width_max", "pci/pci_gpu_link_info/link_widths/max_link_width"),
    _at("pcie_rx_bytes_per_second", "pci/rx_util"),
    _at("pcie_tx_bytes_per_second", "pci/tx_util"),
    _count("pcie_replays", "pci/replay_counter"),
    _count("remapped_rows_corrected", "remapped_rows/remapped_row_corr"),
    _count("remapped_rows_uncorrected", "remapped_rows/remapped_row_unc"),
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
        driver_version=_known(root, "driver_version"),
        cuda_version=_known(root, "cuda_version"),
        clamped_count=gate.clamped_count,
    )


class _Values(dict[str, Any]):
    """The metrics found so far of one element, and the reasons for the missing ones."""

    def __init__(self, element: ET.Element, gate: PercentGate) -> None:
        super().__init__()
        self.element = element
        self.gate = gate
        self.reasons: dict[str, str] = {}

    def text(self, metric: str, *paths: str) -> str | None:
        """The text at the first path that has a value; a refusal becomes the reason of `metric`."""
        for path in paths:
            text = _text(self.element, path)
            if text is None:
                continue
            refusal = _refusal(text)
            if refusal is None:
                return text
            self.reasons.setdefault(metric, refusal)
        return None

    def number(self, field: Field) -> None:
        """Convert a number to the schema's unit; percentages are clamped."""
        text = self.text(field.metric, *field.paths)
        if text is None:
            return
        match = _NUMBER.fullmatch(text)
        if match is None or match.group(2).lower() not in _UNITS:
            self.reasons[field.metric] = f"nvidia-smi printed {text!r}"
            return
        value = float(match.group(1)) * _UNITS[match.group(2).lower()]
        if field.metric.endswith("_percent"):
            value = self.gate(value, field.metric)
        self[field.metric] = int(value) if field.is_whole else value
        self.reasons.pop(field.metric, None)

    def said(self, metric: str, path: str, meaning: dict[str, bool]) -> None:
        """Take a boolean in nvidia-smi's words."""
        text = self.text(metric, path)
        if text is not None:
            answer = meaning.get(text.lower())
            if answer is None:
                self.reasons[metric] = f"nvidia-smi printed {text!r}"
            self[metric] = answer


_ENABLED = {"enabled": True, "disabled": False}
_YES = {"yes": True, "no": False}


def _gpu(index: int, element: ET.Element, gate: PercentGate) -> Gpu:
    values = _Values(element, gate)
    for field in NUMBERS:
        values.number(field)
    values["architecture"] = values.text("architecture", "product_architecture")
    values["brand"] = values.text("brand", "product_brand")
    values["vbios_version"] = values.text("vbios_version", "vbios_version")
    values["performance_state"] = values.text("performance_state", "performance_state")
    mode = values.text("compute_mode", "compute_mode")
    values["compute_mode"] = mode.lower().replace("_", " ") if mode else None
    values.said("persistence_mode", "persistence_mode", _ENABLED)
    values.said("mig_mode", "mig_mode/current_mig", _ENABLED)
    values.said("ecc_is_enabled", "ecc_mode/current_ecc", _ENABLED)
    values.said("remapped_rows_are_pending", "remapped_rows/remapped_row_pending", _YES)
    values.said("remapped_rows_failed", "remapped_rows/remapped_row_failure", _YES)
    if _refusal(_text(element, "remapped_rows") or "x"):
        rows = ("corrected", "uncorrected", "are_pending", "failed")
        values.reasons.update({f"remapped_rows_{name}": NOT_SUPPORTED for name in rows})
    _fill_errors(values)
    _fill_clock_events(values)
    fan = _Values(element, gate)
    fan.number(_at("speed_percent", "fan_speed"))
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
    bus = element.get("id") or _text(element, "pci/pci_bus_id")
    values["pci_bus_id"] = LONG_PCI_DOMAIN.sub("", bus.strip().lower()) if bus else None
    is_lost = any(
        _refusal(text) == LOST for text in (_text(element, "uuid") or "", _text(element, "utilization/gpu_util") or "")
    )
    return Gpu(
        index=index,
        uuid=_known(element, "uuid") or f"pci-{values['pci_bus_id'] or index}",
        name=_known(element, "product_name") or "NVIDIA GPU",
        state="lost" if is_lost else "ok",
        mig_instances=instances,
        unavailable=explain(values, GPU_METRICS, values.reasons, NOT_REPORTED),
        **values,
    )  # fmt: skip


def _fill_errors(values: _Values) -> None:
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


def _fill_clock_events(values: _Values) -> None:
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
        if element is not None and (refusal := _refusal((element.text or "").strip())):
            values.reasons["clock_event_reasons"] = refusal


def _instance(element: ET.Element) -> MigInstance:
    values = _Values(element, PercentGate())
    for metric, path in (
        ("index", "index"),
        ("gpu_instance_id", "gpu_instance_id"),
        ("compute_instance_id", "compute_instance_id"),
        ("memory_total_bytes", "fb_memory_usage/total"),
        ("memory_used_bytes", "fb_memory_usage/used"),
        ("memory_free_bytes", "fb_memory_usage/free"),
        ("memory_reserved_bytes", "fb_memory_usage/reserved"),
    ):
        values.number(_count(metric, path))
    values["uuid"] = values.text("uuid", "uuid")
    known = {name: values.get(name) for name in MigInstance.__struct_fields__ if name not in ("index", "unavailable")}
    missing = [name for name, value in known.items() if value is None]
    return MigInstance(
        index=values.get("index", 0), unavailable=explain(known, missing, values.reasons, NOT_REPORTED), **known
    )  # fmt: skip


def _processes(element: ET.Element, instances: tuple[MigInstance, ...]) -> tuple[GpuProcess, ...] | None:
    block = element.find("processes")
    if block is None or (len(block) == 0 and _refusal((block.text or "").strip())):
        return None
    by_ids = {(each.gpu_instance_id, each.compute_instance_id): each.index for each in instances}
    rows: dict[int, GpuProcess] = {}
    for info in block.findall("process_info"):
        pid = _text(info, "pid") or ""
        if not pid.isdigit() or int(pid) == 0:
            continue
        process = _process(info, int(pid), by_ids)
        known = rows.get(process.pid)
        rows[process.pid] = process if known is None else _merged(known, process)
    return tuple(rows.values())


def _process(info: ET.Element, pid: int, by_ids: dict[tuple[int | None, int | None], int]) -> GpuProcess:
    values = _Values(info, PercentGate())
    values.number(_count("memory_used_bytes", "used_memory"))
    ids = tuple(int(text) if (text := _known(info, name)) and text.isdigit() else None
                for name in ("gpu_instance_id", "compute_instance_id"))  # fmt: skip
    command = _known(info, "process_name")
    reasons = explain(values, PROCESS_METRICS, values.reasons, NOT_REPORTED)
    return GpuProcess(
        pid=pid,
        types=tuple(_TYPES[letter] for letter in (_text(info, "type") or "").split("+") if letter in _TYPES),
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


def _text(element: ET.Element, path: str) -> str | None:
    found = element.find(path)
    return None if found is None or found.text is None else found.text.strip()


def _known(element: ET.Element, path: str) -> str | None:
    text = _text(element, path)
    return None if not text or _refusal(text) else text


def _refusal(text: str) -> str | None:
    """The reason if nvidia-smi printed one in place of a value: `N/A`, `[Unknown Error]`."""
    return _REFUSALS.get(text.strip().strip("[]").strip().lower())
