"""The settings of what other systems read from gpumon."""

from __future__ import annotations

from functools import partial

from pydantic_settings import BaseSettings

from monitor.config.declarations import setting
from monitor.config.values import MetricsNames

prometheus = partial(setting, group="Prometheus")


class IntegrationSettings(BaseSettings):
    """A part of Config (model.py)."""

    metrics_names: MetricsNames = prometheus(
        ("own",),
        "Whose names for metrics `/metrics` uses, separated by commas: `own`, `dcgm` (DCGM exporter's) and `nvidia_smi` "
        "(nvidia_gpu_exporter's).",
    )
