"""The numbers of the reports, as they are written in messages."""

from __future__ import annotations

from monitor.usage.reports import Report, Use


def counted_gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"


def energy(joules: float) -> str:
    """Energy is unknown where readings are missing, so every sum is a lower bound."""
    return f"at least {joules / 3.6e6:.1f} kWh"


def cost_and_co2(use: Use | Report, currency: str) -> list[str]:
    """A sentence for each that the settings give a price for."""
    cost = [] if use.cost is None else [f"Cost: {money(use.cost, currency)}."]
    return cost if use.co2_grams is None else [*cost, f"CO₂: {use.co2_grams / 1000:.1f} kg."]


def money(amount: float, currency: str) -> str:
    return f"{amount:,.2f} {currency}"


def mean_sm(use: Use) -> str:
    """Empty if it is unknown."""
    return "" if use.mean_sm_percent is None else f", mean SM {use.mean_sm_percent:.0f} %"
