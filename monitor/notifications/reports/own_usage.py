"""The weekly report to a user of the GPUs: their own usage, by command."""

from __future__ import annotations

from datetime import datetime

from monitor.notifications.reports.settings import ReportSettings
from monitor.notifications.reports.week import week_before
from monitor.notifications.reports.words import cost_and_co2, counted_gpus, energy, hours, mean_sm
from monitor.usage.reports import Row, usage_of

MOST_COMMANDS = 10
"""Listed; the others are counted."""


def title_and_text(user: str, created_at: datetime, settings: ReportSettings) -> tuple[str, str]:
    """Of the report that was added then. Reads the history's database."""
    week = week_before(created_at)
    start, end = week.span
    total, commands = usage_of(user, start, end, prices=settings.prices)
    title = f"Your GPU usage, {week.name}"
    if not commands:
        return title, "There are no records of this week."
    lines = [
        f"User {user} held {counted_gpus(total.gpu_count)} for {hours(total.occupied_seconds)} in all{mean_sm(total)}.",
        f"Your share, where several users held a GPU: {hours(total.share_seconds)}.",
        f"Of it, held while the GPU was idle: {hours(total.idle_held_seconds)}.",
        " ".join([f"Energy: {energy(total.energy_joules)}.", *cost_and_co2(total, settings.prices.currency)]),
        "",
        "By command:",
        *map(_command, commands[:MOST_COMMANDS]),
    ]
    more = len(commands) - MOST_COMMANDS
    return title, "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])


def _command(row: Row) -> str:
    return f"· {row.label}: {hours(row.share_seconds)}, idle-held {hours(row.idle_held_seconds)}{mean_sm(row)}"
