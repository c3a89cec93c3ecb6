"""The telemetry loop of this process as the settings in force want it: made once, started by whoever needs it first."""

from __future__ import annotations

import functools
import socket
import threading

from django.conf import settings
from django.db import connection

from monitor.config.model import Config
from monitor.http.static_build import build_id
from monitor.logs.level import set_log_level
from monitor.runtime.alerting import Alerting
from monitor.runtime.effective_config import InForce
from monitor.runtime.pipeline import Live
from monitor.sanitize import plain
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.options import Options
from monitor.telemetry.recent import Recent
from monitor.version import __version__

WAIT_FOR_DATABASE_SECONDS = 1.0
"""So long the start waits for what is set in the admin. A database that answers later is heard when it does."""
_BYTES_PER_MIB = 1 << 20


@functools.cache
def _in_force() -> InForce:
    return InForce(settings.GPU_MONITOR)


def startup() -> Config:
    """The settings of the start: what the administrator's are laid over."""
    return _in_force().startup


def config() -> Config:
    """The settings in force, as of the last look at those of the admin. To be asked anew by whoever runs on."""
    return _in_force().config


def read_config() -> Config:
    """The settings in force after a look at the admin's, for a command that has no loop of its own to apply them to."""
    _in_force().look()
    return config()


def apply_settings() -> bool:
    """Look at the settings of the admin, and where they have changed apply them to this process: sampler, hub, log.

    From any thread but an event loop's, as often as is wished: settings that are as before cost one small query. Says
    whether they had changed. A database that does not answer is logged and changes nothing.
    """
    return _in_force().look(_apply)


def _apply(in_force: Config) -> None:
    set_log_level(in_force.log_level)
    live().apply(
        options_of(in_force),
        max_rate_hz=in_force.ws_max_rate_hz,
        with_system_metrics=in_force.enable_system_metrics,
    )


def idle_limits() -> IdleLimits:
    """When a GPU counts as held, by the settings in force."""
    in_force = config()
    return IdleLimits(in_force.idle_held_memory_mib * _BYTES_PER_MIB, float(in_force.idle_held_utilization_percent))


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
        log_format=config.log_format,
    )


@functools.cache
def live() -> Live:
    """The loop, not yet started."""
    in_force = config()
    running = Live(
        options_of(in_force),
        host=plain(socket.gethostname()),
        timeout_seconds=in_force.sampler_timeout_ms / 1000,
        max_rate_hz=in_force.ws_max_rate_hz,
        with_system_metrics=in_force.enable_system_metrics,
        version=version(),
    )
    running.also = alerting(running).take
    return running


@functools.cache
def alerting(running: Live) -> Alerting:
    """The alerts judged by these readings, not yet started."""
    return Alerting(running.hub, config=config, watch=apply_settings)


def recent() -> Recent:
    """The readings of the last 15 minutes."""
    return alerting(live()).recent


def alerts_changed() -> None:
    """Rules were edited or an alert acknowledged, by this process: pages and messages follow at once."""
    alerting(live()).changed()


@functools.cache
def version() -> str:
    """Of the running server and its pages: an open page that was made by another one offers to be loaded anew."""
    return f"{__version__}-{build_id()}"


def started() -> Live:
    """The loop, started."""
    running = live()
    _first_look()
    if running.start():
        alerting(running).start()
    return running


def ended() -> None:
    """End it, with what its alerts remember written down. By itself that happens as Python ends, which uvicorn does not wait
    for: it ends by the signal that it was told to end by.
    """
    alerting(live()).stop()
    live().supervisor.stop()


@functools.cache
def _first_look() -> None:
    """In a thread of its own: the start may be in an event loop, and must not hang with the database."""

    def look() -> None:
        try:
            apply_settings()
        finally:
            connection.close()

    looking = threading.Thread(target=look, name="first look at the settings", daemon=True)
    looking.start()
    looking.join(WAIT_FOR_DATABASE_SECONDS)
