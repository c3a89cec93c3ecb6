"""Parses the arrays that `nvtop -s` and `nvtop -l` print. Every value is a string or null; keys differ by version.

Names are printed unescaped and 3.3.0 and 3.3.1 leave out commas, so the text is repaired before it is parsed.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from monitor.telemetry.providers.base import (
    GPU_METRICS,
    PROCESS_METRICS,
    explain,
    unattributed_bytes,
    used_percent,
)
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.providers.program import NotADocument
from monitor.telemetry.schema import Fan, Gpu, GpuProcess, ProcessType

NOT_REPORTED = "not reported by nvtop"
DAMAGED = "this GPU's part of nvtop's output is damaged"
SHARED_ENGINE = "this GPU has one engine for encoding and decoding, and nvtop reports only their sum"
LARGER_CLOCK = "nvtop reports the larger of graphics and SM clock, shown as the graphics clock"
NO_GPU = "No GPU to monitor"
_NO_SIZE = (1 << 64) - 1
"""The driver's “not available”, which nvtop prints as a number."""
_MISSING_COMMA = re.compile(r'("|null)\n(\s+")')
_NAME_LINE = re.compile(r'^([^\S\n]*"(?:device_name|user)"[^\S\n]*:[^\S\n]*)"(.*)"(,?[^\S\n]*)$', re.MULTILINE)
_GPU_STARTS = re.compile(r'^[^\S\n]*\{\s*"device_name"', re.MULTILINE)
_LINE = re.compile(r'^\s*+(?:\{\s*+)?"(\w++)"\s*+:\s*+"(.*)"(?=\s*+,?\s*+$)\s*+,?\s*+')
_NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")
_NUMBER = re.compile(r"(-?[0-9]{1,40}(?:\.[0-9]{1,40})?)\s*(%|MHz|GHz|C|F|W|RPM)?")
_SIZE = re.compile(r"-?[0-9]{1,40}")
_PID = re.compile(r"0{0,20}[1-9][0-9]{0,9}")
_KINDS: dict[str, tuple[ProcessType, ...]] = {
    "graphic": ("graphics",),
    "compute": ("compute",),
    "graphic & compute": ("compute", "graphics"),
}
_BRANDS = ("GeForce", "Quadro", "Tesla", "Radeon", "Instinct", "Arc", "Iris", "UHD Graphics", "Apple", "Adreno", "Mali")


def split(buffer: bytearray) -> bytes | None:
    """The first whole array. Its end is the only `]` at the start of a line; nothing is printed between two arrays."""
    end = buffer.find(b"\n]")
    if end < 0:
        return None
    document = bytes(buffer[: end + 2])
    del buffer[: end + 2]
    return document.lstrip()


def parse(document: bytes, bounds: Bounds) -> tuple[Gpu, ...]:
    """The GPUs of one array. Damage to one costs no other. Raises NotADocument if it is no array of GPUs."""
    text = document.decode("utf-8", errors="replace").strip()
    try:
        found = _load(text)
    except ValueError as error:
        starts = [match.start() for match in _GPU_STARTS.finditer(text)]
        if not starts:
            raise NotADocument(str(error)) from error
        parts = [text[at:after] for at, after in itertools.pairwise([*starts, len(text)])]
        return tuple(_gpu_of_part(index, part.rstrip(" \t\r\n],"), bounds) for index, part in enumerate(parts))
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise NotADocument("not an array of objects")
    return tuple(_gpu(index, each, bounds) for index, each in enumerate(found))


def _load(text: str) -> Any:
    """Raises ValueError, that of the text as it is."""
    problem = None
    with_commas = _MISSING_COMMA.sub(r"\1,\n\2", text)
    for attempt in dict.fromkeys((text, with_commas, _escape_names(text), _escape_names(with_commas))):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError) as error:
            problem = problem or error
    raise ValueError(str(problem))


def _gpu_of_part(index: int, part: str, bounds: Bounds) -> Gpu:
    """One GPU, from its lines if its part is no JSON."""
    try:
        found = _load(part)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return _gpu(index, found, bounds)
    lines = part.partition('"processes"')[0].splitlines()
    given = {match[1]: match[2] for line in lines if (match := _LINE.fullmatch(line)) is not None}
    return _gpu(index, given, bounds, default=DAMAGED)


def _escape_names(text: str) -> str:
    """Escape quotes and backslashes within the values of `device_name` and `user`, which nvtop does not."""

    def escaped(match: re.Match[str]) -> str:
        inner = match.group(2).replace("\\", "\\\\").replace('"', '\\"')
        return f'{match.group(1)}"{inner}"{match.group(3)}'

    return _NAME_LINE.sub(escaped, text)


