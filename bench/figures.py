"""A figure: one measured number, its bound, and how it is printed."""

from __future__ import annotations

from typing import NamedTuple


class CouldNotMeasure(Exception):
    """The measured event did not happen, so there is no figure."""


class Figure(NamedTuple):
    """A number, its upper bound, and what was measured against which floor."""

    value: float
    unit: str
    """`x` means a ratio."""
    bound: float | None
    """None for a number that only explains the previous one."""
    measured: str

    def line(self, name: str) -> str:
        """The figure on one line: `name  1.23x (bound ≤ 1.6x) holds   what was measured`."""
        value = f"{self.value:.4g}{self.unit}"
        if self.bound is None:
            return f"{'':<14}  {value:>10} {'':<24} {self.measured}"
        bound = f"(bound ≤ {self.bound:g}{self.unit})"
        verdict = "holds" if self.value <= self.bound else "MISSED"
        return f"{name:<14}  {value:>10} {bound:<17} {verdict:<6} {self.measured}"
