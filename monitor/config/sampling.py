"""What the settings say about readings, in telemetry's own terms."""

from __future__ import annotations

from monitor.config.model import Config
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.options import Options

_BYTES_PER_MIB = 1 << 20


def sampler_options(config: Config) -> Options:
    """The sampler's options."""
    return Options(
        interval_seconds=config.poll_interval_ms / 1000,
        provider=config.telemetry_provider,
        simulated_gpus=config.simulated_gpus,
        replay_file=str(config.replay_file) if config.replay_file else None,
        replay_speed=config.replay_speed,
        let_gpus_sleep=config.let_gpus_sleep,
        show_commands=config.show_commands,
        container_socket=str(config.container_socket) if config.container_socket else None,
        job_mapping_dir=str(config.job_mapping_dir) if config.job_mapping_dir else None,
        log_level=config.log_level,
        log_format=config.log_format,
    )


def idle_limits_of(config: Config) -> IdleLimits:
    """When a GPU counts as idle-held, and for how long before an alert fires."""
    return IdleLimits(
        config.idle_held_memory_mib * _BYTES_PER_MIB,
        float(config.idle_held_utilization_percent),
        float(config.idle_held_minutes),
    )
