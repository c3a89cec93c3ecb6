"""One measured number beside its bound, and how it is printed: the number first, then whether it holds, then of what."""

from __future__ import annotations

from typing import NamedTuple


class CouldNotMeasure(Exception):
    """What was to be measured did not happen, so there is no figure."""


class Figure(NamedTuple):
    """A number, the most it may be, and what was measured against what."""

    value: float
    unit: str
    bound: float | None
    """None for a number that only explains the one before it."""
    measured: str

    def line(self) -> str:
        """The figure on one line."""
        value = f"{self.value:.4g}{self.unit}"
        if self.bound is None:
            return f"{value:>11}  {'':<17}  {self.measured}"
        verdict = "holds" if self.value <= self.bound else "MISSED"
        bound = f"≤ {self.bound:g}{self.unit}"
        return f"{value:>11}  {bound:<10} {verdict:<6}  {self.measured}"
