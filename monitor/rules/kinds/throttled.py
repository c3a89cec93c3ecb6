"""Fires when the driver lowers a GPU's clocks for thermal or power reasons."""

from __future__ import annotations

from typing import Any

from monitor.rules.choices import THROTTLE_REASONS
from monitor.rules.columns import Column, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import Kind, Words, detail_of, gpu_of
from monitor.rules.rule import Rule

_THROTTLED = {"thermal": "was throttled thermally", "power": "was throttled by a power limit"}


class Throttled(Kind):
    name = "throttled"
    label = "Throttling"
    help = "The driver lowers the clocks for the chosen reasons."
    needs = ("throttle",)
    is_yes_or_no = True

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        wanted = THROTTLE_REASONS.get(rule.throttle) or frozenset().union(*THROTTLE_REASONS.values())
        keys, gpus = tick.selected(rule.which)
        values: list[float | None] = []
        details: list[Any] = []
        for gpu in gpus:
            reasons = gpu.clock_event_reasons
            found = () if reasons is None else tuple(reason for reason in reasons if reason in wanted)
            details.append(found)
            values.append(None if reasons is None or gpu.state != "ok" else float(bool(found)))
        return Column(keys, values, gpus, details=details)

    def stored(self, rule: Rule) -> tuple[str, ...] | None:
        """The history stores the shares of time in which these reasons held."""
        names = THROTTLE_REASONS if rule.throttle not in THROTTLE_REASONS else (rule.throttle,)
        return tuple(f"gpu.throttled_{name}_percent" for name in names)

    def condition(self, rule: Rule) -> str:
        return f"{'thermal or power' if rule.throttle == 'any' else rule.throttle} throttling"

    def words(self, change: Change, tick: Tick) -> Words:
        what = _THROTTLED.get(change.rule.throttle, "was throttled for thermal or power reasons")
        return Words(f"GPU {gpu_of(change).index} {what}", f"Clock event reasons: {', '.join(detail_of(change))}.")

    def charted(self, rule: Rule) -> tuple[str, ...]:
        other = "gpu.power_watts" if rule.throttle == "power" else "gpu.temperature_celsius"
        return ("gpu.sm_clock_mhz", other)

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "throttled"
