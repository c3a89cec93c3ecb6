"""Loading the settings: from the environment and `.env`, and what is said of a value that is wrong or a name that means nothing."""

from __future__ import annotations

import difflib
import functools
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from gpumon_site.config import ENV_FILES, PREFIX, SECRETS, Config, Source

log = logging.getLogger(__name__)


def load_config(env_files: Sequence[Path] = ENV_FILES) -> Config:
    """The settings in force, or SystemExit with one line that says which variable is wrong and what it takes."""
    in_files = DotEnvSettingsSource(Config, env_file=env_files, env_ignore_empty=True)()
    in_environment = EnvSettingsSource(Config)()
    for warning in _unknown_variables(env_files):
        log.warning(warning)
    sources: dict[str, Source] = {
        **dict.fromkeys(in_files, ".env"),
        **dict.fromkeys(in_environment, "environment"),
    }
    try:
        # The argument belongs to pydantic-settings, which a type checker without its plugin cannot know.
        config = Config(_env_file=env_files)  # type: ignore[call-arg]
    except ValidationError as error:
        lines = (
            _wrong_value(problem["loc"], problem, in_files | in_environment, sources) for problem in error.errors()
        )
        raise SystemExit("gpumon: " + "; ".join(lines)) from None
    config._sources.update(sources)
    return config


def _wrong_value(
    location: tuple[int | str, ...], problem: Any, values: dict[str, Any], sources: dict[str, Source]
) -> str:
    name = str(location[0])
    told = refusal(name, values.get(name), problem)
    if name not in values:
        return told
    place = {"environment": "set in the environment", ".env": "set in .env"}[sources[name]]
    return f"{told} ({place})"


def refusal(name: str, value: Any, problem: Any) -> str:
    """What is wrong with a value (None: there is none) and what the setting takes, from pydantic's account of the problem."""
    if value is None:
        wrong = " is not set"
    else:
        shown = "(not shown)" if name in SECRETS else _on_one_line(str(value))
        wrong = f"={shown} is wrong"
    return f"{PREFIX}{name.upper()}{wrong}: it takes {_what_it_takes(name, problem)}"


def _on_one_line(value: str) -> str:
    shown = value if value.isprintable() else ascii(value)
    return shown if len(shown) <= 100 else shown[:100] + "…"


def _what_it_takes(name: str, problem: Any) -> str:
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return what_it_takes(name) or str(problem["msg"])


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of a field's value where it has one: its type, its bounds (`minimum`, `maximum`) or choices (`enum`)."""
    schema: dict[str, Any] = _schemas()[name]
    return next((part for part in schema.get("anyOf", ()) if part.get("type") != "null"), schema)


@functools.cache
def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = Config.model_json_schema()["properties"]
    return schemas


def what_it_takes(name: str) -> str:
    """The range or the choices of a field, from its declaration; empty where that does not tell."""
    schema = schema_of(name)
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if "minimum" in schema:
        kind = "a whole number" if schema["type"] == "integer" else "a number"
        return f"{kind} from {schema['minimum']:g} to {schema['maximum']:g}"
    return "true or false" if schema.get("type") == "boolean" else ""


def _unknown_variables(env_files: Sequence[Path]) -> list[str]:
    """A line for each GPU_MONITOR_… variable that means nothing, with the known name it comes nearest to."""
    known = [name.upper() for name in Config.model_fields]
    given = {*os.environ, *(name for file in env_files for name in dotenv_values(file))}
    lines = []
    for name in sorted(given):
        ours, found, rest = name.upper().partition(PREFIX)
        if ours or not found or rest in known:
            continue
        nearest = difflib.get_close_matches(rest, known, n=1)
        hint = f"; did you mean {PREFIX}{nearest[0]}?" if nearest else "; docs/configuration.md lists them all"
        lines.append(f"gpumon: {name} is not a setting{hint}")
    return lines
