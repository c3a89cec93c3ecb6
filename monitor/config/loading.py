"""Loads the settings from the environment and `.env`, and words what is wrong with a value, a name or a file."""

from __future__ import annotations

import difflib
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

from monitor.config.database_url import masked
from monitor.config.declarations import PREFIX, Declaration, declarations
from monitor.config.model import ENV_FILES, Config, Source
from monitor.logs.config import logging_before_setup

log = logging.getLogger(__name__)


def load_config(env_files: Sequence[Path] = ENV_FILES, model: type[Config] = Config) -> Config:
    """The settings, or SystemExit with one line: which variable is invalid and what is allowed, or which file is unreadable."""
    garbled = [warning for file in env_files for warning in _garbled_lines(file)]
    # It warns of the same lines, without a file's name, each time it reads a file.
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)
    in_files = DotEnvSettingsSource(model, env_file=env_files, env_ignore_empty=True)()
    in_environment = EnvSettingsSource(model)()
    sources: dict[str, Source] = {
        **dict.fromkeys(in_files, ".env"),
        **dict.fromkeys(in_environment, "environment"),
    }
    try:
        # The argument belongs to pydantic-settings, which a type checker without its plugin cannot know.
        config = model(_env_file=env_files)  # type: ignore[call-arg]
    except ValidationError as error:
        declared = declarations(model)
        lines = (
            _invalid_value(declared[str(problem["loc"][0])], problem, in_files | in_environment, sources)
            for problem in error.errors()
        )
        raise SystemExit("gpumon: " + "; ".join(lines)) from None
    config.set_sources(sources)
    with logging_before_setup(config.log_format):
        for warning in (*garbled, *_unknown_variables(env_files, model)):
            log.warning("%s", warning)
    return config


def _garbled_lines(file: Path) -> list[str]:
    """A warning for each line that sets nothing. SystemExit with one line if the file exists but is unreadable."""
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return []
    except OSError as error:
        raise SystemExit(f"gpumon: cannot read the settings in {file.absolute()}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SystemExit(f"gpumon: cannot read the settings in {file.absolute()}: not UTF-8 ({error.reason})") from None
    lines = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            original = binding.original.string
            empty_before = original[: len(original) - len(original.lstrip())].count("\n")
            number = binding.original.line + empty_before
            lines.append(f"gpumon: line {number} of {file.absolute()} is not NAME=value; ignored")
    return lines


def _invalid_value(declared: Declaration, problem: Any, values: dict[str, Any], sources: dict[str, Source]) -> str:
    words = refusal(declared, values.get(declared.name), problem)
    if declared.name not in values:
        return words
    place = {"environment": "set in the environment", ".env": "set in .env"}[sources[declared.name]]
    return f"{words} ({place})"


def refusal(declared: Declaration, value: Any, problem: Any) -> str:
    """What is wrong with a value (None: there is none) and what is allowed, from pydantic's report of the problem."""
    if value is None:
        wrong = " is not set"
    else:
        shown = _on_one_line(masked(str(value)) if declared.is_secret else str(value))
        wrong = f"={shown} is invalid"
    return f"{declared.variable}{wrong}: must be {_allowed(declared, problem)}"


def _on_one_line(value: str) -> str:
    shown = value if value.isprintable() else ascii(value)
    return shown if len(shown) <= 100 else shown[:100] + "…"


def _allowed(declared: Declaration, problem: Any) -> str:
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return declared.allowed or str(problem["msg"])


def _unknown_variables(env_files: Sequence[Path], model: type[Config]) -> list[str]:
    """A line for each GPU_MONITOR_… variable that is not a setting, with the known name nearest to it."""
    known = [name.upper() for name in model.model_fields]
    names = {*os.environ, *(name for file in env_files for name in dotenv_values(file))}
    lines = []
    for name in sorted(names):
        before, found, rest = name.upper().partition(PREFIX)
        if before or not found or rest in known:
            continue
        nearest = difflib.get_close_matches(rest, known, n=1)
        hint = f"; did you mean {PREFIX}{nearest[0]}?" if nearest else "; docs/configuration.md lists them all"
        lines.append(f"gpumon: {name} is not a setting{hint}")
    return lines
