"""The monitor app as Django sees it. It starts nothing here: `migrate` and `shell` must not touch the driver."""

from __future__ import annotations

from django.apps import AppConfig


class MonitorConfig(AppConfig):
    """Pages, live feed and commands of gpumon."""

    name = "monitor"
    verbose_name = "GPU monitor"
