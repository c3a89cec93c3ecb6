"""Chips beside a GPU's name: its open alerts, state, throttle reasons and performance state, in one or two words each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from monitor.telemetry.bottleneck import slowing_reasons
from monitor.telemetry.gpu_use import is_silent
from monitor.telemetry.schema import Alert, Gpu, GpuUse
from monitor.web.components.live_pieces import NOT_KNOWN

MOST_ON_A_CARD = 2
"""More would crowd out the GPU's name."""
_LONGEST_RULE = 14
"""Characters of a rule's name in a chip; of a longer one, the words that fit."""
_EXCEEDED = {
    "gpu.temperature_celsius": "Too hot",
    "gpu.hotspot_temperature_celsius": "Too hot",
    "gpu.memory_temperature_celsius": "Memory hot",
    "gpu.memory_used_percent": "Memory full",
    "gpu.power_watts": "Power high",
    "gpu.ecc_uncorrected_volatile": "ECC error",
    "gpu.ecc_uncorrected_aggregate": "ECC error",
    "gpu.remapped_rows_uncorrected": "Row remapped",
    "gpu.pcie_replays": "PCIe replays",
}
"""Words for an alert whose metric is at or above its threshold; for any other, the name of its rule."""
_THROTTLED = {
    "hw_thermal_slowdown": ("Thermal", "critical"),
    "hw_power_brake_slowdown": ("Power brake", "critical"),
    "hw_slowdown": ("HW slowdown", "warning"),
    "sw_thermal_slowdown": ("Thermal", "warning"),
    "sw_power_cap": ("Power cap", ""),
    "sync_boost": ("Sync boost", ""),
    "board_limit": ("Board limit", ""),
    "reliability": ("Reliability", ""),
}
"""Clock-event reasons shown as chips, worst first. Idle and clocks set by an administrator are left out. Running at the power
limit is normal under load and therefore no warning; at the highest clock it costs nothing and is left out."""


class Chip(NamedTuple):
    """A label beside the GPU's name. `why` is its tooltip."""

    word: str
    level: str
    why: str
    since: datetime | None = None
    may_flicker: bool = False
    """It can come and go within a second, so the page holds it for a while."""


def chips(gpu: Gpu, use: GpuUse, alerts: Sequence[Alert] = ()) -> tuple[Chip, ...]:
    """All chips of a GPU, the most important first."""
    return tuple(_chips(gpu, use, alerts))


def _chips(gpu: Gpu, use: GpuUse, alerts: Sequence[Alert]) -> Iterator[Chip]:
    if gpu.state == "lost":
        since = None if gpu.since is None else datetime.fromtimestamp(gpu.since, UTC)
        why = "Lost: it has fallen off the bus or stopped responding. The values shown are the last known ones."
        yield Chip("Lost", "critical", f"{why} {rules_of(alerts)}".strip(), since)
        return
    said = alerts_in_a_word(alerts) if alerts else ""
    if said:
        yield Chip(said, alerts[0].severity, rules_of(alerts))
    if gpu.state == "asleep":
        yield Chip("Asleep", "info", "Suspended; not queried, to let it sleep")
    if is_silent(gpu):
        why = gpu.unavailable.get("utilization_percent", NOT_KNOWN)
        yield Chip("No data", "warning", f"The driver gives no readings of this GPU: {why}")
    yield from (chip for chip in _throttle_chips(slowing_reasons(gpu)) if not said.startswith(chip.word))
    if use == "held":
        yield Chip("Idle-held", "info", "Memory allocated, GPU idle", may_flicker=True)
    if gpu.mig_mode:
        yield Chip(mig_in_words(gpu), "", f"{len(gpu.mig_instances)} MIG instances")
    if gpu.performance_state:
        yield Chip(gpu.performance_state, "", "Performance state")


def _throttle_chips(reasons: Sequence[str]) -> Iterator[Chip]:
    known = [reason for reason in _THROTTLED if reason in reasons]
    unknown = [reason for reason in reasons if reason.startswith("0x")]
    words: dict[str, list[str]] = {}
    for reason in (*known, *unknown):
        words.setdefault(_THROTTLED.get(reason, (reason, ""))[0], []).append(reason)
    for word, causes in words.items():
        level = _THROTTLED.get(causes[0], ("", ""))[1]
        yield Chip(word, level, f"Throttled; clock-event reason: {', '.join(causes)}", may_flicker=True)


def alerts_in_a_word(alerts: Sequence[Alert]) -> str:
    """The worst alert in a word or two, and the number of others: Too hot +1. Clearing: its condition no longer holds."""
    worst = alerts[0]
    word = _EXCEEDED.get(worst.metric or "") if (worst.value or 0.0) >= (worst.threshold or 0.0) else None
    if word is None:
        rule = worst.rule
        start, _, _ = rule[:_LONGEST_RULE].rpartition(" ")
        word = rule if len(rule) <= _LONGEST_RULE else f"{start or rule[: _LONGEST_RULE - 1]}…"
    now = "Clearing" if worst.is_clearing else word
    return now if len(alerts) == 1 else f"{now} +{len(alerts) - 1}"


def rules_of(alerts: Sequence[Alert]) -> str:
    """The rules of alerts, for a tooltip; empty without alerts."""
    if not alerts:
        return ""
    worst, *others = alerts
    by = f" by {worst.acknowledged_by}" if worst.acknowledged_by else ""
    quiet = "" if worst.acknowledged_at is None else f" · acknowledged{by}"
    also = f" · also {', '.join(f'“{alert.rule}”' for alert in others)}" if others else ""
    return f"Rule “{worst.rule}”: {worst.summary}{quiet}{also}"


def mig_in_words(gpu: Gpu) -> str:
    """How many MIG instances are in use: MIG 2 of 3. Without a process list, only MIG."""
    if gpu.processes is None or not gpu.mig_instances:
        return "MIG"
    used = {process.mig_instance for process in gpu.processes} & {each.index for each in gpu.mig_instances}
    return f"MIG {len(used)} of {len(gpu.mig_instances)}"
