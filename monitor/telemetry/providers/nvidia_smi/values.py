"""Reads single values of the XML of `nvidia-smi -q -x`: numbers with units, booleans, and words in place of a value."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # nosec
from typing import Any, NamedTuple

from monitor.telemetry.providers.base import NO_PERMISSION, NOT_SUPPORTED

NOT_REPORTED = "not reported by this nvidia-smi"
LOST = "the GPU is lost: it has fallen off the bus"
NEEDS_RESET = "the GPU requires a reset"

_REFUSALS = {
    "n/a": NOT_SUPPORTED,
    "na": NOT_SUPPORTED,
    "not supported": NOT_SUPPORTED,
    "not available": NOT_SUPPORTED,
    "unknown error": "the driver returned an unknown error",
    "err!": "the driver returned an error",
    "requested functionality has been deprecated": "this driver no longer reports it",
    "insufficient permission": NO_PERMISSION,
    "insufficient permissions": NO_PERMISSION,
    "no permission": NO_PERMISSION,
    "gpu requires reset": NEEDS_RESET,
    "gpu access blocked by the operating system": "the operating system (WSL) blocks it",
}
"""Words of nvidia-smi that have a meaning of their own, with or without brackets."""
_NO_VALUE = re.compile(
    r"|-+|\?+|nan|none|null|undefined|unavailable|unspecified|unknown\b.*|not? .*|invalid\b.*|fail(?:ed|ure)\b.*"
)
_ERROR = re.compile(r"\berror\b")
"""Other words that stand for no value. Nothing that gpumon reads as text looks like this."""
_IS_LOST = re.compile(r"gpu is lost\b")
_LONGEST_QUOTE = 60

_UNITS = {
    "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
    "kb/s": 1000, "mb/s": 10**6, "gb/s": 10**9,
    "w": 1, "mw": 1e-3, "c": 1, "mhz": 1, "%": 1, "x": 1, "": 1, "j": 1, "mj": 1e-3, "rpm": 1,
}  # fmt: skip
_NUMBER = re.compile(r"(-?[0-9]{1,40})(\.[0-9]{1,40})?\s*([A-Za-z%/]*)")


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

    def __init__(self, element: ET.Element) -> None:
        super().__init__()
        self.element = element
        self.reasons: dict[str, str] = {}

    def text(self, metric: str, *paths: str) -> str | None:
        """The text at the first path that has a value; words in place of a value become the reason of `metric`."""
        for path in paths:
            text = text_of(self.element, path)
            if text is None:
                continue
            reason = why_no_value(text)
            if reason is None:
                return text
            self.reasons.setdefault(metric, reason)
        return None

    def number(self, field: Field) -> None:
        """Convert the number at the first path that has one to the schema's unit."""
        for path in field.paths:
            text = self.text(field.metric, path)
            number = None if text is None else number_in(text)
            if number is not None:
                self[field.metric] = int(number) if field.is_whole else float(number)
                self.reasons.pop(field.metric, None)
                return
            if text is not None:
                self.reasons[field.metric] = reports(text)

    def boolean(self, metric: str, path: str, meaning: dict[str, bool]) -> None:
        """Take a boolean in nvidia-smi's words."""
        text = self.text(metric, path)
        if text is not None:
            answer = meaning.get(text.lower())
            if answer is None:
                self.reasons[metric] = reports(text)
            self[metric] = answer


def number_in(text: str) -> float | None:
    """The number in the schema's unit, of whatever size; None if the text is no number with a known unit."""
    match = _NUMBER.fullmatch(text)
    scale = _UNITS.get(match[3].lower()) if match else None
    if match is None or scale is None:
        return None
    return (float(match[1] + match[2]) if match[2] else int(match[1])) * scale


def text_of(element: ET.Element, path: str) -> str | None:
    found = element.find(path)
    return None if found is None or found.text is None else found.text.strip()


def known_text(element: ET.Element, path: str) -> str | None:
    """The text at the path, None where words stand in place of a value."""
    text = text_of(element, path)
    return None if text is None or why_no_value(text) else text


def refusal_of(text: str) -> str | None:
    """The reason if nvidia-smi printed one in its own words in place of a value: `N/A`, `[Unknown Error]`, `[Not Found]`."""
    bare = text.strip()
    if bare[:1].isdigit():
        return None  # most texts
    is_bracketed = bare.startswith("[") and bare.endswith("]")
    words = bare.strip("[]").strip().lower()
    known = LOST if _IS_LOST.match(words) else _REFUSALS.get(words)
    return known or (reports(text) if is_bracketed else None)


def why_no_value(text: str) -> str | None:
    """The reason if the text is no value of a GPU."""
    return refusal_of(text) or (reports(text) if _is_no_value(text.strip().lower()) else None)


def _is_no_value(words: str) -> bool:
    return _NO_VALUE.fullmatch(words) is not None or _ERROR.search(words) is not None


def reports(text: str) -> str:
    """The reason that quotes the program."""
    quote = text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
    return f"nvidia-smi reports {quote!r}" if text.strip() else "nvidia-smi reports an empty value"
