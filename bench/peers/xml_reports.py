"""What reading a report of `nvidia-smi -q -x` costs, where there is no NVML: parsed to GPUs, against the bare XML parser."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple
from xml.etree import ElementTree as ET

from bench.child import ROOT
from monitor.telemetry.providers.nvidia_smi.xml import parse
from monitor.telemetry.providers.plausible import Bounds

_REPORT = ROOT / "tests" / "fakes" / "smi" / "h100-driver-580-load.xml"
_TIMES, _ROUNDS = 20, 7


class XmlCost(NamedTuple):
    """Of one report."""

    gpus: int
    kilobytes: float
    milliseconds: float
    ratio: float
    """To the standard library's parser, which makes a tree and reads nothing of it."""


def measure() -> XmlCost:
    """In this process; the medians of rounds in turn."""
    document, bounds = _REPORT.read_bytes(), Bounds("nvidia-smi")
    gpus = len(parse(document, 1.0, bounds).gpus)
    ours, floors = [], []
    for _ in range(_ROUNDS):
        ours.append(_seconds(lambda: parse(document, 1.0, bounds)))
        floors.append(_seconds(lambda: ET.fromstring(document)))
    ratio = median(one / floor for one, floor in zip(ours, floors, strict=True))
    return XmlCost(gpus, len(document) / 1e3, median(ours) * 1e3, ratio)


def _seconds(do: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(_TIMES):
        do()
    return (time.process_time() - began) / _TIMES
