"""The layer between `.env` and the defaults: what an administrator has set, checked by the same code as the environment's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from monitor.config.loading import refusal
from monitor.config.model import Config, Source

SET_IN_ADMIN = (
    "poll_interval_ms",
    "ws_max_rate_hz",
    "telemetry_provider",
    "enable_system_metrics",
    "let_gpus_sleep",
    "show_commands",
    "idle_held_memory_mib",
    "idle_held_utilization_percent",
    "idle_held_minutes",
    "alert_retention_days",
    "log_level",
)
"""The settings that an administrator may set while the server runs, in the order of the form."""
FIXED: frozenset[Source] = frozenset({"environment", ".env"})
"""A value from here stays, whatever is set in the admin."""


def layered(startup: Config, values: Mapping[str, Any]) -> tuple[Config, dict[str, str]]:
    """The settings in force when these values are set in the admin, and for each that is refused by its name, why.

    `startup` is what the environment, `.env` and the defaults say. None, and "" from a form, mean not set in the admin.
    """
    asked = {
        name: value
        for name, value in values.items()
        if value is not None and value != "" and startup.source_of(name) not in FIXED
    }
    refused: dict[str, str] = {}
    while True:
        try:
            taken = _checked(startup, asked)
        except ValidationError as error:
            for problem in error.errors():
                name = str(problem["loc"][0])
                if name == "replay_file":  # not of the admin: the provider that would play it is not to be had
                    del asked["telemetry_provider"]
                    refused["telemetry_provider"] = refusal(name, startup.replay_file, problem)
                else:
                    refused[name] = refusal(name, asked.pop(name), problem)
        else:
            return startup.layered_with({name: getattr(taken, name) for name in asked}), refused


def _checked(startup: Config, values: Mapping[str, Any]) -> Config:
    """These values as a Config, the rest by default. By the fields alone: `Config()` would ask the environment too."""
    # The default data folder may be none at all: for a user without a home.
    given = {**values, "data_dir": startup.data_dir}
    if "telemetry_provider" in given:
        given["replay_file"] = startup.replay_file
    config = Config.__new__(Config)
    BaseModel.__init__(config, **given)
    return config
