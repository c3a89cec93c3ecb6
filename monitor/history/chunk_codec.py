"""Buckets as the bytes of one row of the database, a tenth of their size in JSON.

    version (1 byte)  CRC-32 of the rest (4)  length of the directory (2)  directory  planes

The directory says which columns there are and how their planes were made, so that a reader inflates only the columns that it
wants, and a metric that another version of gpumon stored can be read without knowing it.
"""

from __future__ import annotations

import math
import struct
import zlib
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress
from typing import cast

import msgspec

from monitor.history import integer_series
from monitor.history.buckets import Buckets, Column, Values
from monitor.history.integer_series import Series
from monitor.history.metrics import Metric

VERSION = 1
_HEAD = struct.Struct("<BI")
_LENGTH = struct.Struct("<H")
_SECONDS_SCALE = 10
"""Of the covered seconds."""
_SCALE_OF_OTHERS = 1000
"""Of metrics that this version does not store, but another did."""
_WORDS = (
    b"throttled_hardware_percentthrottled_other_percentthrottled_thermal_percentthrottled_power_percent"
    b"ofa_utilization_percentjpeg_utilization_percentdecoder_utilization_percentencoder_utilization_percent"
    b"nvlink_tx_bytes_per_secondnvlink_rx_bytes_per_secondpcie_tx_bytes_per_secondpcie_rx_bytes_per_second"
    b"fan_percentmemory_clock_mhzsm_clock_mhzenergy_joulespower_wattshotspot_temperature_celsius"
    b"memory_temperature_celsiusload_1mswap_used_bytescpu_percentmemory_used_percentmemory_used_bytes"
    b"memory_utilization_percentutilization_percent"
)
"""Names that the directory's compression knows beforehand. Part of version 1: never to be changed."""


class DamagedChunk(Exception):
    """These bytes are not a chunk, or one of a newer gpumon."""


class _How(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """How one metric was packed. Where low or high is None it is the mean; where seconds is None they are those of the buckets."""

    scale: int
    """Integers per unit or, if negative, units per integer."""
    unknown: list[int]
    """Lengths of the plane of a 1 where the value is known; empty if it always is."""
    mean: Series
    low: Series | None
    high: Series | None
    seconds: Series | None


class _Column(msgspec.Struct, frozen=True, array_like=True, gc=False):
    name: str
    length: int
    """Of all its planes."""
    how: msgspec.Raw
    """A _How, decoded only if the column is wanted."""


class _Directory(msgspec.Struct, frozen=True, array_like=True, gc=False):
    count: int
    starts: Series
    seconds: Series
    columns: list[_Column]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Directory)
_HOW_DECODER = msgspec.msgpack.Decoder(_How)


def pack(buckets: Buckets, metrics: Iterable[Metric]) -> bytes:
    """The bytes of at least one bucket. The metrics give the scales; a column of none of them is rounded to thousandths."""
    scales = steps_of(metrics)
    covered = _covered(buckets.seconds)
    planes: list[bytes] = []
    starts, seconds = _packed(buckets.starts, planes), _packed(covered, planes)
    columns = []
    for name, column in buckets.columns.items():
        if any(value is not None for value in column.mean):
            how, of_column = _packed_column(
                column, scales.get(name, _SCALE_OF_OTHERS), None if column.seconds is buckets.seconds else covered
            )
            columns.append(_Column(name, sum(map(len, of_column)), msgspec.Raw(_ENCODER.encode(how))))
            planes += of_column
    directory = _deflated(_ENCODER.encode(_Directory(len(buckets.starts), starts, seconds, columns)))
    rest = b"".join([_LENGTH.pack(len(directory)), directory, *planes])
    return _HEAD.pack(VERSION, zlib.crc32(rest)) + rest


def unpack(
    data: bytes,
    wanted: Collection[str] | None = None,
    *,
    start: float = -math.inf,
    end: float = math.inf,
    steps: Steps | None = None,
) -> Buckets:
    """The buckets that start in [start, end), with the columns of these names or with all. Raises DamagedChunk.

    `steps`: leave the values in these steps, for `in_units`. What is rolled up before has fewer values to divide.
    """
    if not data or data[0] != VERSION:
        raise DamagedChunk(f"version {data[0]} is not known" if data else "no bytes")
    if len(data) < _HEAD.size + _LENGTH.size:
        raise DamagedChunk(f"{len(data)} bytes only")
    _version, checksum = _HEAD.unpack_from(data)
    rest = data[_HEAD.size :]
    if zlib.crc32(rest) != checksum:
        raise DamagedChunk("the checksum is wrong")
    try:
        return _unpacked(rest, wanted, start, end, steps or {})
    except (zlib.error, msgspec.MsgspecError, ValueError, IndexError) as error:
        raise DamagedChunk(str(error)) from error


# ── Columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _packed(integers: Sequence[int], planes: list[bytes], reference: Sequence[int] | None = None) -> Series:
    series, of_series = integer_series.pack(integers, reference)
    planes += of_series
    return series


def _packed_column(column: Column, scale: int, covered: list[int] | None) -> tuple[_How, list[bytes]]:
    """`covered`: the seconds of the buckets, None if they are this column's too."""
    is_known = [value is not None for value in column.mean]
    always = all(is_known)
    unknown = [] if always else [integer_series.pack_plane(bytes(is_known))]
    planes = [*unknown]

    def integers(values: Values) -> list[int]:
        known = cast("list[float]", values if always else [*compress(values, is_known)])
        return [round(value * scale) for value in known] if scale > 0 else [round(value / -scale) for value in known]

    mean = integers(column.mean)
    low = mean if column.low is column.mean else integers(column.low)
    high = mean if column.high is column.mean else integers(column.high)
    seconds = None if covered is None else _covered(column.seconds)
    how = _How(
        scale=scale,
        unknown=[*map(len, unknown)],
        mean=_packed(mean, planes),
        low=None if low == mean else _packed(low, planes, mean),
        high=None if high == mean else _packed(high, planes, mean),
        seconds=None if seconds is None or seconds == covered else _packed(seconds, planes),
    )
    return how, planes


