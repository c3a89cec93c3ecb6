"""The metrics that a rule can compare: every number of the schema, by struct and field, with its unit."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

import msgspec

from monitor import formats
from monitor.formats import Form
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot, System

Of = Literal["gpu", "process", "system", "health"]

_FORMS = {"J": formats.JOULES}
"""Of units in which pages do not show values: thresholds are given in these."""
_TEXTS: dict[str, Callable[[float], str]] = {"bytes": formats.memory, "s": formats.duration}
"""Of units that follow from the size of the value."""


def _plain(value: float) -> str:
    """Counts in full: every replay of 1234567 counts."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:g}"


def _yes_or_no(value: float) -> str:
    return "yes" if value else "no"


_NO_MEASURE = frozenset({"index", "pid", "mig_instance", "since", "read_at", "started_at", "booted_at"})
_WORDS = {
    **{word: word.upper() for word in ("sm", "ecc", "cpu", "bar1", "gpu", "jpeg", "ofa", "dram")},
    "pcie": "PCIe",
    "nvlink": "NVLink",
    "rx": "received",
    "tx": "sent",
    "1m": "of 1 min",
    "5m": "of 5 min",
    "15m": "of 15 min",
}
COUNTERS = (
    "gpu.ecc_uncorrected_volatile",
    "gpu.ecc_uncorrected_aggregate",
    "gpu.ecc_corrected_volatile",
    "gpu.ecc_corrected_aggregate",
    "gpu.remapped_rows_uncorrected",
    "gpu.remapped_rows_corrected",
    "gpu.retired_pages",
    "gpu.pcie_replays",
)
"""Metrics that only rise, so that an increase is what matters."""
LIMITS = (
    "slowdown_temperature_celsius",
    "shutdown_temperature_celsius",
    "power_limit_watts",
    "power_default_limit_watts",
    "memory_total_bytes",
    "sm_clock_max_mhz",
    "memory_clock_max_mhz",
)
"""Limits that a GPU reports about itself; a threshold can be an offset from one."""
_HEALTH: dict[str, Callable[[Snapshot], float | None]] = {
    "age_seconds": lambda snapshot: snapshot.age_seconds,
    "gpu_count": lambda snapshot: None if snapshot.sampled_at is None else len(snapshot.gpus),
    "lost_gpu_count": lambda snapshot: (
        None if snapshot.sampled_at is None else sum(gpu.state == "lost" for gpu in snapshot.gpus)
    ),
}


class Metric(NamedTuple):
    """One number of the schema."""

    key: str
    """Struct and field: gpu.temperature_celsius."""
    of: Of
    field: str
    label: str
    """temperature."""
    unit: str
    """The unit of its thresholds; empty for counts."""
    form: Form
    """Of its values on a chart."""
    text: Callable[[float], str]
    """A value as people read it: 88 °C."""

    @property
    def is_yes_or_no(self) -> bool:
        """Whether its values are 1 and 0 for yes and no."""
        return self.text is _yes_or_no


def _metric(of: Of, field: str, *, is_yes_or_no: bool = False) -> Metric:
    ending = formats.ending_of(field)
    words = " ".join(_WORDS.get(word, word) for word in field.removesuffix(ending).split("_"))
    if not ending:
        text = _yes_or_no if is_yes_or_no else _plain
        return Metric(f"{of}.{field}", of, field, words, "", formats.COUNT, text)
    unit, form = formats.MEASURES[ending]
    form = _FORMS.get(unit, form)
    return Metric(f"{of}.{field}", of, field, words, unit, form, _TEXTS.get(unit, form.text))


def _types(hint: Any) -> set[Any]:
    """The plain types of a field: {float, NoneType} for Percent | None."""
    return {getattr(each, "__origin__", each) for each in (get_args(hint) or (hint,))}


@functools.cache
def metrics() -> dict[str, Metric]:
    """Every metric by its key: numbers of Gpu, GpuProcess and System as the schema lists them, then health."""
    found: dict[str, Metric] = {}
    structs: tuple[tuple[Of, type[msgspec.Struct]], ...] = (("gpu", Gpu), ("process", GpuProcess), ("system", System))
    for of, struct in structs:
        hints = get_type_hints(struct)
        for field in msgspec.structs.fields(struct):
            types = _types(hints[field.name])
            if field.name not in _NO_MEASURE and types & {int, float, bool}:
                metric = _metric(of, field.name, is_yes_or_no=bool in types)
                found[metric.key] = metric
    for name in _HEALTH:
        found[f"health.{name}"] = _metric("health", name)
    return found


def health_value(snapshot: Snapshot, field: str) -> float | None:
    """A metric of the readings themselves."""
    return _HEALTH[field](snapshot)


def label_of(key: str) -> str:
    """The name of a metric in a sentence: temperature."""
    return metrics()[key].label


def text_of(key: str, value: float) -> str:
    """A value with its unit: 88 °C. For an unknown key, the plain number."""
    metric = metrics().get(key)
    return _plain(value) if metric is None else metric.text(value)
