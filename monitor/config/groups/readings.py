"""The settings of readings: from where, how often, how much of them, and what counts as idle-held."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydantic import ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from monitor.config.declarations import PREFIX, setting
from monitor.config.values import AbsolutePath, CommandDetail, ProviderName, SleepRule
from monitor.telemetry.providers.selection import IN_ORDER

readings = partial(setting, group="Readings")
idle_held = partial(setting, group="Idle-held GPUs")
live_feed = partial(setting, group="Live feed")


class ReadingSettings(BaseSettings):
    """A part of Config (monitor/config/model.py)."""

    poll_interval_ms: int = readings(
        1000, "Time between two readings, in milliseconds.", ge=100, le=60_000, admin_label="Polling interval"
    )
    telemetry_provider: ProviderName = readings(
        None,
        "The provider, which is the data source for GPU readings.",
        default_text=f"the first of {', '.join(IN_ORDER[:-1])} and {IN_ORDER[-1]} that finds a GPU",
        admin_label="Provider",
    )
    enable_system_metrics: bool = readings(
        True, "Whether to read the host's CPU, memory, load and uptime as well.", admin_label="System metrics"
    )
    sampler_timeout_ms: int = readings(
        5000, "How long a reading can take, in milliseconds, before it counts as hanging.", ge=500, le=60_000
    )
    let_gpus_sleep: SleepRule = readings(
        "auto", "Whether to release the driver so that idle GPUs can power down.", admin_label="Sleeping GPUs"
    )
    show_commands: CommandDetail = readings(
        "full",
        "How much of a GPU process's command line leaves the server, for users who may see all of it.",
        admin_label="Command lines",
    )
    container_socket: AbsolutePath | None = readings(
        None,
        "The Unix socket of Docker or Podman, such as `/run/docker.sock`, that is asked for the names of containers.",
        default_text="names are read from the files of Docker, Podman and kubelet, if these are readable",
        is_internal=True,
    )
    job_mapping_dir: AbsolutePath | None = readings(
        None,
        "The folder in which a job scheduler writes a file for each GPU with its jobs, such as `/run/gpustat`.",
        default_text="only Slurm jobs with a cgroup of their own are known",
        is_internal=True,
    )
    simulated_gpus: int = readings(8, "Number of GPUs that the provider `simulated` simulates.", ge=1, le=256)
    replay_file: AbsolutePath | None = readings(
        None, "The recording that the provider `replay` plays.", is_internal=True
    )
    replay_speed: float = readings(
        1.0, "Speed of the replay; 2 is twice the original, 0 is as fast as readings are requested.", ge=0, le=1000
    )

    idle_held_memory_mib: int = idle_held(
        1024,
        "Minimum total memory held by a GPU's processes for the GPU to count as held, in MiB.",
        ge=1,
        le=524_288,
        admin_label="Idle-held memory",
    )
    idle_held_utilization_percent: int = idle_held(
        5,
        "The highest utilization at which a held GPU counts as idle, in percent.",
        ge=0,
        le=100,
        admin_label="Idle-held utilization",
    )
    idle_held_minutes: int = idle_held(
        30,
        "How long a GPU must be idle-held before the alert rule for it fires, in minutes.",
        ge=1,
        le=1440,
        admin_label="Idle-held minutes",
    )

    ws_max_rate_hz: int = live_feed(
        5, "Maximum messages per second per client.", ge=1, le=30, admin_label="Broadcast rate"
    )

    @field_validator("replay_file")
    @classmethod
    def _recording_exists(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            if info.data.get("telemetry_provider") == "replay":
                raise ValueError(f"the path of a recording, because {PREFIX}TELEMETRY_PROVIDER is replay")
            return None
        try:
            value.stat()
        except OSError as error:
            raise ValueError(f"the path of an existing recording: {error.strerror}") from None
        return value