def _covered(seconds: list[float]) -> list[int]:
    """In tenths, at least one of what is known."""
    return [max(1, round(each * _SECONDS_SCALE)) if each > 0 else 0 for each in seconds]


def _whole(scale: float) -> int:
    return round(scale) if scale >= 1 else -round(1 / scale)


class _Planes:
    """The planes in their order."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self.place = place

    def take(self, lengths: Iterable[int]) -> list[bytes]:
        found = []
        data, place = self._data, self.place
        for length in lengths:
            found.append(data[place : place + length])
            place += length
        self.place = place
        return found

    def integers(self, series: Series, count: int, reference: Sequence[int] | None = None) -> Sequence[int]:
        return integer_series.unpack(series, self.take(series.planes), count, reference)

    def seconds(self, series: Series, count: int) -> list[float]:
        if not series.step:
            return [series.base / _SECONDS_SCALE] * count
        return [tenths / _SECONDS_SCALE for tenths in self.integers(series, count)]


def _unpacked(rest: bytes, wanted: Collection[str] | None, start: float, end: float, steps: Steps) -> Buckets:
    first_plane = _LENGTH.size + _LENGTH.unpack_from(rest)[0]
    directory = _DECODER.decode(_inflated(rest[_LENGTH.size : first_plane]))
    count, planes = directory.count, _Planes(rest, first_plane)
    starts = [*planes.integers(directory.starts, count)]
    seconds = planes.seconds(directory.seconds, count)
    # Only these become numbers with a fraction, which takes longest.
    shown = slice(bisect_left(starts, start), bisect_left(starts, end))
    starts, covered = starts[shown], seconds[shown]
    columns = {}
    for column in directory.columns:
        if wanted is None or column.name in wanted:
            how = _HOW_DECODER.decode(column.how)
            found = _unpacked_column(how, planes, count, shown, covered, has_steps=steps.get(column.name) == how.scale)
            columns[column.name] = found
            if column.name in steps and steps[column.name] != how.scale:  # of a version that rounded otherwise
                columns[column.name] = _scaled(found, -steps[column.name])
        else:
            planes.place += column.length
    return Buckets(starts, covered, columns)


def _unpacked_column(
    how: _How, planes: _Planes, count: int, shown: slice, covered: list[float], *, has_steps: bool
) -> Column:
    """`covered`: the seconds of the shown buckets. `has_steps`: the values stay integers."""
    scale = 1 if has_steps else how.scale
    is_known = None
    known_count, known = count, shown
    if how.unknown:
        is_known = integer_series.unpack_plane(planes.take(how.unknown)[0], count)
        known_count = sum(is_known)
        before = sum(is_known[: shown.start])
        is_known = is_known[shown]
        known = slice(before, before + sum(is_known))
    integers = planes.integers(how.mean, known_count)
    low = mean = high = _values(integers[known], scale, is_known)
    if how.low is not None:
        low = _values(planes.integers(how.low, known_count, integers)[known], scale, is_known)
    if how.high is not None:
        high = _values(planes.integers(how.high, known_count, integers)[known], scale, is_known)
    return Column(low, mean, high, covered if how.seconds is None else planes.seconds(how.seconds, count)[shown])


def _values(integers: Sequence[int], scale: int, is_known: bytes | None) -> Values:
    values = cast("Values", integers if isinstance(integers, list) else [*integers])
    if scale != 1:
        values = _divided(values, scale)
    if is_known is None:
        return values
    following = iter(values)
    return [next(following) if each else None for each in is_known]


def _divided(values: Values, scale: int) -> Values:
    """`scale`: what makes an integer of a unit or, if negative, how many units an integer is."""
    if scale > 0:
        return [None if value is None else value / scale for value in values]
    return [None if value is None else value * -float(scale) for value in values]


# ── Values in steps ───────────────────────────────────────────────────────────────────────────────────────────────────

Steps = Mapping[str, int]
"""By metric: integers per unit or, if negative, units per integer."""


def steps_of(metrics: Iterable[Metric]) -> Steps:
    """The steps in which these metrics are stored."""
    return {metric.name: _whole(metric.scale) for metric in metrics}


def in_units(buckets: Buckets, steps: Steps) -> Buckets:
    """What was unpacked in steps, in the metrics' units."""
    columns = {name: _scaled(column, steps[name]) for name, column in buckets.columns.items()}
    return Buckets(buckets.starts, buckets.seconds, columns)


def _scaled(column: Column, scale: int) -> Column:
    low, mean, high, seconds = column
    middle = _divided(mean, scale)
    return Column(
        middle if low is mean else _divided(low, scale),
        middle,
        middle if high is mean else _divided(high, scale),
        seconds,
    )


# ── The directory's bytes ─────────────────────────────────────────────────────────────────────────────────────────────


def _deflated(data: bytes) -> bytes:
    level, strategy = 9, zlib.Z_DEFAULT_STRATEGY
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, integer_series.MEMORY_LEVEL, strategy, _WORDS)
    return packer.compress(data) + packer.flush()


def _inflated(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS, _WORDS)
    return unpacker.decompress(data) + unpacker.flush()
