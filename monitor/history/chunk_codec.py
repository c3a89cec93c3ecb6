"""Buckets as the bytes of one row of the database, a tenth of their size in JSON.

    version (1 byte)  CRC-32 of the rest (4)  length of the directory (2)  directory  planes

The directory says which columns there are and how their planes were made, so that a reader inflates only the columns that it
wants, and a metric that another version of gpumon stored can be read without knowing it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterable, Sequence
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


class _Column(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One metric. Where low or high is None it is the mean; where seconds is None they are those of the buckets."""

    name: str
    scale: int
    """Integers per unit or, if negative, units per integer."""
    unknown: list[int]
    """Lengths of the plane of a 1 where the value is known; empty if it always is."""
    mean: Series
    low: Series | None
    high: Series | None
    seconds: Series | None

    @property
    def length(self) -> int:
        """The length of all its planes."""
        series = (self.mean, self.low, self.high, self.seconds)
        return sum(self.unknown) + sum(sum(each.planes) for each in series if each is not None)


class _Directory(msgspec.Struct, frozen=True, array_like=True):
    count: int
    starts: Series
    seconds: Series
    columns: list[_Column]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Directory)


def pack(buckets: Buckets, metrics: Iterable[Metric]) -> bytes:
    """The bytes of at least one bucket. The metrics give the scales; a column of none of them is rounded to thousandths."""
    planes: list[bytes] = []
    scales = {metric.name: _whole(metric.scale) for metric in metrics}
    covered = _covered(buckets.seconds)
    starts, seconds = _packed(buckets.starts, planes), _packed(covered, planes)
    columns = []
    for name, column in buckets.columns.items():
        is_known = [value is not None for value in column.mean]
        if any(is_known):
            scale = scales.get(name, _SCALE_OF_OTHERS)
            columns.append(
                _packed_column(
                    name, column, scale, is_known, planes, None if column.seconds is buckets.seconds else covered
                )
            )
    packer = zlib.compressobj(
        9, zlib.DEFLATED, -zlib.MAX_WBITS, integer_series.MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, _WORDS
    )
    directory = (
        packer.compress(_ENCODER.encode(_Directory(len(buckets.starts), starts, seconds, columns))) + packer.flush()
    )
    rest = b"".join([_LENGTH.pack(len(directory)), directory, *planes])
    return _HEAD.pack(VERSION, zlib.crc32(rest)) + rest


def unpack(data: bytes, wanted: Collection[str] | None = None) -> Buckets:
    """The buckets, with the columns of these names or with all. Raises DamagedChunk."""
    if not data or data[0] != VERSION:
        raise DamagedChunk(f"version {data[0]} is not known" if data else "no bytes")
    if len(data) < _HEAD.size + _LENGTH.size:
        raise DamagedChunk(f"{len(data)} bytes only")
    _version, checksum = _HEAD.unpack_from(data)
    rest = memoryview(data)[_HEAD.size :]
    if zlib.crc32(rest) != checksum:
        raise DamagedChunk("the checksum is wrong")
    try:
        return _unpacked(rest, wanted)
    except (zlib.error, msgspec.MsgspecError, ValueError, IndexError) as error:
        raise DamagedChunk(str(error)) from error


# ── Columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _packed(integers: Sequence[int], planes: list[bytes], reference: Sequence[int] | None = None) -> Series:
    series, of_series = integer_series.pack(integers, reference)
    planes += of_series
    return series


def _packed_column(
    name: str, column: Column, scale: int, is_known: list[bool], planes: list[bytes], covered: list[int] | None
) -> _Column:
    """`covered`: the seconds of the buckets, None if they are this column's too."""
    always = all(is_known)
    unknown = [] if always else [integer_series.pack_plane(bytes(is_known))]
    planes += unknown

    def integers(values: Values) -> list[int]:
        known = cast("list[float]", values if always else [*compress(values, is_known)])
        return [round(value * scale) for value in known] if scale > 0 else [round(value / -scale) for value in known]

    mean = integers(column.mean)
    low = mean if column.low is column.mean else integers(column.low)
    high = mean if column.high is column.mean else integers(column.high)
    seconds = None if covered is None else _covered(column.seconds)
    return _Column(
        name=name,
        scale=scale,
        unknown=[*map(len, unknown)],
        mean=_packed(mean, planes),
        low=None if low == mean else _packed(low, planes, mean),
        high=None if high == mean else _packed(high, planes, mean),
        seconds=None if seconds is None or seconds == covered else _packed(seconds, planes),
    )


def _covered(seconds: list[float]) -> list[int]:
    """In tenths, at least one of what is known."""
    return [max(1, round(each * _SECONDS_SCALE)) if each > 0 else 0 for each in seconds]


def _whole(scale: float) -> int:
    return round(scale) if scale >= 1 else -round(1 / scale)


class _Planes:
    """The planes in their order."""

    def __init__(self, data: memoryview, place: int) -> None:
        self._data = data
        self._place = place

    def skip(self, length: int) -> None:
        self._place += length

    def take(self, lengths: Iterable[int]) -> list[memoryview]:
        found = []
        for length in lengths:
            found.append(self._data[self._place : self._place + length])
            self._place += length
        return found

    def integers(self, series: Series, count: int, reference: list[int] | None = None) -> list[int]:
        return integer_series.unpack(series, self.take(series.planes), count, reference)


def _unpacked(rest: memoryview, wanted: Collection[str] | None) -> Buckets:
    end = _LENGTH.size + _LENGTH.unpack_from(rest)[0]
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS, _WORDS)
    directory = _DECODER.decode(unpacker.decompress(rest[_LENGTH.size : end]) + unpacker.flush())
    count, planes = directory.count, _Planes(rest, end)
    starts = planes.integers(directory.starts, count)
    seconds = _as_seconds(planes.integers(directory.seconds, count))
    columns = {}
    for column in directory.columns:
        if wanted is None or column.name in wanted:
            columns[column.name] = _unpacked_column(column, planes, count, seconds)
        else:
            planes.skip(column.length)
    return Buckets(starts, seconds, columns)


def _unpacked_column(column: _Column, planes: _Planes, count: int, covered: list[float]) -> Column:
    is_known = None
    known_count = count
    if column.unknown:
        is_known = integer_series.unpack_plane(planes.take(column.unknown)[0], count)
        known_count = sum(is_known)
    integers = planes.integers(column.mean, known_count)
    low = mean = high = _values(integers, column.scale, is_known)
    if column.low is not None:
        low = _values(planes.integers(column.low, known_count, integers), column.scale, is_known)
    if column.high is not None:
        high = _values(planes.integers(column.high, known_count, integers), column.scale, is_known)
    seconds = covered if column.seconds is None else _as_seconds(planes.integers(column.seconds, count))
    return Column(low, mean, high, seconds)


def _values(integers: list[int], scale: int, is_known: bytes | None) -> Values:
    values: Values = [each / scale for each in integers] if scale > 0 else [each * -float(scale) for each in integers]
    if is_known is None:
        return values
    following = iter(values)
    return [next(following) if each else None for each in is_known]


def _as_seconds(tenths: list[int]) -> list[float]:
    return [each / _SECONDS_SCALE for each in tenths]
