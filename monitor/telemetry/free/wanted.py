"""What someone looks for in free GPUs: how many, how much free memory each, for how long free. Parsed from text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

MOST_GPUS = 256
SIZE = r"0|[0-9]{1,12}(?:\.[0-9]{1,3})? ?[kmgtKMGT]i?[bB]?"
"""An amount of memory, for the published API as well."""
DURATION = r"[0-9]{1,6}(?:\.[0-9]{1,3})? ?(?:s|min|h)?"
"""A duration, seconds without a unit."""
_SIZE = re.compile(SIZE)
_DURATION = re.compile(DURATION)
_NUMBER = re.compile(r"[0-9.]+")
_BYTES = {
    "": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
}  # fmt: skip
_SECONDS = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}
PARAMETERS = ("count", "memory", "idle_for", "exclude")


class Wanted(NamedTuple):
    """A request for free GPUs."""

    gpu_count: int = 1
    memory_bytes: int = 0
    """Least free memory of each."""
    idle_seconds: float = 0.0
    """How long each must have been free, at least."""
    exclude: frozenset[str] = frozenset()
    """Indexes and UUIDs of GPUs that are not wanted."""


def wanted_of(given: Mapping[str, str]) -> Wanted:
    """From the parameters of an address or a command. Raises ValueError with the problem and the valid values."""
    if unknown := sorted(set(given) - set(PARAMETERS)):
        raise ValueError(f"unknown parameter {unknown[0]!r}; known are {', '.join(PARAMETERS)}")
    return Wanted(
        gpu_count=count_of(given.get("count", "1")),
        memory_bytes=memory_of(given.get("memory", "0")),
        idle_seconds=seconds_of(given.get("idle_for", "0")),
        exclude=frozenset(name.strip() for name in given.get("exclude", "").split(",")) - {""},
    )


def count_of(text: str) -> int:
    """How many GPUs. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_GPUS):
        raise ValueError(f"count is {text!r}; it must be 1 to {MOST_GPUS}")
    return int(text)


def memory_of(text: str) -> int:
    """An amount of memory in bytes, from 20GiB, 20G or 512MiB. Raises ValueError: a bare 20 would be 20 bytes."""
    if _SIZE.fullmatch(text) is None:
        raise ValueError(f"memory is {text!r}; it must be an amount with its unit, such as 20GiB or 512MiB")
    number, unit = _parts(text)
    return int(number * _BYTES[unit.lower().removesuffix("b")])


def seconds_of(text: str) -> float:
    """A duration in seconds, from 60, 60s, 5min or 1h. Raises ValueError."""
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"idle_for is {text!r}; it must be a duration such as 60s, 5min or 1h")
    number, unit = _parts(text)
    return number * _SECONDS[unit]


def _parts(text: str) -> tuple[float, str]:
    number = _NUMBER.match(text)
    assert number is not None
    return float(number[0]), text[number.end() :].strip()
