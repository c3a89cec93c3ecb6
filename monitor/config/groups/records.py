"""The settings of what is recorded for long: stored history and the usage ledger."""

from __future__ import annotations

from functools import partial

from pydantic_settings import BaseSettings

from monitor.config.declarations import setting
from monitor.config.values import Currency, ReportAddress

stored = partial(setting, group="History")
usage = partial(setting, group="Usage")


class RecordSettings(BaseSettings):
    """A part of Config (monitor/config/model.py)."""

    history: bool = stored(True, "Whether to store readings, for charts of any span.", admin_label="Store history")
    history_seconds_days: int = stored(
        7, "How long each second is stored, in days.", ge=1, le=3650, admin_label="Days of seconds"
    )
    history_minutes_days: int = stored(
        90, "How long each minute is stored, in days.", ge=1, le=3650, admin_label="Days of minutes"
    )
    history_quarters_days: int = stored(
        1095, "How long each quarter-hour is stored, in days.", ge=1, le=36_500, admin_label="Days of quarter-hours"
    )
    history_max_mib: int = stored(
        512,
        "Maximum size of the stored readings, in MiB. Beyond it, all three are kept for fewer days.",
        ge=16,
        le=500_000,
        admin_label="Size of the history",
    )

    record_usage: bool = usage(True, "Whether to record who used which GPU.", admin_label="Record usage")
    usage_days: int = usage(1095, "How long usage is kept, in days.", ge=1, le=3650, admin_label="Usage retention")
    usage_process_days: int = usage(
        365,
        "How long single processes and their command lines are kept, in days.",
        ge=1,
        le=3650,
        admin_label="Process retention",
    )
    cost_per_gpu_hour: float | None = usage(
        None,
        "What an hour of a GPU costs.",
        default_text="no cost is shown unless energy has a price",
        ge=0,
        le=10_000,
        admin_label="Cost of a GPU-hour",
    )
    cost_per_kwh: float | None = usage(
        None,
        "What a kilowatt-hour costs.",
        default_text="the energy's cost is not shown",
        ge=0,
        le=10_000,
        admin_label="Cost of a kWh",
    )
    currency: Currency = usage("EUR", "The currency of these costs, as it is shown.", admin_label="Currency")
    co2_grams_per_kwh: float | None = usage(
        None,
        "CO₂ emitted per kilowatt-hour, in grams.",
        default_text="no CO₂ is shown",
        ge=0,
        le=10_000,
        admin_label="CO₂ of a kWh",
    )
    report_address: ReportAddress | None = usage(
        None,
        "How the mail address of a user's own weekly report is made, with `{user}` for the username: `{user}@example.org`.",
        default_text="users get no reports",
        admin_label="Address of users' reports",
    )
