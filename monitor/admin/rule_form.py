"""The form of an alert rule: choices named as on the pages, judged by the same code as the engine's and the import's."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import MAXYEAR, MINYEAR, datetime
from itertools import groupby
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from monitor.alerts import quiet_hours
from monitor.alerts.rule_rows import JUDGED, given_of
from monitor.models import AlertRule
from monitor.rules.choices import KINDS
from monitor.rules.making import BadRule, Rule
from monitor.rules.metrics import COUNTERS, LIMITS, Metric, metrics
from monitor.runtime.process import runtime

_GROUPS = {"gpu": "GPU", "process": "Process on a GPU", "system": "Host", "health": "The readings themselves"}
_UNITS = {"stale": "s", "several_users": "users", "idle_held": "%"}
"""What a threshold is given in, where the kind says it and no metric."""
OF_KINDS = tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.needs + kind.takes))
"""Fields that only some kinds have a use for."""
PRESET_COMPARATOR = ">="
HELP = {
    "name": "What alerts and messages call it. Each rule has a name of its own.",
    "kind": "What it is about. Fields below that are of no use to a kind stay empty.",
    "metric": "The value that is looked at. For a counter that rises, one of the counters.",
    "threshold": "In the metric's unit. No data: seconds. Several users: how many. Held idly: the highest utilization in "
    "percent at which a GPU is idle.",
    "relative_to": "The threshold is then so much above that limit of the GPU itself; below it with a minus.",
    "clear_threshold": "It ends only on the far side of this value, so that it does not come and go. Empty: as the threshold.",
    "throttle": "For which reasons the driver holds the clocks down.",
    "ignored_xids": "Codes between commas, such as 13, 31, 43: what a faulty program alone can cause.",
    "held_memory_mib": "MiB that one process holds at least. Empty: as in the settings.",
    "for_seconds": "Seconds that it has to hold before it fires, 0 to 2592000 (30 days). Empty: at once; memory held idly: as in "
    "the settings.",
    "clear_for_seconds": "Seconds that it has to be over before it ends, 0 to 2592000.",
    "gpus": "Only these. With none of the fields below it is about every GPU.",
    "gpu_indexes": "Indexes and ranges between commas, such as 0, 2-5.",
    "gpu_name_pattern": "With * and ?, as in file names: *A100*.",
    "host_pattern": "With * and ?: dgx-*. Rules about the host itself heed it too.",
    "muted_until": "Until then, by the server's clock, nothing is sent. It is judged and shown on the pages all the same.",
    "quiet_hours": "When nothing is sent, a span a line: Mon-Fri 22:00-07:00, or 22:00-06:00 for every day.",
    "remind_every_minutes": "Minutes after which it is told again while it fires. 0: never.",
    "channels": "Where it is told. None chosen: all channels for rules that name none.",
}


def metric_choices() -> list[tuple[str, str | list[tuple[str, str]]]]:
    """Every metric in its group, with its unit: Temperature, °C."""
    groups = groupby(metrics().values(), key=lambda metric: metric.of)
    return [("", "—"), *[(_GROUPS[of], [(metric.key, _named(metric)) for metric in found]) for of, found in groups]]


def _named(metric: Metric) -> str:
    return metric.label[0].upper() + metric.label[1:] + (f", {metric.unit}" if metric.unit else "")


def _limit_choices() -> list[tuple[str, str]]:
    return [("", "a number"), *[(limit, _named(metrics()[f"gpu.{limit}"])) for limit in LIMITS]]


def what_kinds_need() -> SafeString:
    """Every kind, what it is and which fields it needs, for those who see all fields at once."""

    labels = {field.name: str(field.verbose_name) for field in AlertRule._meta.fields}

    def named(fields: Iterable[str]) -> str:
        return ", ".join(labels[name] for name in fields)

    rows = format_html_join(
        "",
        "<dt>{}</dt><dd>{} {}{}</dd>",
        (
            (
                kind.label,
                kind.help,
                f"Needs: {named(kind.needs)}." if kind.needs else "",
                f" Takes: {named(kind.takes)}." if kind.takes else "",
            )
            for kind in KINDS.values()
        ),
    )
    return format_html("<details><summary>What each kind needs</summary><dl>{}</dl></details>", rows)


class AlertRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """`rule` is the rule as it would be judged, once the form is valid as far as that goes."""

    rule: Rule | None = None

    class Meta:
        model = AlertRule
        fields = "__all__"  # noqa: DJ007  # the admin picks them
        help_texts = HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("clear_for_seconds", "remind_every_minutes"):
            if name in self.fields:
                self.fields[name].required = False
        if "muted_until" in self.fields:
            for part, widget in zip(("date", "time"), self.fields["muted_until"].widget.widgets, strict=True):
                widget.attrs["aria-label"] = f"Muted until: {part}"
        if "kind" not in self.fields:
            return  # shown as texts, to somebody who may only look
        units = {metric.key: metric.unit for metric in metrics().values()}
        self.fields["metric"] = forms.ChoiceField(
            choices=metric_choices,
            required=False,
            help_text=HELP["metric"],
            widget=forms.Select(attrs=_as_data(metrics=units, counters=COUNTERS)),
        )
        self.fields["relative_to"] = forms.ChoiceField(
            choices=_limit_choices, required=False, label="Measured from", help_text=HELP["relative_to"]
        )
        kinds = {
            name: {
                "help": kind.help,
                "fields": kind.needs + kind.takes + (() if kind.is_of_a_moment else ("for_seconds",)),
                "unit": _UNITS.get(name),
            }
            for name, kind in KINDS.items()
        }
        self.fields["kind"].widget.attrs.update(_as_data(kinds=kinds, of_kinds=(*OF_KINDS, "for_seconds")))
        if not self.instance.pk and not self.is_bound:
            self.initial.setdefault("comparator", PRESET_COMPARATOR)

    def clean_comparator(self) -> str:
        """What a new form begins with is no choice of a kind that compares nothing: without script it is sent all the same."""
        comparator: str = self.cleaned_data["comparator"]
        kind = KINDS.get(self.cleaned_data.get("kind", ""))
        is_of_use = kind is None or "comparator" in kind.needs
        return "" if comparator == PRESET_COMPARATOR and not is_of_use else comparator

    def clean_clear_for_seconds(self) -> float:
        """Empty is 0."""
        return self.cleaned_data["clear_for_seconds"] or 0.0

    def clean_remind_every_minutes(self) -> int:
        """Empty is 0, which is never."""
        return self.cleaned_data["remind_every_minutes"] or 0

    def clean_muted_until(self) -> datetime | None:
        """A time that there is in every time zone."""
        until: datetime | None = self.cleaned_data["muted_until"]
        if until is not None and not MINYEAR < until.year < MAXYEAR:
            raise forms.ValidationError("Years go from 2 to 9998. To hear nothing of a rule for good, disable it.")
        return until

    def clean_quiet_hours(self) -> str:
        """As `is_quiet` will read them."""
        text: str = self.cleaned_data["quiet_hours"]
        try:
            quiet_hours.parse(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return text

    def clean(self) -> dict[str, Any]:
        """Judge the rule as a whole: what `rules.make` refuses stands at its field, in its words."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if any(name in self.errors for name in (*JUDGED, "gpus") if name != "name"):
            return cleaned  # these have their own words already, and without them nothing else can be said
        given = {**given_of(self.instance), **{name: cleaned[name] for name in JUDGED if name in cleaned}}
        given["name"] = cleaned.get("name") or "this rule"
        if "gpus" in cleaned:
            given["gpus"] = [gpu.uuid for gpu in cleaned["gpus"]]
        try:
            self.rule = runtime().make_rule(given)
        except BadRule as error:
            for name, problem in error.problems.items():
                self.add_error(name if name in self.fields else None, f"{problem[0].upper()}{problem[1:]}.")
        return cleaned


def _as_data(**values: Any) -> dict[str, str]:
    """For static/js/admin_rule.js."""
    return {f"data-{name.replace('_', '-')}": json.dumps(value, ensure_ascii=False) for name, value in values.items()}
