"""GPUs on the dashboard as tiles: utilization as a number and a color depth, memory, temperature, and the state in a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor import formats
from monitor.telemetry.schema import Alert, Gpu, GpuUse
from monitor.web.components.chips import alerts_in_a_word, mig_in_words, rules_of
from monitor.web.components.gpu_cards import outline_of, short_name
from monitor.web.components.live_pieces import NOT_KNOWN, LivePieces
from monitor.web.hosts.addresses import gpu_address

STATES = {
    "busy": "busy",
    "held": "idle-held",
    "free": "free",
    "mig": "MIG",
    "lost": "lost",
    "asleep": "asleep",
    "unknown": "no data",
}
"""A tile's `data-use`, on which its shape depends, and the word for it."""
LEGEND = tuple((use, STATES[use]) for use in ("busy", "held", "free", "mig", "asleep", "lost", "unknown"))


class Tile:
    def __init__(
        self,
        place: int,
        gpu: Gpu,
        live: LivePieces,
        use: GpuUse,
        alerts: Sequence[Alert] = (),
        *,
        time: float = 0.0,
        host: str = "",
    ) -> None:
        """`time`: of the snapshot. `host`: what addresses call the host, if it is not the one that answers."""
        at = f"g{place}"
        self._host = host
        load = gpu.utilization_percent
        state = state_of(gpu, use)
        word, level, why = state_in_words(gpu, state, alerts, time)
        memory_form = formats.memory_form(gpu.memory_total_bytes)
        self.gpu = gpu
        self.name = short_name(gpu.name)
        heat = "" if load is None else f"{round(load / 10)}"
        self.state = live.state(at, data_use=state, data_level=outline_of(gpu, alerts), data_heat=heat)
        self.utilization = live.reading(f"{at}-u", gpu, "utilization_percent", formats.PERCENT)
        self.memory_meter = live.meter(f"{at}-mm", gpu.memory_used_percent)
        self.memory = live.reading(f"{at}-m", gpu, "memory_used_bytes", memory_form.text)
        self.temperature = live.reading(f"{at}-t", gpu, "temperature_celsius", formats.CELSIUS.text)
        self.word = live.text(f"{at}-w", word, ("data-level", level), ("title", why))
        self.users = live.text(f"{at}-n", _users(gpu))

    @property
    def address(self) -> str:
        """Of the GPU's page."""
        return gpu_address(self._host, self.gpu.uuid)

    @staticmethod
    def key(gpu: Gpu) -> Any:
        """Everything that the tile's structure depends on."""
        return (gpu.index, gpu.uuid, gpu.name, gpu.memory_total_bytes)


def state_of(gpu: Gpu, use: GpuUse) -> str:
    """One of STATES."""
    if gpu.state != "ok":
        return gpu.state
    return "mig" if gpu.mig_mode else use


def state_in_words(gpu: Gpu, state: str, alerts: Sequence[Alert], time: float) -> tuple[str, str, str]:
    """The word, its level and its tooltip. `alerts`: of the GPU, worst first. `time`: of the snapshot."""
    if state == "lost":
        seconds = 0.0 if gpu.since is None else time - gpu.since
        # Not by the second: its word would change at every reading.
        lasting = f" {formats.rough_duration(seconds)}" if seconds >= 60 else ""
        return f"lost{lasting}", "critical", rules_of(alerts) or "It has fallen off the bus or stopped responding"
    if alerts:
        return alerts_in_a_word(alerts).lower(), alerts[0].severity, rules_of(alerts)
    why = gpu.unavailable.get("utilization_percent", NOT_KNOWN) if state == "unknown" else ""
    return mig_in_words(gpu) if state == "mig" else STATES[state], "", why


def _users(gpu: Gpu) -> str:
    """The user with the most memory, and how many others there are: mira +1."""
    held: dict[str, int] = {}
    for process in gpu.processes or ():
        if process.user is not None:
            held[process.user] = held.get(process.user, 0) + (process.memory_used_bytes or 0)
    if not held:
        return ""
    return max(held, key=lambda user: (held[user], user)) + (f" +{len(held) - 1}" if len(held) > 1 else "")
