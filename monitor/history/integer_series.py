"""Integers as few bytes: the step they have in common taken out, differences where they are smaller, bytes by plane."""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate, repeat
from operator import sub
from typing import NamedTuple

import msgspec

PLAIN, DIFFERENCES, FROM_REFERENCE = 0, 1, 2
_ONE_BLOCK = 1000
"""Bytes that zlib compresses as one block with a fraction of its memory; clearing all of it would take longer than compressing."""
_SMALL, _LARGE = (-10, 4), (-zlib.MAX_WBITS, 9)
"""Of deflate without header and checksum (the chunk has one): window, and memory level."""
_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
_SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
_SIGNS = bytes(255 if byte >= 128 else 0 for byte in range(256))
_SAMPLE = 128
"""Codes that an estimate looks at."""


class Series(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How the integers were made into planes."""

    kind: int
    base: int
    """The least integer or difference from the reference; of DIFFERENCES the first integer."""
    step: int
    """What all codes are multiples of; 0 if there is no code but `base`."""
    planes: list[int]
    """The lengths of the planes, from the lowest byte up."""


def pack(integers: Sequence[int], reference: Sequence[int] | None = None) -> tuple[Series, list[bytes]]:
    """The planes that `unpack` takes, with the same reference: as many integers that these may be close to.

    Noise is smaller by itself, what moves slowly as differences, and the lowest of a minute often by its distance from the mean.
    """
    if min(integers) == max(integers):
        return Series(PLAIN, integers[0], 0, []), []
    kinds = {PLAIN: _above_least(integers)}
    kinds[DIFFERENCES] = _in_steps(integers[0], [*map(sub, integers[1:], integers)])
    if reference is not None:
        kinds[FROM_REFERENCE] = _above_least([*map(sub, integers, reference)])
    kind = min(kinds, key=lambda kind: _bits(kinds[kind]))
    base, step, codes = kinds[kind]
    planes = [pack_plane(plane) for plane in _planes(codes, is_signed=kind == DIFFERENCES)] if step else []
    return Series(kind, base, step, [*map(len, planes)]), planes


def pack_quickly(integers: Sequence[int]) -> tuple[Series, list[bytes]]:
    """As `pack`, in a fifth of the time: the distances from the least integer, not deflated."""
    base = min(integers)
    most = max(integers) - base
    if not most:
        return Series(PLAIN, base, 0, []), []
    codes = [*map(sub, integers, repeat(base))]
    if most < 256:
        return Series(PLAIN, base, 1, [len(codes)]), [bytes(codes)]
    _base, step, codes = _in_steps(base, codes)
    planes = [plane[:1] if _is_even(plane) else plane for plane in _planes(codes, is_signed=False)]
    return Series(PLAIN, base, step, [*map(len, planes)]), planes


def unpack(
    series: Series, planes: Sequence[bytes], count: int, reference: Sequence[int] | None = None
) -> Sequence[int]:
    """The integers. Raises ValueError or zlib.error for planes that do not fit."""
    base, step = series.base, series.step
    if not step and series.kind != FROM_REFERENCE:
        return [base] * count
    if series.kind == DIFFERENCES:
        differences = _codes(planes, count - 1, is_signed=True)
        return [*accumulate(differences if step == 1 else [code * step for code in differences], initial=base)]
    codes = _codes(planes, count, is_signed=False) if step else bytes(count)
    if step > 1:
        codes = [code * step for code in codes]
    if series.kind == FROM_REFERENCE:
        return [code + base + other for code, other in zip(codes, reference or (), strict=True)]
    return [code + base for code in codes] if base else codes


class _Codes(NamedTuple):
    base: int
    step: int
    codes: list[int]


def _above_least(integers: Sequence[int]) -> _Codes:
    base = min(integers)
    return _in_steps(base, [*map(sub, integers, repeat(base))])


def _in_steps(base: int, codes: list[int]) -> _Codes:
    step = math.gcd(*codes)
    return _Codes(base, step, [code // step for code in codes] if step > 1 else codes)


def _bits(made: _Codes) -> int:
    """About how many bits a good code would take: those of the distances from the median."""
    if not made.step:
        return 0
    sample = made.codes[:: max(1, len(made.codes) // _SAMPLE)]
    median = sorted(sample)[len(sample) // 2]
    return sum(map(int.bit_length, map(sub, sample, repeat(median))))


def _planes(codes: list[int], *, is_signed: bool) -> list[bytes]:
    """The lowest bytes of all codes, then the next ones. Of signed codes the higher bytes are 0 where they only repeat the sign."""
    least, most = min(codes), max(codes)
    bits = max(least.bit_length(), most.bit_length()) + is_signed
    width = next(width for width in _UNSIGNED if bits <= 8 * width)
    together = array((_SIGNED if is_signed else _UNSIGNED)[width], codes).tobytes()
    planes = [together[place::width] for place in range(width)]
    return [planes[0], *[_without_sign(plane, planes[0]) for plane in planes[1:]]] if is_signed else planes


def _codes(planes: Sequence[bytes], count: int, *, is_signed: bool) -> Sequence[int]:
    inflated = [unpack_plane(plane, count) for plane in planes]
    width = len(inflated)
    if width == 1 and not is_signed:
        return inflated[0]
    if is_signed:
        inflated[1:] = [_without_sign(plane, inflated[0]) for plane in inflated[1:]]
    codes = array((_SIGNED if is_signed else _UNSIGNED)[width])
    together = bytearray(width * count)
    for place, plane in enumerate(inflated):
        together[place::width] = plane
    codes.frombytes(together)
    return codes


def _without_sign(plane: bytes, lowest: bytes) -> bytes:
    """Each byte inverted where the lowest one of its code counts as negative; doing so twice changes nothing."""
    signs = int.from_bytes(lowest.translate(_SIGNS), "little")
    return (int.from_bytes(plane, "little") ^ signs).to_bytes(len(plane), "little")


def pack_plane(plane: bytes) -> bytes:
    """One byte if all are the same, else the shorter of deflated and as it is."""
    if _is_even(plane):
        return plane[:1]
    # Runs and frequencies are all that is in a plane: looking for repeated strings takes longer and finds none.
    packer = zlib.compressobj(6, zlib.DEFLATED, *(_SMALL if len(plane) <= _ONE_BLOCK else _LARGE), zlib.Z_RLE)
    deflated = packer.compress(plane) + packer.flush()
    return deflated if len(deflated) < len(plane) else plane


def _is_even(plane: bytes) -> bool:
    return plane.count(plane[0]) == len(plane)


def unpack_plane(packed: bytes, count: int) -> bytes:
    """The `count` bytes of a plane."""
    if len(packed) == count:
        return packed
    if len(packed) == 1:
        return packed * count
    inflated = zlib.decompress(packed, -zlib.MAX_WBITS, count)
    if len(inflated) != count:
        raise ValueError(f"a plane has {len(inflated)} bytes instead of {count}")
    return inflated
