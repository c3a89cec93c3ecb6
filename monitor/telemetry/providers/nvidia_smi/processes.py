"""The processes and MIG instances of one GPU in a report of `nvidia-smi -q -x`."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # nosec

from monitor.telemetry.providers.base import PROCESS_METRICS, explain
from monitor.telemetry.providers.nvidia_smi.values import NOT_REPORTED, Values, count, refusal_of, reports, text_of
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.schema import GpuProcess, MigInstance, ProcessType

_DRIVE = re.compile(r"[A-Za-z]:\\")
_TYPES: dict[str, ProcessType] = {"C": "compute", "G": "graphics", "M": "mps"}
_PID = re.compile(r"0{0,20}[1-9][0-9]{0,9}")
"""Linux has PIDs of up to 22 bits, Windows of 32."""
_INSTANCES = 1 << 16
"""More MIG instances than any GPU has (7)."""
_INSTANCE_IDS = (count("gpu_instance_id", "gpu_instance_id"), count("compute_instance_id", "compute_instance_id"))
_NO_NAME = re.compile(r"|-+|none", re.IGNORECASE)


def instances_in(values: Values, bounds: Bounds) -> tuple[MigInstance, ...]:
    """The MIG instances of a GPU."""
    return tuple(_instance(each, bounds) for each in values.element.findall("mig_devices/mig_device"))


def _instance(element: ET.Element, bounds: Bounds) -> MigInstance:
    values = Values(element)
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
    values.reasons.update(bounds.check(values))
    for metric in ("index", "gpu_instance_id", "compute_instance_id"):
        if not 0 <= values.get(metric, 0) < _INSTANCES:
            values.reasons[metric] = reports(str(values.pop(metric)))
    values["uuid"] = values.text("uuid", "uuid")
    known = {name: values.get(name) for name in MigInstance.__struct_fields__ if name not in ("index", "unavailable")}
    missing = [name for name, value in known.items() if value is None]
    return MigInstance(
        index=values.get("index", 0), unavailable=explain(known, missing, values.reasons, NOT_REPORTED), **known
    )  # fmt: skip


def processes_in(
    values: Values, instances: tuple[MigInstance, ...], bounds: Bounds, memory_total_bytes: int | None
) -> tuple[GpuProcess, ...] | None:
    """The processes of a GPU, each once; None where nvidia-smi lists none, with the reason in `values`."""
    block = values.element.find("processes")
    if block is None:
        return None
    if len(block) == 0 and (reason := refusal_of(block.text or "")):
        values.reasons["processes"] = reason
        return None
    by_ids = {(each.gpu_instance_id, each.compute_instance_id): each.index for each in instances}
    rows: dict[int, GpuProcess] = {}
    for info in block.findall("process_info"):
        pid = text_of(info, "pid") or ""
        if not _PID.fullmatch(pid):
            continue
        process = _process(info, int(pid), by_ids, bounds, memory_total_bytes)
        known = rows.get(process.pid)
        rows[process.pid] = process if known is None else _merged(known, process)
    return tuple(rows.values())


def _process(
    info: ET.Element,
    pid: int,
    by_ids: dict[tuple[int | None, int | None], int],
    bounds: Bounds,
    memory_total_bytes: int | None,
) -> GpuProcess:
    values = Values(info)
    for field in (count("memory_used_bytes", "used_memory"), *_INSTANCE_IDS):
        values.number(field)
    values.reasons.update(bounds.check(values, memory_total_bytes))
    command = text_of(info, "process_name") or ""
    reasons = explain(values, PROCESS_METRICS, values.reasons, NOT_REPORTED)
    if _NO_NAME.fullmatch(command) or refusal_of(command):
        command, reasons["name"] = "", refusal_of(command) or reports(command)
        reasons["command"] = reasons["name"]
    return GpuProcess(
        pid=pid,
        types=tuple(_TYPES[letter] for letter in (text_of(info, "type") or "").split("+") if letter in _TYPES),
        mig_instance=by_ids.get((values.get("gpu_instance_id"), values.get("compute_instance_id"))),
        name=_short_name(command) or None,
        command=command or None,
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
