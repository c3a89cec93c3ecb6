"""Runtimes for tests, made with settings of the test and started only by the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from monitor.config.model import Config
from monitor.runtime.process import set_runtime
from monitor.runtime.runtime import Runtime


def default_config(**values: object) -> Config:
    """These settings with defaults for the rest, whatever `.env` and the environment contain."""
    return Config.model_construct(**{name: field.default for name, field in Config.model_fields.items()} | values)


@contextmanager
def current_runtime(config: Config | None = None, **arguments: Any) -> Iterator[Runtime]:
    """A Runtime for views and admin during the block; stopped at the end if it was started."""
    made = Runtime(config or default_config(), **arguments)
    set_runtime(made)
    try:
        yield made
    finally:
        set_runtime(None)
        made.stop()
