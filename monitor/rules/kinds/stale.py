"""Fires when there is no fresh reading for some seconds."""

from __future__ import annotations

from monitor import formats
from monitor.rules.columns import HOST, Column, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import Kind, Words
from monitor.rules.phrases import span_of
from monitor.rules.rule import Rule
from monitor.telemetry.schema import Alert


class Stale(Kind):
    name = "stale"
    label = "Stale readings"
    help = "No fresh reading for the given number of seconds."
    needs = ("threshold",)
    threshold_unit = "s"
    threshold_help = "seconds without a fresh reading"
    reports_worst = True
    why_not_stored = "the history does not store how old readings were"

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        """Unknown on a host that has never shown a GPU: there, nothing can become stale."""
        snapshot = tick.snapshot
        if snapshot.sampled_at is not None and not snapshot.stale:
            memory["has_had_data"] = True
        if not memory.get("has_had_data"):
            return Column([HOST], [None])
        # A reading becomes stale some seconds after it was due: those count too, if its age is known.
        age = snapshot.age_seconds if snapshot.stale else None
        return Column([HOST], [max(tick.silent_seconds, age or 0.0)])

    def is_of_host(self, rule: Rule) -> bool:
        return True

    def condition(self, rule: Rule) -> str:
        return f"no fresh reading for {span_of(rule.threshold)}"

    def words(self, change: Change, tick: Tick) -> Words:
        value = change.state.value or 0.0
        return Words(
            _sentence(tick.snapshot.host, value),
            tick.snapshot.stale_reason or "",
            value,
            change.rule.threshold,
            "health.age_seconds",
        )

    def summary_when_over(self, alert: Alert, rule: Rule) -> str:
        """Its value is a duration: the longest time without a reading."""
        return alert.summary if alert.worst_value is None else _sentence(alert.host, alert.worst_value)

    def charted(self, rule: Rule) -> tuple[str, ...]:
        return ("health.age_seconds",)

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "time without a fresh reading"

    def value_text(self, rule: Rule, value: float) -> str:
        return formats.duration(value)


def _sentence(host: str, seconds: float) -> str:
    return f"{host} gave no fresh reading for {formats.duration(seconds)}"
