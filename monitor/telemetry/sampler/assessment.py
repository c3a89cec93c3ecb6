"""Adds to each GPU of a snapshot how it is used and what slows it down, and remembers since when GPUs have been idle-held."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from monitor.telemetry.bottleneck import bottleneck_of
from monitor.telemetry.gpu_use import IdleLimits, use_of
from monitor.telemetry.schema import Gpu, System


class Assessment:
    """Used only by the supervisor's thread."""

    def __init__(self, idle: Callable[[], IdleLimits]) -> None:
        self._idle = idle
        self._held_since: dict[str, float] = {}
        """UUID → when the GPU was first seen idle-held without a break, by the monotonic clock."""

    def note(self, gpus: Sequence[Gpu], at: float) -> None:
        """Take note of a new reading."""
        idle = self._idle()
        held = [gpu.uuid for gpu in gpus if use_of(gpu, idle) == "held"]
        self._held_since = {uuid: self._held_since.get(uuid, at) for uuid in held}

    def added_to(self, gpus: Sequence[Gpu], system: System | None, at: float) -> tuple[Gpu, ...]:
        """The GPUs with their use and bottleneck."""
        idle = self._idle()
        return tuple([self._added(gpu, system, idle, at) for gpu in gpus])

    def _added(self, gpu: Gpu, system: System | None, idle: IdleLimits, at: float) -> Gpu:
        since = self._held_since.get(gpu.uuid)
        found = bottleneck_of(gpu, system, idle, held_seconds=None if since is None else at - since)
        use = use_of(gpu, idle)
        if isinstance(found, str):
            unavailable = {**gpu.unavailable, "bottleneck": found}
            return msgspec.structs.replace(gpu, use=use, bottleneck=None, unavailable=unavailable)
        return msgspec.structs.replace(gpu, use=use, bottleneck=found)
