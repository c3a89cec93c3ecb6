"""Numbers of the usage page: hours, kilowatt-hours and costs, as people read them."""

from __future__ import annotations

from monitor.formats import THIN

GROUP = "\u202f"
"""Narrow no-break space, in thousands."""
DASH = "—"
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def grouped(value: float, decimals: int = 0) -> str:
    """148 210; thousands with spaces from five digits on."""
    text = f"{value:,.{decimals}f}"
    return text.replace(",", GROUP if abs(value) >= 10_000 else "")


def hours(seconds: float) -> str:
    """Hours with one decimal, without the unit."""
    return grouped(seconds / 3600, 1)


def percent(value: float | None, decimals: int = 0) -> str:
    return DASH if value is None else f"{value:.{decimals}f}{THIN}%"


def share(part: float, whole: float) -> float | None:
    """In percent; None of nothing."""
    return None if whole <= 0 else min(100.0, 100.0 * part / whole)


def kilowatt_hours(joules: float) -> str:
    """Whole from 100 on, else with one or two decimals; without the unit."""
    value = joules / 3.6e6
    return grouped(value, 0 if value >= 100 else 1 if value >= 10 else 2)


def money(amount: float | None, currency: str) -> str:
    """€ 4 355; cents below 100."""
    if amount is None:
        return DASH
    text = f"{amount:,.{0 if amount >= 100 else 2}f}".replace(",", GROUP)
    return f"{_SIGNS.get(currency, currency)}{GROUP}{text}"


def co2(grams: float | None) -> str:
    """In kg, or t from 1000 kg."""
    if grams is None:
        return DASH
    kilograms = grams / 1000
    if kilograms >= 1000:
        return f"{grouped(kilograms / 1000, 2)}{THIN}t"
    return f"{grouped(kilograms, 1 if kilograms < 100 else 0)}{THIN}kg"
