"""What the page of hosts knows of one host: its state, and the figures by which it is filtered, sorted and summed."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from monitor.fleet.host_summary import GpuSummary, HostSummary
from monitor.telemetry.schema import Alert
from monitor.web.components.gpu_cards import short_name

HostState = Literal["live", "stale", "down", "off"]
STATES: tuple[HostState, ...] = ("live", "stale", "down", "off")
_MANY_MODELS = 2


class HostFacts(NamedTuple):
    """One host. Its figures are None while they are not known: of hosts that are not live."""

    summary: HostSummary
    state: HostState
    """stale: its agent is connected, its readings are old. down: it is not connected. off: that is expected."""
    uses: Counter[str]
    """GPUs by `use`, as they are drawn: of a host that is down, all are unknown."""
    models: tuple[str, ...]
    model: str
    """8 × H100 80GB HBM3; 4 × A100, 4 × T4; 8 GPUs of 3 models."""
    alerts: Sequence[Alert]
    """Open ones, the worst first."""

    @property
    def name(self) -> str:
        return self.summary.name

    @property
    def tags(self) -> tuple[str, ...]:
        return self.summary.tags

    @property
    def gpus(self) -> tuple[GpuSummary, ...]:
        return self.summary.gpus

    @property
    def is_live(self) -> bool:
        return self.state == "live"

    @property
    def gpu_count(self) -> int:
        return len(self.summary.gpus)

    @property
    def free_count(self) -> int | None:
        return self.summary.free_gpu_count

    def used(self, use: str) -> int | None:
        """GPUs with this use."""
        return self.uses[use] if self.is_live else None

    @property
    def utilization_percent(self) -> float | None:
        return self._total("utilization_percent")

    @property
    def memory_used_bytes(self) -> float | None:
        return self._total("memory_used_bytes")

    @property
    def memory_total_bytes(self) -> float | None:
        return self._total("memory_total_bytes")

    @property
    def memory_percent(self) -> float | None:
        used, whole = self.memory_used_bytes, self.memory_total_bytes
        return None if used is None or not whole else min(100.0, 100.0 * used / whole)

    @property
    def power_watts(self) -> float | None:
        return self._total("power_watts")

    @property
    def power_limit_watts(self) -> float | None:
        return self._total("power_limit_watts")

    @property
    def hottest_celsius(self) -> float | None:
        return self._total("hottest_temperature_celsius")

    @property
    def alert_count(self) -> int:
        return len(self.alerts)

    def _total(self, metric: str) -> float | None:
        totals = self.summary.totals
        found: float | None = getattr(totals, metric) if totals is not None and self.is_live else None
        return found


def facts_of(summary: HostSummary, alerts: Sequence[Alert]) -> HostFacts:
    """The facts about one host."""
    state = _state_of(summary)
    gpus = summary.gpus
    uses: Counter[str] = Counter(["unknown" if state in ("down", "off") else gpu.use for gpu in gpus])
    models, model = _models_of(tuple([gpu.name for gpu in gpus]))
    return HostFacts(summary, state, uses, models, model, alerts)


@functools.lru_cache(maxsize=1024)
def _models_of(names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The models of GPUs with these names, and in words."""
    counts = Counter([short_name(name) for name in names])
    if len(counts) > _MANY_MODELS:
        words = f"{len(names)} GPUs of {len(counts)} models"
    else:
        words = ", ".join(f"{count} × {name}" for name, count in counts.items())
    return tuple(sorted(counts)), words


def _state_of(summary: HostSummary) -> HostState:
    if not summary.stale:
        return "live"
    if summary.is_connected:
        return "stale"
    return "off" if summary.state == "may_be_off" else "down"
