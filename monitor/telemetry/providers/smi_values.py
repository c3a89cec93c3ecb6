"""Reads single values of the XML of `nvidia-smi -q -x`: numbers with units, booleans, and refusals with their reason."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # nosec
from typing import Any, NamedTuple

from monitor.telemetry.providers.base import NO_PERMISSION, NOT_SUPPORTED, PercentGate

LOST = "the GPU is lost: it has fallen off the bus"

_REFUSALS = {
    "n/a": NOT_SUPPORTED,
    "not supported": NOT_SUPPORTED,
    "not available": NOT_SUPPORTED,
    "unknown error": "the driver returned an unknown error",
    "err!": "the driver returned an error",
    "requested functionality has been deprecated": "this driver no longer reports it",
    "insufficient permissions": NO_PERMISSION,
    "no permission": NO_PERMISSION,
    "gpu requires reset": "the GPU requires a reset",
    "gpu access blocked by the operating system": "the operating system (WSL) blocks it",
    "gpu is lost": LOST,
}
_UNITS = {
    "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
    "kb/s": 1e3, "mb/s": 1e6, "gb/s": 1e9,
    "w": 1, "mw": 1e-3, "c": 1, "mhz": 1, "%": 1, "x": 1, "": 1, "j": 1, "mj": 1e-3, "rpm": 1,
}  # fmt: skip
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)\s*([A-Za-z%/]*)")


class Field(NamedTuple):
    """Where a metric is found: paths in order of preference, and whether it is an integer."""

    metric: str
    paths: tuple[str, ...]
    is_whole: bool = False


def at(metric: str, *paths: str) -> Field:
    return Field(metric, paths)


def count(metric: str, *paths: str) -> Field:
    return Field(metric, paths, is_whole=True)


class Values(dict[str, Any]):
    """The metrics found so far of one element, and the reasons for the missing ones."""

    def __init__(self, element: ET.Element, gate: PercentGate) -> None:
        super().__init__()
        self.element = element
        self.gate = gate
        self.reasons: dict[str, str] = {}

    def text(self, metric: str, *paths: str) -> str | None:
        """The text at the first path that has a value; a refusal becomes the reason of `metric`."""
        for path in paths:
            text = text_of(self.element, path)
            if text is None:
                continue
            refusal = refusal_of(text)
            if refusal is None:
                return text
            self.reasons.setdefault(metric, refusal)
        return None

    def number(self, field: Field) -> None:
        """Convert a number to the schema's unit; percentages are clamped."""
        text = self.text(field.metric, *field.paths)
        if text is None:
            return
        match = _NUMBER.fullmatch(text)
        if match is None or match.group(2).lower() not in _UNITS:
            self.reasons[field.metric] = f"nvidia-smi printed {text!r}"
            return
        value = float(match.group(1)) * _UNITS[match.group(2).lower()]
        if field.metric.endswith("_percent"):
            value = self.gate(value, field.metric)
        self[field.metric] = int(value) if field.is_whole else value
        self.reasons.pop(field.metric, None)

    def boolean(self, metric: str, path: str, meaning: dict[str, bool]) -> None:
        """Take a boolean in nvidia-smi's words."""
        text = self.text(metric, path)
        if text is not None:
            answer = meaning.get(text.lower())
            if answer is None:
                self.reasons[metric] = f"nvidia-smi printed {text!r}"
            self[metric] = answer


def text_of(element: ET.Element, path: str) -> str | None:
    found = element.find(path)
    return None if found is None or found.text is None else found.text.strip()


def known_text(element: ET.Element, path: str) -> str | None:
    text = text_of(element, path)
    return None if not text or refusal_of(text) else text


def refusal_of(text: str) -> str | None:
    """The reason if nvidia-smi printed one in place of a value: `N/A`, `[Unknown Error]`."""
    return _REFUSALS.get(text.strip().strip("[]").strip().lower())
