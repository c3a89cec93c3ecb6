"""The evidence of an alert: readings of 15 minutes before and after it fired, the processes at that moment, and Xid errors.

Times are seconds from the moment it fired, so that they stay true if the clock is set. Stored packed: about 2 bytes a value.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from monitor.telemetry.schema import GpuProcess
from monitor.unreadable import UNREADABLE

BEFORE_SECONDS = 900.0
AFTER_SECONDS = 900.0
_VERSION = 1
_TIMES_A_SECOND = 10
_LARGEST = 99_999
"""Of the scaled differences: a value is kept to a hundred-thousandth of its line's range."""
_MOST_DECIMALS = 3


class UnreadableEvidence(Exception):
    """The stored bytes are damaged, or another version wrote them."""


class Line(msgspec.Struct, frozen=True):
    """The values of one metric of the alert's GPU, process or host, one for each of the evidence's times."""

    metric: str
    """By struct and field: gpu.temperature_celsius."""
    values: tuple[float | None, ...]
    """None: unknown then."""
    top: float | None = None
    """The most that the GPU can reach, where it says so: its power limit, its highest clock, its memory."""


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """A span in which no value was known, and why."""

    start: float
    end: float
    reason: str


class SeenXid(msgspec.Struct, frozen=True, array_like=True):
    """An Xid error within the span."""

    at: float
    gpu_index: int
    code: int
    count: int
    """How often the driver had reported the code until then, since gpumon began to listen."""


class KernelLine(msgspec.Struct, frozen=True, array_like=True):
    """What the kernel's log says about an Xid within the span. It may name a process."""

    at: float
    gpu_index: int
    text: str


class GpuThen(msgspec.Struct, frozen=True):
    """A GPU at the moment when the alert fired."""

    index: int
    uuid: str
    processes: tuple[GpuProcess, ...] | None
    """Those with the most memory first; None if the list was unavailable."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is kept with one alert."""

    recorded_with: str = ""
    """The id of an earlier alert of the same rule about the same, which has the lines, gaps and Xid errors: an alert that flaps
    records them once.
    """
    times: tuple[float, ...] = ()
    lines: tuple[Line, ...] = ()
    gaps: tuple[Gap, ...] = ()
    gpus: tuple[GpuThen, ...] = ()
    """The alert's GPU; every GPU, if the alert is about the host."""
    unlisted_processes: int = 0
    xids: tuple[SeenXid, ...] = ()
    kernel_lines: tuple[KernelLine, ...] = ()
    """Of the GPUs that reported an Xid or were lost."""
    kernel_log_note: str = ""
    """Why lines are missing; empty if none are, or none was looked for."""


class _PackedLine(msgspec.Struct, frozen=True, array_like=True):
    metric: str
    top: float | None
    base: float
    decimals: int
    steps: list[int | None]
    """Differences from one known value to the next, times ten to the power of `decimals`."""


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    version: int
    recorded_with: str
    time_steps: list[int]
    lines: list[_PackedLine]
    gaps: list[Gap]
    gpus: list[tuple[int, str, list[dict[str, Any]] | None]]
    unlisted_processes: int
    xids: list[SeenXid]
    kernel_lines: list[KernelLine] = []
    kernel_log_note: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)


def pack(evidence: Evidence) -> bytes:
    """The bytes to store. Times keep a tenth of a second."""
    tenths = [round(time * _TIMES_A_SECOND) for time in evidence.times]
    packed = _Packed(
        _VERSION,
        evidence.recorded_with,
        [*tenths[:1], *[after - before for before, after in pairwise(tenths)]],
        [_packed_line(line) for line in evidence.lines],
        list(evidence.gaps),
        [(gpu.index, gpu.uuid, _packed_processes(gpu.processes)) for gpu in evidence.gpus],
        evidence.unlisted_processes,
        list(evidence.xids),
        list(evidence.kernel_lines),
        evidence.kernel_log_note,
    )
    return zlib.compress(_encoder.encode(packed), 9)


def unpack(data: bytes) -> Evidence:
    """The evidence of stored bytes. Raises UnreadableEvidence."""
    try:
        packed = _decoder.decode(zlib.decompress(data))
        gpus = tuple(
            GpuThen(index, uuid, None if found is None else tuple(msgspec.convert(each, GpuProcess) for each in found))
            for index, uuid, found in packed.gpus
        )
    except (zlib.error, *UNREADABLE) as error:
        raise UnreadableEvidence(f"the stored evidence cannot be read ({error})") from error
    if packed.version != _VERSION:
        raise UnreadableEvidence(f"the evidence is stored in form {packed.version}, which is unknown here")
    return Evidence(
        recorded_with=packed.recorded_with,
        times=tuple(tenths / _TIMES_A_SECOND for tenths in accumulate(packed.time_steps)),
        lines=tuple(Line(line.metric, _values(line), line.top) for line in packed.lines),
        gaps=tuple(packed.gaps),
        gpus=gpus,
        unlisted_processes=packed.unlisted_processes,
        xids=tuple(packed.xids),
        kernel_lines=tuple(packed.kernel_lines),
        kernel_log_note=packed.kernel_log_note,
    )


def _packed_line(line: Line) -> _PackedLine:
    known = [value for value in line.values if value is not None]
    base = known[0] if known else 0.0
    decimals = _decimals(max((abs(value - base) for value in known), default=0.0), known)
    return _PackedLine(line.metric, line.top, base, decimals, _steps(line.values, base, 10.0**decimals))


def _decimals(largest: float, values: Iterable[float]) -> int:
    """As many as the values need, and no more than keep the differences small; negative for large values, such as bytes."""
    if not largest:
        return 0
    most = math.floor(math.log10(_LARGEST / largest))
    needed = 0 if all(float(value).is_integer() for value in values) else _MOST_DECIMALS
    return min(most, needed)


def _steps(values: Sequence[float | None], base: float, scale: float) -> list[int | None]:
    steps: list[int | None] = []
    before = 0
    for value in values:
        if value is None:
            steps.append(None)
            continue
        scaled = round((value - base) * scale)
        steps.append(scaled - before)
        before = scaled
    return steps


def _values(line: _PackedLine) -> tuple[float | None, ...]:
    values: list[float | None] = []
    scaled, scale = 0, 10.0**line.decimals
    for step in line.steps:
        if step is None:
            values.append(None)
            continue
        scaled += step
        values.append(round(line.base + scaled / scale, _MOST_DECIMALS))
    return tuple(values)


def _packed_processes(processes: tuple[GpuProcess, ...] | None) -> list[dict[str, Any]] | None:
    """Without what is unknown."""
    if processes is None:
        return None
    return [
        {name: value for name, value in msgspec.to_builtins(process).items() if value is not None and value != {}}
        for process in processes
    ]
