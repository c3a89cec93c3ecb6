"""Loading the settings: from the environment and `.env`, and what is said of a value that is wrong or a name that means nothing."""

from __future__ import annotations

import difflib
import functools
import io
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from monitor.config.model import ENV_FILES, PREFIX, SECRETS, Config, Source
from monitor.logs.config import logging_before_setup

log = logging.getLogger(__name__)


def load_config(env_files: Sequence[Path] = ENV_FILES) -> Config:
    """The settings in force, or SystemExit with one line that says which variable is wrong and what it takes, or which file
    cannot be read.
    """
    garbled = [warning for file in env_files for warning in _garbled_lines(file)]
    # It says the same, of no file in particular, each time that a file is read.
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)
    in_files = DotEnvSettingsSource(Config, env_file=env_files, env_ignore_empty=True)()
    in_environment = EnvSettingsSource(Config)()
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
    with logging_before_setup(config.log_format):
        for warning in (*garbled, *_unknown_variables(env_files)):
            log.warning("%s", warning)
    return config


def _garbled_lines(file: Path) -> list[str]:
    """A warning for each line that sets nothing. SystemExit with one line where there is a file that cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return []
    except OSError as error:
        raise SystemExit(f"gpumon: the settings in {file.absolute()} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SystemExit(
            f"gpumon: the settings in {file.absolute()} cannot be read: no UTF-8 ({error.reason})"
        ) from None
    lines = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            of_whole = binding.original.string
            empty_before = of_whole[: len(of_whole) - len(of_whole.lstrip())].count("\n")
            number = binding.original.line + empty_before
            lines.append(f"gpumon: line {number} of {file.absolute()} is no NAME=value and is passed over")
    return lines


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
