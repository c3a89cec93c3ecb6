"""The calls of every tick, made on the library itself with reused buffers, in one thread.

pynvml's wrappers look up the function and allocate a buffer for each call. For arrays they first call for the size, then
build an object for each entry: twice the calls into the driver and ten times the CPU (`python -m bench fast-tick`).
Layouts are those of nvml.h on 64-bit hosts.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pynvml as nvml

Handle = Any
"""A GPU, as pynvml returns it."""


def address_of(handle: Handle) -> int | None:
    """The handle as a number, to compare handles."""
    return ctypes.cast(handle, ctypes.c_void_p).value


PROCESS_INFO = struct.Struct("=I4xQII")
"""nvmlProcessInfo_t (v2 and v3): pid, usedGpuMemory, gpuInstanceId, computeInstanceId."""
PROCESS_UTILIZATION_SAMPLE = struct.Struct("=I4xQIIII")
"""nvmlProcessUtilizationSample_t: pid, timeStamp (µs), smUtil, memUtil, encUtil, decUtil."""
FIELD_VALUE = struct.Struct("=II16xiIQ")
"""nvmlFieldValue_t: fieldId, scopeId, valueType, nvmlReturn, value; its timestamp and latencyUsec are ignored."""

_DOUBLE = struct.Struct("=d")
_RAW = struct.Struct("=Q")
_BITS = {
    nvml.NVML_VALUE_TYPE_UNSIGNED_INT: (0xFFFFFFFF, 0),
    nvml.NVML_VALUE_TYPE_UNSIGNED_LONG: (0xFFFFFFFFFFFFFFFF, 0),
    nvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: (0xFFFFFFFFFFFFFFFF, 1 << 63),
    nvml.NVML_VALUE_TYPE_SIGNED_INT: (0xFFFFFFFF, 1 << 31),
    nvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: (0xFFFF, 0),
}
_UNKNOWN_TYPE = (0xFFFFFFFFFFFFFFFF, 0)

_MOST_RECORDS = 1 << 16
"""More processes than any GPU has."""
_COUNTER_BITS = {nvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: 16, nvml.NVML_VALUE_TYPE_UNSIGNED_INT: 32}


def counter_bits(kind: int) -> int:
    """Where a counter with values of this type wraps."""
    return _COUNTER_BITS.get(kind, 64)


def number(kind: int, raw: int) -> float:
    """The value of a field by its type tag; bytes of the union beyond the type are garbage."""
    if kind == nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG:
        return raw
    if kind == nvml.NVML_VALUE_TYPE_DOUBLE:
        double: float = _DOUBLE.unpack(_RAW.pack(raw))[0]
        return double
    mask, sign = _BITS.get(kind, _UNKNOWN_TYPE)
    value = raw & mask
    return value - (sign << 1) if value & sign else value


def function(name: str) -> Callable[..., int]:
    """A function of the loaded library. Raises NVMLError (function not found) if the library is too old."""
    try:
        found: Callable[..., int] = getattr(nvml.nvmlLib, name)
    except AttributeError as error:
        raise nvml.NVMLError(nvml.NVML_ERROR_FUNCTION_NOT_FOUND) from error
    return found


class Number:
    """A call that returns one unsigned number."""

    def __init__(self, name: str, *arguments: int, bits: Literal[32, 64] = 32, answers: int = 1) -> None:
        """`answers` is how many numbers the call fills in; the first one is used."""
        self._name = name
        self._function: Callable[..., int] | None = None
        kind = ctypes.c_uint64 if bits == 64 else ctypes.c_uint32
        self._value = kind()
        self._more = (*arguments, ctypes.byref(self._value), *(ctypes.byref(kind()) for _ in range(answers - 1)))

    def __call__(self, handle: Handle) -> int:
        """Raises NVMLError."""
        ask = self._function
        if ask is None:
            ask = self._function = function(self._name)
        code = ask(handle, *self._more)
        if code != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(code)
        return self._value.value


class Record:
    """A call that fills one struct."""

    def __init__(self, name: str, record: struct.Struct, *given: int) -> None:
        """`given` are the first fields if the caller sets them (the struct's version), 32 bits each."""
        self._name = name
        self._function: Callable[..., int] | None = None
        self._record = record
        self._buffer = ctypes.create_string_buffer(struct.pack(f"={len(given)}I", *given), record.size)

    def __call__(self, handle: Handle, *more: int) -> tuple[int, ...]:
        """The fields. `more` are arguments before the struct. Raises NVMLError."""
        ask = self._function
        if ask is None:
            ask = self._function = function(self._name)
        code = ask(handle, *more, self._buffer)
        if code != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(code)
        return self._record.unpack(self._buffer)


class Listing:
    """A call that fills an array of records and returns their number; the array grows if the driver needs more."""

    def __init__(
        self, name: str, record: struct.Struct, *, array_first: bool = False, empty: int = nvml.NVML_SUCCESS
    ) -> None:
        """`empty` is the code by which the call reports no records."""
        self._name = name
        self._record = record
        self._empty = empty
        self._array_first = array_first
        self._function: Callable[..., int] | None = None
        self._count = ctypes.c_uint()
        self._capacity = 32
        self._make_room(0)

    def __call__(self, handle: Handle, *more: Any) -> list[tuple[int, ...]]:
        """The records. Raises NVMLError."""
        ask = self._function
        if ask is None:
            ask = self._function = function(self._name)
        code = nvml.NVML_ERROR_INSUFFICIENT_SIZE
        for _ in range(3):  # the list can grow between two calls
            self._count.value = self._capacity
            arguments = (self._array, self._count_pointer) if self._array_first else (self._count_pointer, self._array)
            code = ask(handle, *arguments, *more)
            if code != nvml.NVML_ERROR_INSUFFICIENT_SIZE:
                break
            self._make_room(self._count.value)
        if code != nvml.NVML_SUCCESS:
            if code == self._empty:
                return []
            raise nvml.NVMLError(code)
        size = self._count.value * self._record.size
        return list(self._record.iter_unpack(self._view[:size])) if size else []

    def _make_room(self, count: int) -> None:
        """Make room for twice as many, but not for a count that is garbage."""
        self._capacity = min(2 * max(count, self._capacity), _MOST_RECORDS)
        self._array = ctypes.create_string_buffer(self._capacity * self._record.size)
        self._view = memoryview(self._array)
        self._count_pointer = ctypes.byref(self._count)


class ProcessesUtilization:
    """nvmlDeviceGetProcessesUtilizationInfo, from driver 550 on; its records as PROCESS_UTILIZATION_SAMPLE has them."""

    _VERSION = 0x01000018
    _HEADER = struct.Struct("=IIQQ")
    """nvmlProcessesUtilizationInfo_v1_t: version, processSamplesCount, lastSeenTimeStamp, procUtilArray."""
    _RECORD = struct.Struct("=QIIIIIII4x")
    """nvmlProcessUtilizationInfo_v1_t: timeStamp (µs), pid, smUtil, memUtil, encUtil, decUtil, jpgUtil, ofaUtil."""

    def __init__(self) -> None:
        self._function: Callable[..., int] | None = None
        self._header = ctypes.create_string_buffer(self._HEADER.size)
        self._capacity = 32
        self._make_room(0)

    def __call__(self, handle: Handle, since: int) -> list[tuple[int, ...]]:
        """The samples newer than `since` (µs). Raises NVMLError."""
        ask = self._function
        if ask is None:
            ask = self._function = function("nvmlDeviceGetProcessesUtilizationInfo")
        code = count = 0
        for _ in range(3):  # the list can grow between two calls
            address = ctypes.addressof(self._array)
            self._HEADER.pack_into(self._header, 0, self._VERSION, self._capacity, since, address)
            code = ask(handle, self._header)
            count = self._HEADER.unpack(self._header)[1]
            if code != nvml.NVML_ERROR_INSUFFICIENT_SIZE:
                break
            self._make_room(count)
        if code == nvml.NVML_ERROR_NOT_FOUND:
            return []
        if code != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(code)
        records = self._RECORD.iter_unpack(memoryview(self._array)[: count * self._RECORD.size])
        return [
            (pid, stamp, sm, memory, encoder, decoder) for stamp, pid, sm, memory, encoder, decoder, _, _ in records
        ]

    def _make_room(self, count: int) -> None:
        """Make room for twice as many, but not for a count that is garbage."""
        self._capacity = min(2 * max(count, self._capacity), _MOST_RECORDS)
        self._array = ctypes.create_string_buffer(self._capacity * self._RECORD.size)


class FieldValues:
    """nvmlDeviceGetFieldValues for a fixed set of (field id, scope id)."""

    def __init__(self, asked: Sequence[tuple[int, int]]) -> None:
        self._size = ctypes.c_int(len(asked))
        filled = b"".join(FIELD_VALUE.pack(field, scope, 0, 0, 0) for field, scope in asked)
        self._array = ctypes.create_string_buffer(filled, len(filled))
        self._function: Callable[..., int] | None = None

    def __call__(self, handle: Handle) -> list[tuple[int, ...]]:
        """A FIELD_VALUE record for each field, its own status within. Raises NVMLError where the call itself fails."""
        if self._function is None:
            self._function = function("nvmlDeviceGetFieldValues")
        code = self._function(handle, self._size, self._array)
        if code != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(code)
        return list(FIELD_VALUE.iter_unpack(self._array))
