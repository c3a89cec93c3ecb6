"""The telemetry loop of this process as the site's settings want it: made once, started by whoever needs it first."""

from __future__ import annotations

import functools
import socket

from django.conf import settings

from gpumon_site import __version__
from gpumon_site.config import Config
from gpumon_site.static_build import build_id
from monitor.live.running import Live
from monitor.telemetry.providers.base import Options


def options_of(config: Config) -> Options:
    """What the sampler is told, from the settings."""
    return Options(
        interval_seconds=config.poll_interval_ms / 1000,
        provider=config.telemetry_provider,
        simulated_gpus=config.simulated_gpus,
        replay_file=str(config.replay_file) if config.replay_file else None,
        replay_speed=config.replay_speed,
        let_gpus_sleep=config.let_gpus_sleep,
        show_commands=config.show_commands,
        log_level=config.log_level,
    )


@functools.cache
def live() -> Live:
    """The loop, not yet started."""
    config: Config = settings.GPU_MONITOR
    return Live(
        options_of(config),
        host=socket.gethostname(),
        timeout_seconds=config.sampler_timeout_ms / 1000,
        max_rate_hz=config.ws_max_rate_hz,
        with_system_metrics=config.enable_system_metrics,
        version=version(),
    )


@functools.cache
def version() -> str:
    """Of the running server and its pages: an open page that was made by another one offers to be loaded anew."""
    return f"{__version__}-{build_id()}"


def started() -> Live:
    """The loop, started."""
    running = live()
    running.start()
    return running
