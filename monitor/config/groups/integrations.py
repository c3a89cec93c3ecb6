"""The settings of what other systems read from gpumon."""

from __future__ import annotations

from functools import partial

from pydantic_settings import BaseSettings

from monitor.config.declarations import setting
from monitor.config.values import FrameAncestors, MetricsNames, Origins

prometheus = partial(setting, group="Prometheus")
other_pages = partial(setting, group="Other pages")


class IntegrationSettings(BaseSettings):
    """A part of Config (monitor/config/model.py)."""

    metrics_names: MetricsNames = prometheus(
        ("own",),
        "Whose names for metrics `/metrics` uses, separated by commas: `own`, `dcgm` (DCGM exporter's) and `nvidia_smi` "
        "(nvidia_gpu_exporter's).",
    )
    metrics_processes: int = prometheus(
        0,
        "How many processes of each GPU `/metrics` shows, those with the most GPU memory, with PID, user, name, container, pod and "
        "job as labels.",
        default_text="none: each process adds up to eight series, and new ones when it starts again",
        ge=0,
        le=100,
    )

    cors_origins: Origins = other_pages(
        (),
        "Origins whose pages can read `/api/` from the viewer's browser (CORS), separated by commas, with scheme.",
    )
    frame_ancestors: FrameAncestors = other_pages(
        (),
        "Origins whose pages can embed the wall screen `/?kiosk=1` in a frame, separated by commas, with scheme.",
    )
