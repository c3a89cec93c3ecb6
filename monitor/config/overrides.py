"""What administrators set, between `.env` and the defaults: validated like a value from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from monitor.config.declarations import declarations
from monitor.config.loading import refusal
from monitor.config.model import Config, Source

FIXED: frozenset[Source] = frozenset({"environment", ".env"})
"""A value from these sources cannot be overridden in the admin."""


def layered(startup: Config, values: Mapping[str, Any]) -> tuple[Config, dict[str, str]]:
    """The effective settings with these values set in the admin, and the reason for each rejected one by its name.

    `startup`: the settings by environment, `.env` and defaults. None, and "" from a form, mean not set. Names that
    administrators cannot set, such as those of another version, are ignored.
    """
    declared = declarations(type(startup))
    candidates = {
        name: values[name]
        for name in startup.set_in_admin()
        if name in values and values[name] is not None and values[name] != "" and startup.source_of(name) not in FIXED
    }
    refused: dict[str, str] = {}
    while True:
        try:
            valid = validated(startup, candidates)
        except ValidationError as error:
            for problem in error.errors():
                name = str(problem["loc"][0])
                if name == "replay_file":  # not set in the admin: the provider that needs it is unavailable
                    del candidates["telemetry_provider"]
                    refused["telemetry_provider"] = refusal(declared[name], startup.replay_file, problem)
                else:
                    refused[name] = refusal(declared[name], candidates.pop(name), problem)
        else:
            return startup.layered_with({name: getattr(valid, name) for name in candidates}), refused


def validated(startup: Config, values: Mapping[str, Any]) -> Config:
    """These values as settings, the rest by default. Bypasses `Config()`, which would read the environment too."""
    # The default data folder can be invalid, for a user without a home folder.
    given = {**values, "data_dir": startup.data_dir}
    if "telemetry_provider" in given:
        given["replay_file"] = startup.replay_file
    model = type(startup)
    config = model.__new__(model)
    BaseModel.__init__(config, **given)
    return config
