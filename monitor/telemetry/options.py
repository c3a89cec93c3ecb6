"""Options of the sampler and its providers."""

from __future__ import annotations

import msgspec

from monitor.logs.lines import LogFormat


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the sampler is started with. It can change while the sampler runs, see sampler/loop.py."""

    interval_seconds: float = 1.0
    """Time between readings, 0.1 to 60."""
    timeout_seconds: float = 5.0
    """How long a reading can take before it counts as hanging."""
    provider: str | None = None
    """Name of the one provider to use; None tries them in order."""
    simulated_gpus: int = 8
    replay_file: str | None = None
    replay_speed: float = 1.0
    """1: the recording's own pace; 2: twice as fast; 0: a reading at each tick."""
    let_gpus_sleep: str = "auto"
    """auto, always or never: see sampler/gpu_sleep.py."""
    show_commands: str = "full"
    """full, name or none: how much of a command line leaves the sampler."""
    container_socket: str | None = None
    """The Unix socket of Docker or Podman that is asked for the names of containers."""
    job_mapping_dir: str | None = None
    """A folder with the batch jobs of each GPU: see host/job_files.py."""
    log_level: str = "INFO"
    """DEBUG to CRITICAL, for the sampler's own records on standard error."""
    log_format: LogFormat = "text"
    is_watched: bool = False
    """Someone is viewing the readings: do not release the driver."""
    unattached: tuple[str, ...] = ()
    """PCI bus ids of GPUs just released so that they can sleep: not opened until they have slept and woken."""
    provider_before: str | None = None
    """The previous sampler's provider, whose name is kept while every GPU sleeps and no provider is opened."""
    root: str = "/"
    """The folder of /proc, /sys and /dev; another one in tests."""
