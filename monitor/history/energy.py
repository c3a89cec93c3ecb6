"""The energy that a GPU used between two readings."""

from __future__ import annotations


class EnergyMeter:
    """From the driver's counter; where that cannot tell, power × time."""

    def __init__(self) -> None:
        self._counter: float | None = None
        self._rest = 0.0

    def used(
        self, counter: float | None, watts: float | None, seconds: float, *, is_consecutive: bool = True
    ) -> float | None:
        """Whole joules in the time that a reading stands for, None if unknown. What rounding leaves counts the next time.

        The counter cannot tell when it has started over, and after a gap (not `is_consecutive`), whose energy it includes.
        """
        before, self._counter = self._counter, counter
        if is_consecutive and counter is not None and before is not None and counter >= before:
            joules = counter - before
        elif watts is not None:
            joules = watts * seconds
        else:
            return None
        exact = joules + self._rest
        whole = round(exact)
        self._rest = exact - whole
        return float(whole)
