"""One line of the table: a cost at several sizes, and how it grows from each size to the next."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import log
from typing import NamedTuple

from bench.report.tables import row

CLIFF = 1.2
"""An exponent above this is called one: twice the size then costs 2.3 times as much, not twice."""


class Row(NamedTuple):
    """A cost by size."""

    grows: str
    measured: str
    """With its unit."""
    costs: Mapping[float, float]
    """From the smallest size on."""

    @property
    def exponents(self) -> list[float | None]:
        """Between neighboring sizes: 1 is linear, 0 does not grow. None from a size of 0, where there is none."""
        return [
            log(after / before) / log(more / fewer) if fewer > 0 else None
            for (fewer, before), (more, after) in pairwise(self.costs.items())
        ]

    @property
    def cliffs(self) -> list[str]:
        """Where the exponent is above CLIFF, in words."""
        steps = zip(pairwise(self.costs), self.exponents, strict=True)
        return [
            f"{self.measured}, from {fewer:g} to {more:g} {self.grows}: {exponent:.2f}"
            for (fewer, more), exponent in steps
            if exponent is not None and exponent > CLIFF
        ]

    def line(self) -> str:
        """The line of the table."""
        costs = ", ".join(f"{size:g}: {_short(cost)}" for size, cost in self.costs.items())
        exponents = ", ".join("–" if each is None else f"{each:.2f}" for each in self.exponents)
        return row(self.grows, self.measured, costs, exponents)


def _short(cost: float) -> str:
    return f"{cost:.0f}" if cost >= 100 else f"{cost:.3g}"