class _Values(dict[str, Any]):
    """The metrics found so far of one GPU or process, and the reasons for the missing ones."""

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__()
        self.given = given
        self.reasons: dict[str, str] = {}

    def number(self, metric: str, key: str) -> None:
        """Convert a number to the schema's unit."""
        text = self.given.get(key)
        if text is None:
            return
        match = _NUMBER.fullmatch(str(text).strip())
        if match is None:
            self.reasons[metric] = f"nvtop printed {str(text)[:60]!r}"
            return
        value, unit = float(match.group(1)), match.group(2)
        if unit == "F":
            value = round((value - 32) * 5 / 9, 1)
        elif unit == "GHz":
            value *= 1000
        self[metric] = value

    def size(self, metric: str, key: str) -> None:
        """Take a number of bytes."""
        text = self.given.get(key)
        if text is None:
            return
        if str(text) == str(_NO_SIZE):
            self.reasons[metric] = "not available from this driver"
        elif _SIZE.fullmatch(str(text)):
            self[metric] = int(text)
        else:
            self.reasons[metric] = f"nvtop printed {str(text)[:60]!r}"


def _gpu(index: int, given: dict[str, Any], bounds: Bounds, default: str = NOT_REPORTED) -> Gpu:
    name = str(given.get("device_name") or "GPU")
    values = _Values(given)
    values.number("utilization_percent", "gpu_util")
    values.number("temperature_celsius", "temp")
    values.number("power_watts", "power_draw")
    values.number("graphics_clock_mhz", "gpu_clock")
    values.number("memory_clock_mhz", "mem_clock")
    values.number("memory_used_percent", "mem_util")
    values.size("memory_total_bytes", "mem_total")
    values.size("memory_used_bytes", "mem_used")
    values.size("memory_free_bytes", "mem_free")
    values.reasons["sm_clock_mhz"] = LARGER_CLOCK
    _fill_engines(values)
    values["fans"] = _fans(values, bounds)
    values.reasons.update(bounds.check(values))
    values["brand"] = next((brand for brand in _BRANDS if brand.lower() in name.lower()), None)
    exact = used_percent(values.get("memory_used_bytes"), values.get("memory_total_bytes"))
    if exact is not None:
        values["memory_used_percent"] = exact
    values["processes"] = _processes(given, values.get("memory_total_bytes"), bounds)
    values["memory_unattributed_bytes"] = unattributed_bytes(values.get("memory_used_bytes"), values["processes"])
    return Gpu(
        index=index,
        # nvtop reports neither UUID nor PCI address, so identical cards differ only by their position.
        uuid=f"nvtop-{index}-{_NOT_IN_AN_ID.sub('-', name.lower()).strip('-')}",
        name=name,
        memory_is_unified=given.get("fan_speed") == "CPU Fan",
        unavailable=explain(values, GPU_METRICS, values.reasons, default),
        **values,
    )


def _fill_engines(values: _Values) -> None:
    if "encode_decode" in values.given:
        values.reasons.update(encoder_utilization_percent=SHARED_ENGINE, decoder_utilization_percent=SHARED_ENGINE)
    values.number("encoder_utilization_percent", "encode")
    values.number("decoder_utilization_percent", "decode")


def _fans(values: _Values, bounds: Bounds) -> tuple[Fan, ...] | None:
    text = values.given.get("fan_speed")
    if text is None:
        return None
    if text == "CPU Fan":
        return ()  # an integrated GPU, cooled with the processor
    metric = "speed_rpm" if str(text).endswith("RPM") else "speed_percent"
    fan = _Values(values.given)
    fan.number(metric, "fan_speed")
    fan.reasons.update(bounds.check(fan))
    if fan.get(metric) is None:
        values.reasons["fans"] = fan.reasons[metric]
        return None
    return (Fan(**fan),)


def _processes(given: dict[str, Any], total: int | None, bounds: Bounds) -> tuple[GpuProcess, ...] | None:
    listed = given.get("processes")
    if not isinstance(listed, list):
        return None
    rows: dict[int, GpuProcess] = {}
    for each in listed:
        if not isinstance(each, dict):
            continue
        pid = str(each.get("pid") or "")
        if not _PID.fullmatch(pid):
            continue
        process = _process(int(pid), each, total, bounds)
        known = rows.get(process.pid)
        if known is None:
            rows[process.pid] = process
        else:  # NVIDIA: a process that computes and draws is listed twice
            types = tuple(sorted({*known.types, *process.types}))
            rows[process.pid] = GpuProcess(
                **{field: getattr(known, field) for field in GpuProcess.__struct_fields__ if field != "types"}, types=types
            )  # fmt: skip
    return tuple(rows.values())


def _process(pid: int, given: dict[str, Any], total: int | None, bounds: Bounds) -> GpuProcess:
    values = _Values(given)
    values.number("sm_utilization_percent", "gpu_usage")
    values.size("memory_used_bytes", "gpu_mem_bytes_alloc")
    _fill_engines(values)
    values.reasons.update(bounds.check(values, total))
    command, user = given.get("cmdline"), given.get("user")
    return GpuProcess(
        pid=pid,
        types=_KINDS.get(str(given.get("kind")), ()),
        user=str(user) if user else None,
        name=str(command).split(" ", 1)[0].rsplit("/", 1)[-1] if command else None,
        command=str(command) if command else None,
        unavailable=explain(values, PROCESS_METRICS, values.reasons, NOT_REPORTED),
        **values,
    )
