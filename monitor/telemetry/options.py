"""What the sampler is started with; each provider takes from it what it needs."""

from __future__ import annotations

import msgspec

from monitor.logs.lines import LogFormat


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the sampler is told; each provider takes from it what it needs."""

    interval_seconds: float = 1.0
    """Time between readings, 0.1 to 60."""
    provider: str | None = None
    """Name of the one provider to use; None tries them in order."""
    simulated_gpus: int = 8
    replay_file: str | None = None
    replay_speed: float = 1.0
    """1: the recording's own pace; 2: twice as fast; 0: as fast as it is asked."""
    let_gpus_sleep: str = "auto"
    """auto, always or never: see sleep.py."""
    show_commands: str = "full"
    """full, name or none: how much of a command line leaves this process."""
    log_level: str = "INFO"
    """DEBUG to CRITICAL: of the sampler's own records, on standard error."""
    log_format: LogFormat = "text"
    """How these look."""
    is_watched: bool = False
    """Somebody looks at the readings: do not let go of the driver."""
    unattached: tuple[str, ...] = ()
    """PCI bus ids of GPUs just let go so that they can sleep: not opened before they have slept and woken."""
    provider_before: str | None = None
    """The provider of the sampler before: it keeps its name while every GPU sleeps and none is opened."""
    root: str = "/"
    """Where /proc, /sys and /dev are; another folder in tests."""
