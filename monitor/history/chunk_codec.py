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
from functools import lru_cache
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


def pack(buckets: Buckets, metrics: Iterable[Metric], *, has_steps: bool = False, is_brief: bool = False) -> bytes:
    """The bytes of at least one bucket. The metrics give the scales; a column of none of them is rounded to thousandths.

    `has_steps`: the values are in the metrics' steps, as `unpack` leaves them. `is_brief`: for what is soon replaced; takes less
    than half of the time, and half as many bytes more.
    """
    scales = steps_of(metrics)
    planes = _PackedPlanes(is_brief=is_brief)
    covered = _covered(buckets.seconds)
    starts, seconds = planes.add(buckets.starts), planes.add(covered)
    columns = []
    for name, column in buckets.columns.items():
        scale, before = scales.get(name, _SCALE_OF_OTHERS), planes.length
        is_in_steps = has_steps and name in scales
        if column.seconds is buckets.seconds and _is_constant(column):
            (value,) = _rounded(cast("list[float]", column.mean[:1]), 1 if is_in_steps else scale)
            columns.append(_Column(name, 0, _constant(scale, value)))
        elif any(value is not None for value in column.mean):
            of_all = None if column.seconds is buckets.seconds else covered
            how = _packed_column(column, scale, planes, of_all, has_steps=is_in_steps)
            columns.append(_Column(name, planes.length - before, msgspec.Raw(_ENCODER.encode(how))))
    directory = _deflated(_ENCODER.encode(_Directory(len(buckets.starts), starts, seconds, columns)))
    rest = b"".join([_LENGTH.pack(len(directory)), directory, *planes.all])
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


class _PackedPlanes:
    """The planes in their order."""

    def __init__(self, *, is_brief: bool) -> None:
        self.all: list[bytes] = []
        self.length = 0
        """Of all together."""
        self._is_brief = is_brief

    def append(self, planes: list[bytes]) -> None:
        self.all += planes
        self.length += sum(map(len, planes))

    def add(self, integers: Sequence[int], reference: Sequence[int] | None = None) -> Series:
        if self._is_brief:
            series, planes = integer_series.pack_quickly(integers)
        else:
            series, planes = integer_series.pack(integers, reference)
        self.append(planes)
        return series


def _packed_column(
    column: Column, scale: int, planes: _PackedPlanes, covered: list[int] | None, *, has_steps: bool
) -> _How:
    """`covered`: the seconds of the buckets, None if they are this column's too."""
    is_known: list[bool] | None = None
    unknown: list[int] = []
    if None in column.mean:
        is_known = [value is not None for value in column.mean]
        plane = integer_series.pack_plane(bytes(is_known))
        planes.append([plane])
        unknown.append(len(plane))

    def integers(values: Values) -> list[int]:
        known = values if is_known is None else [*compress(values, is_known)]
        return _rounded(cast("list[float]", known), 1 if has_steps else scale)

    mean = integers(column.mean)
    low = mean if column.low is column.mean else integers(column.low)
    high = mean if column.high is column.mean else integers(column.high)
    seconds = None if covered is None else _covered(column.seconds)
    return _How(
        scale=scale,
        unknown=unknown,
        mean=planes.add(mean),
        low=None if low == mean else planes.add(low, mean),
        high=None if high == mean else planes.add(high, mean),
        seconds=None if seconds is None or seconds == covered else planes.add(seconds),
    )


def _is_constant(column: Column) -> bool:
    """Its values are all known and the same."""
    values = column.mean
    return column.low is column.high is values and values[0] is not None and values.count(values[0]) == len(values)


@lru_cache(maxsize=1024)
def _constant(scale: int, value: int) -> msgspec.Raw:
    """How a column of this value is packed: most of a GPU's do not change within a minute."""
    mean = Series(integer_series.PLAIN, value, 0, [])
    return msgspec.Raw(_ENCODER.encode(_How(scale=scale, unknown=[], mean=mean, low=None, high=None, seconds=None)))


def _rounded(values: list[float], scale: int) -> list[int]:
    """In steps, by built-in functions: this is most of what a reading costs."""
    if scale == 1:
        return [*map(round, values)]
    return [*map(round, map(float(scale).__mul__ if scale > 0 else float(-scale).__rtruediv__, values))]


def _covered(seconds: list[float]) -> list[int]:
    """In tenths, at least one of what is known."""
    if min(seconds) * _SECONDS_SCALE > 1:
        return _rounded(seconds, _SECONDS_SCALE)
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
    if not how.mean.step and (how.low, how.high, how.seconds, is_known) == (None, None, None, None):
        constant = _values([how.mean.base] * len(covered), scale, None)
        return Column(constant, constant, constant, covered)
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
    level, window, memory_level = 9, 12, 5  # enough for 4 kB
    packer = zlib.compressobj(level, zlib.DEFLATED, -window, memory_level, zlib.Z_DEFAULT_STRATEGY, _WORDS)
    return packer.compress(data) + packer.flush()


def _inflated(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS, _WORDS)
    return unpacker.decompress(data) + unpacker.flush()
