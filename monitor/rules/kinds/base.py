"""The shape of a rule kind: its fields, the values that it compares, its words, its preview and its part of the form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, NamedTuple

from monitor.rules.columns import HOST, Column, HostName, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.metrics import metrics
from monitor.rules.phrases import SIGNS
from monitor.rules.rule import Rule
from monitor.rules.sentences import lasted, lasted_seconds
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.schema import Alert, AlertClock, Gpu, GpuProcess

CLEARED = "condition cleared"
PROCESS_GONE = "process exited or freed memory"
_BESIDE = {
    "gpu.temperature_celsius": "gpu.sm_clock_mhz",
    "gpu.memory_temperature_celsius": "gpu.memory_clock_mhz",
    "gpu.power_watts": "gpu.sm_clock_mhz",
    "gpu.sm_clock_mhz": "gpu.power_watts",
    "gpu.utilization_percent": "gpu.power_watts",
    "gpu.memory_used_percent": "gpu.utilization_percent",
    "gpu.memory_used_bytes": "gpu.utilization_percent",
}
"""What a second chart shows beside an alert's own metric: its usual cause or effect."""


class Words(NamedTuple):
    """What an alert says about the moment it fired."""

    summary: str
    """What happened, in the past tense, so that it stays true; names neither users nor programs."""
    detail: str = ""
    value: float | None = None
    threshold: float | None = None
    metric: str = ""


class Kind(ABC):
    """One kind of rule. A subclass is a file of this folder and a line in `registry`."""

    name: ClassVar[str]
    """As stored in the database and in YAML."""
    label: ClassVar[str]
    help: ClassVar[str]

    # ── Fields and validation ─────────────────────────────────────────────────────────────────────────────────────────

    needs: ClassVar[tuple[str, ...]] = ()
    """Required fields, of those that only some kinds use."""
    takes: ClassVar[tuple[str, ...]] = ()
    """Optional fields, of those that only some kinds use. All others must be empty."""
    is_instant: ClassVar[bool] = False
    """The condition holds for one reading only: with `for_seconds` the rule would never fire."""
    threshold_unit: ClassVar[str | None] = None
    """The unit of its threshold, if the metric does not define it."""
    threshold_help: ClassVar[str] = ""
    """What its threshold means, if the metric does not define it."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the form shows for this kind, of those that only some kinds use."""
        return (*self.needs, *self.takes, *(() if self.is_instant else ("for_seconds",)))

    def metric_keys(self) -> Collection[str]:
        """The keys that `metric` can have."""
        return metrics()

    def problems(self, given: Mapping[str, Any]) -> dict[str, str]:
        """What is wrong beyond missing fields and unknown choices, by field. Without a comparator a threshold is a count."""
        threshold = given.get("threshold")
        if "threshold" in self.needs and "comparator" not in self.needs and threshold is not None and threshold <= 0:
            return {"threshold": f"{threshold:g} is out of range: it must be greater than 0"}
        return {}

    def values(self, given: Mapping[str, Any], idle: IdleLimits) -> dict[str, Any]:
        """Fields of the Rule that this kind derives from the given ones."""
        return {}

    # ── Evaluation ────────────────────────────────────────────────────────────────────────────────────────────────────

    reports_worst: ClassVar[bool] = False
    """The value in its alerts is the value compared, so the worst value is known too."""
    has_subjects_only_while_bad: ClassVar[bool] = False
    """Its subjects appear when the condition is met and disappear with it."""

    has_limit_on_chart: ClassVar[bool] = True
    """The threshold in its alerts is a value of their metric."""
    why_not_stored: ClassVar[str] = "the history stores no processes"
    """Why rules of this kind cannot be tested on the stored history, where `stored` returns None."""

    why_not_previewed: ClassVar[str] = ""
    """Why rules of this kind have no preview on the last minutes; empty if they have one."""

    def stored(self, rule: Rule) -> tuple[str, ...] | None:
        """The metrics that it reads, by struct and field, if the stored history can have all that it reads; else None."""
        return None

    is_of_fleet: ClassVar[bool] = False
    """Its subjects are the other hosts: it is evaluated once for all, with the snapshots of the hub itself."""

    @property
    def timed_by(self) -> AlertClock:
        """Whose clock the times of its alerts are by."""
        return "hub" if self.is_of_fleet else "host"

    @abstractmethod
    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        """The values to compare with the rule's threshold."""

    def is_of_host(self, rule: Rule) -> bool:
        """Whether the rule is evaluated while GPU readings are stale."""
        return False

    def host_of(self, change: Change, tick: Tick) -> HostName:
        """The host that the alert is about."""
        return tick.host

    # ── Words ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def condition(self, rule: Rule) -> str:
        """The condition in a few words: temperature ≥ 90 °C."""

    @abstractmethod
    def words(self, change: Change, tick: Tick) -> Words:
        """The alert that has just fired."""

    def summary_when_over(self, alert: Alert, rule: Rule) -> str:
        """The summary of an alert that has resolved, with its worst value and how long it lasted."""
        if self.is_instant or lasted_seconds(alert) is None:
            return alert.summary
        return f"{self.summary_of_worst(alert, rule)} for {lasted(alert)}"

    def summary_of_worst(self, alert: Alert, rule: Rule) -> str:
        """The summary with the worst value instead of the first one."""
        return alert.summary

    def why_cleared(self, change: Change) -> str:
        """Why the alert resolved while its subject still exists."""
        return CLEARED

    def why_gone(self, key: str, tick: Tick | None) -> str | None:
        """Why the alert resolved with its subject; None if the subject is the GPU itself or something reported about it. `tick`:
        the one without it."""
        return PROCESS_GONE if "/" in key else None

    def charted(self, rule: Rule) -> tuple[str, ...]:
        """The metrics that are recorded around an alert and drawn on its page, the one that explains it best first."""
        return (rule.metric, *([_BESIDE[rule.metric]] if rule.metric in _BESIDE else [])) if rule.metric else ()

    def subject_label(self, key: str, column: Column, place: int) -> str:
        """GPU 3, for the preview's legend."""
        if key == HOST:
            return "host"
        gpu = f"GPU {column.gpus[place].index}"
        return f"PID {column.processes[place].pid} on {gpu}" if column.processes else gpu

    # ── Preview ───────────────────────────────────────────────────────────────────────────────────────────────────────

    is_yes_or_no: ClassVar[bool] = False
    """Its values are 1 and 0: the condition is met or not."""

    @abstractmethod
    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        """What the chart shows. `is_offset`: the offset from the GPU's own limit, since limits differ."""

    def value_text(self, rule: Rule, value: float) -> str:
        """A value of its column as people read it."""
        if self.is_yes_or_no:
            return "yes" if value else "no"
        return f"{value:g}"

    def threshold_text(self, rule: Rule, threshold: float, *, is_offset: bool) -> str:
        """The label of the threshold's line."""
        return "fires here" if self.is_yes_or_no else f"{SIGNS[rule.comparator]} {self.value_text(rule, threshold)}"

    def scale(self, rule: Rule, low: float, high: float) -> tuple[float, float]:
        """The chart's range for values from `low` to `high`."""
        return 0.0, max(1.0, high)


