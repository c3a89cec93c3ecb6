"""Checks that several endpoints make of their parameters. Each raises ValueError with the problem and the valid values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def refuse_unknown(given: Iterable[str], known: Sequence[str]) -> None:
    """A misspelled parameter would otherwise be ignored in silence."""
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"unknown parameter {unknown[0]!r}; known are {', '.join(known)}")


def whole_number(name: str, text: str, lowest: int, highest: int) -> int:
    """A number in ASCII digits. The length is checked first, because Python refuses to read thousands of digits."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(highest)) and lowest <= int(text) <= highest):
        raise ValueError(f"{name} is {text!r}; it must be a whole number from {lowest} to {highest}")
    return int(text)