class MetricKind(Kind):
    """A kind that compares a metric: the metric determines texts and scale."""

    def value_text(self, rule: Rule, value: float) -> str:
        return metrics()[rule.metric].text(value)

    def scale(self, rule: Rule, low: float, high: float) -> tuple[float, float]:
        """All values with a margin. Percentages always have 0 to 100."""
        if metrics()[rule.metric].unit == "%" and not rule.relative_to:
            return min(0.0, low), max(100.0, high)
        margin = (high - low) * 0.08 or max(1.0, abs(high) * 0.05)
        return (low - margin if low < 0 or low > margin else 0.0), high + margin


def gpu_of(change: Change) -> Gpu:
    """The GPU that the alert is about."""
    assert change.column is not None
    return change.column.gpus[change.place]


def process_of(change: Change) -> GpuProcess:
    """The process that the alert is about."""
    assert change.column is not None
    return change.column.processes[change.place]


def detail_of(change: Change) -> Any:
    """What the kind's column says about the subject besides its value."""
    assert change.column is not None
    return change.column.details[change.place]


def owner_of(process: GpuProcess) -> str:
    """mira's python (PID 4242). Without the command line: notifications go to people who may not see it."""
    user = f"{process.user}'s " if process.user else ""
    return f"{user}{process.name or 'process'} (PID {process.pid})"


def holds_enough(process: GpuProcess, rule: Rule) -> bool:
    """Whether the process holds the memory that the rule asks for, or how much it holds is unknown."""
    return process.memory_used_bytes is None or process.memory_used_bytes >= rule.held_memory_bytes


def held_memory_bytes(given: Mapping[str, Any], idle: IdleLimits) -> float:
    """The rule's memory in bytes, or the site's."""
    mib = given.get("held_memory_mib")
    return float(idle.memory_bytes if mib is None else mib * (1 << 20))
